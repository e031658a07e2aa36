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

#include <cerrno>

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

}  // namespace naru
