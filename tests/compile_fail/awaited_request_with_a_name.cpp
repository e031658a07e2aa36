// says: naru: a request is awaited once and used up: co_await std::move(request)
#include <naru/naru.hpp>

naru::task<> example(naru::tcp_stream& stream) {
    auto receive = stream.receive();
#ifdef MISUSE
    (void)co_await receive;
#else
    (void)co_await std::move(receive);
#endif
}
