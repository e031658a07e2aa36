// says: nodiscard
// with: clang
#include <naru/naru.hpp>

naru::task<> example(naru::buffered_reader<naru::tcp_stream>& reader) {
#ifdef MISUSE
    co_await reader.line();
#else
    (void)co_await reader.line();
#endif
}
