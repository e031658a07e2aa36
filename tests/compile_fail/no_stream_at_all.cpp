// says: byte_stream
#include <naru/naru.hpp>

struct half_a_stream {
    naru::receive_request receive();
};

naru::task<> example(half_a_stream& half, naru::tcp_stream& whole) {
#ifdef MISUSE
    (void)co_await naru::forward(half, whole);
#else
    (void)half;
    (void)co_await naru::forward(whole, whole);
#endif
}
