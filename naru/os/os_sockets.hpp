// The system's socket headers: the same calls under the same names, on every platform.
#pragma once

#if defined(_WIN32)
#include <naru/os/windows_api.hpp>
#else
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <naru/core/result.hpp>

#include <cerrno>
#include <cstdint>

namespace naru {

/// Before a call that needs no socket, such as getaddrinfo: what makes one does this itself. Any number of
/// times.
inline void start_sockets() noexcept {
#if defined(_WIN32)
    windows::start_winsock();
#endif
}

/// What the last socket call failed with, as an errno value.
inline int last_socket_error() noexcept {
#if defined(_WIN32)
    return windows::errno_of(static_cast<unsigned long>(WSAGetLastError()));
#else
    return errno;
#endif
}

/// The name of a socket or of its peer: `ask` is getsockname(2) or getpeername(2). Errors: theirs,
/// EAFNOSUPPORT (of another kind than Address).
template <class Address, class Ask>
result<Address> ask_name(int socket, Ask ask) noexcept {
    if (socket < 0) return fail_errno(EBADF);
    sockaddr_storage told{};
    socklen_t size = sizeof told;
    if (ask(socket, reinterpret_cast<sockaddr*>(&told), &size) != 0) return fail_errno(last_socket_error());
    return Address::of(&told, static_cast<std::uint32_t>(size));
}

}  // namespace naru
