// says: naru: memory to receive into must outlive the receive: pass a name or a span
#include <naru/naru.hpp>

#include <string>

naru::task<> example(naru::udp_socket& socket) {
#ifdef MISUSE
    (void)co_await socket.receive_from(std::string(100, ' '));
#else
    std::string memory(100, ' ');
    (void)co_await socket.receive_from(memory);
#endif
}
