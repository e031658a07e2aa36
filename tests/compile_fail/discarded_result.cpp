// says: nodiscard
// with: clang
#include <naru/naru.hpp>

naru::task<> example(naru::tcp_stream& stream) {
#ifdef MISUSE
    co_await stream.send("lost");
#else
    (void)co_await stream.send("lost");
#endif
}
