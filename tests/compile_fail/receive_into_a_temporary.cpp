// says: naru: memory to receive into must outlive the receive: pass a name or a span
#include <naru/naru.hpp>

#include <string>

naru::task<> example(naru::tcp_stream& stream) {
#ifdef MISUSE
    (void)co_await stream.receive(std::string(100, ' '));
#else
    std::string memory(100, ' ');
    (void)co_await stream.receive(memory);
#endif
}
