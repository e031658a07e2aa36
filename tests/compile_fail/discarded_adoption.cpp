// says: nodiscard
#include <naru/naru.hpp>

void example(naru::loop& loop, naru::unique_descriptor socket) {
#ifdef MISUSE
    naru::tcp_stream::adopt(loop, std::move(socket));
#else
    (void)naru::tcp_stream::adopt(loop, std::move(socket));
#endif
}
