// says: nodiscard
#include <naru/naru.hpp>

naru::task<> example(naru::tcp_stream& stream) {
#ifdef MISUSE
    stream.close();
#else
    (void)co_await stream.close();
#endif
    co_await naru::yield();
}
