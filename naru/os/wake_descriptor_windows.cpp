#include <naru/core/result.hpp>
#include <naru/os/wake_descriptor.hpp>
#include <naru/os/windows_api.hpp>

#include <system_error>

namespace naru {

namespace {

[[noreturn]] void refuse(SOCKET made, const char* call) {
    const std::error_code error = outcome::to_error(windows::last_socket_outcome());
    if (made != INVALID_SOCKET) closesocket(made);
    throw std::system_error(error, call);
}

}  // namespace

// select and WSAPoll watch sockets only: a datagram socket that is connected to itself.
int make_wake_descriptor() {
    const SOCKET made = windows::make_socket(AF_INET, SOCK_DGRAM);
    if (made == INVALID_SOCKET) refuse(made, "socket");
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int size = sizeof own;
    auto* const address = reinterpret_cast<sockaddr*>(&own);
    if (bind(made, address, size) != 0 || getsockname(made, address, &size) != 0 ||
        connect(made, address, size) != 0)
        refuse(made, "a socket to wake up by");
    return windows::descriptor_of(made);
}

void signal_wake_descriptor(int descriptor) noexcept {
    // Refused, the buffer is full of datagrams that nobody has received: the wait will end anyway. Under wine
    // it is also refused, whatever the buffer holds, while another thread's send is not over, which it may
    // not be long after its datagram was received (tests/windows/wake_datagram.cpp).
    (void)send(windows::socket_of(descriptor), "!", 1, 0);
}

void drain_wake_descriptor(int descriptor) noexcept {
    char dropped[64];
    while (recv(windows::socket_of(descriptor), dropped, sizeof dropped, 0) > 0) {
    }
}

}  // namespace naru
