// The system's socket headers: the same calls under the same names, on every platform.
#pragma once

#if defined(_WIN32)
#include <naru/backend/windows_api.hpp>
#else
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#endif

#include <cerrno>

namespace naru {

/// What the last socket call failed with, as an errno value.
inline int last_socket_error() noexcept {
#if defined(_WIN32)
    return windows::errno_of(static_cast<unsigned long>(WSAGetLastError()));
#else
    return errno;
#endif
}

}  // namespace naru
