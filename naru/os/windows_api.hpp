// Windows' headers for sockets and files, and what stands between its types and naru's.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/chrono.hpp>

#include <winsock2.h>
// After winsock2.h, which they need.
#include <mswsock.h>
#include <windows.h>
#include <winternl.h>
#include <ws2tcpip.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace naru::windows {

// A descriptor is an int here, too. A kernel handle has 32 significant bits on 64-bit Windows ("Interprocess
// Communication Between 32-bit and 64-bit Applications"), a socket is one, and INVALID_SOCKET and
// INVALID_HANDLE_VALUE are both -1: cut to 32 bits and sign-extended again, they are themselves. Sockets of
// layered providers that are no kernel handles are small numbers all the same.
inline SOCKET socket_of(int descriptor) noexcept {
    return static_cast<SOCKET>(static_cast<std::intptr_t>(descriptor));
}
inline HANDLE handle_of(int descriptor) noexcept {
    return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(descriptor));
}
inline int descriptor_of(SOCKET socket) noexcept { return static_cast<int>(socket); }
inline int descriptor_of(HANDLE handle) noexcept {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(handle));
}

/// The errno value for an error of Win32 or Winsock (their numbers do not meet), never 0. The one place where
/// Windows' errors become portable: everything above sees what it would see elsewhere.
int errno_of(DWORD error) noexcept;
/// The same for the status of a completed request. 0 for success.
int errno_of_status(NTSTATUS status) noexcept;

/// The last call's error as an operation's outcome (see core/result.hpp).
std::int64_t last_socket_outcome() noexcept;
std::int64_t last_file_outcome() noexcept;

/// What the system counts in units of 100 nanoseconds.
inline std::chrono::nanoseconds duration_of(FILETIME units) noexcept {
    return std::chrono::nanoseconds(
        ((static_cast<std::int64_t>(units.dwHighDateTime) << 32) | units.dwLowDateTime) * 100);
}

/// A slice as Winsock wants it. The memory is only read.
inline WSABUF buffer_of(const slice& piece) noexcept {
    return {static_cast<ULONG>(piece.size), reinterpret_cast<char*>(const_cast<std::byte*>(piece.data))};
}

/// Starts Winsock, once a process; before anything else that needs it.
void start_winsock() noexcept;

/// A non-blocking, overlapped, uninherited socket; INVALID_SOCKET with WSAGetLastError.
SOCKET make_socket(int family, int type) noexcept;

/// 0 for a socket, else the error: what waits for several at once fails altogether if one is none.
std::int64_t check_socket(SOCKET socket) noexcept;

/// UTF-8 to UTF-16. False if `text` is not UTF-8, or holds a NUL.
bool to_wide(std::string_view text, std::wstring& wide);
std::string to_utf8(std::wstring_view wide);

}  // namespace naru::windows
