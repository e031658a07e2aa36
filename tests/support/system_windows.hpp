// The test's own system calls on Windows. system_posix.hpp has the same names, and says what they mean.
#pragma once

#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>
#include <naru/os/windows_api.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <process.h>

namespace naru::testing::real {

/// What a socket call has returned, with its error in errno.
template <class Result>
Result with_errno(Result result) {
    if (result < 0) errno = windows::errno_of(static_cast<DWORD>(WSAGetLastError()));
    return result;
}

inline int checked(int result, const char* what) {
    if (result < 0) throw std::system_error({errno, errno_category()}, what);
    return result;
}

inline unique_descriptor blocking_socket(int family) {
    windows::start_winsock();
    const SOCKET made =
        WSASocketW(family, SOCK_STREAM, 0, nullptr, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    return unique_descriptor(checked(with_errno(windows::descriptor_of(made)), "WSASocket"));
}
inline void set_non_blocking(int socket) {
    u_long on = 1;
    checked(with_errno(ioctlsocket(windows::socket_of(socket), static_cast<long>(FIONBIO), &on)), "FIONBIO");
}
/// Windows does not tell: what would wait says so.
inline bool is_non_blocking(int socket) {
    char byte = 0;
    return ::recv(windows::socket_of(socket), &byte, 1, MSG_PEEK) < 0 && WSAGetLastError() == WSAEWOULDBLOCK;
}

inline int connect_socket(int socket, const address& where) {
    const int result =
        with_errno(::connect(windows::socket_of(socket), static_cast<const sockaddr*>(where.data()),
                             static_cast<int>(where.size())));
    if (result < 0 && errno == EAGAIN) errno = EINPROGRESS;
    return result;
}
inline int accept_socket(int listener) {
    const int made =
        with_errno(windows::descriptor_of(::accept(windows::socket_of(listener), nullptr, nullptr)));
    if (made >= 0) set_non_blocking(made);
    return made;
}
inline std::ptrdiff_t send_some(int socket, std::string_view text) {
    return with_errno(::send(windows::socket_of(socket), text.data(), static_cast<int>(text.size()), 0));
}
inline std::ptrdiff_t send_urgent(int socket, std::string_view text) {
    return with_errno(
        ::send(windows::socket_of(socket), text.data(), static_cast<int>(text.size()), MSG_OOB));
}
inline std::ptrdiff_t receive_some(int socket, char* into, std::size_t size) {
    return with_errno(::recv(windows::socket_of(socket), into, static_cast<int>(size), 0));
}
inline int bind_socket(int socket, const address& where) {
    return with_errno(::bind(windows::socket_of(socket), static_cast<const sockaddr*>(where.data()),
                             static_cast<int>(where.size())));
}
inline int listen_socket(int socket, int backlog) {
    return with_errno(::listen(windows::socket_of(socket), backlog));
}
inline int end_sending(int socket) { return with_errno(::shutdown(windows::socket_of(socket), SD_SEND)); }

inline void set_buffer(int socket, int option, int bytes) {
    checked(with_errno(::setsockopt(windows::socket_of(socket), SOL_SOCKET, option,
                                    reinterpret_cast<const char*>(&bytes), sizeof bytes)),
            "setsockopt");
}
inline void set_reset_on_close(int socket) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    checked(with_errno(::setsockopt(windows::socket_of(socket), SOL_SOCKET, SO_LINGER,
                                    reinterpret_cast<const char*>(&now), sizeof now)),
            "SO_LINGER");
}

inline bool wait_for(int socket, int events, int milliseconds) {
    WSAPOLLFD event{.fd = windows::socket_of(socket), .events = static_cast<short>(events), .revents = 0};
    return WSAPoll(&event, 1, milliseconds) == 1;
}
inline bool wait_readable(int socket, int milliseconds) { return wait_for(socket, POLLRDNORM, milliseconds); }

/// Two ends of a connection over the loopback interface: there is no socketpair(2).
inline std::pair<unique_descriptor, unique_descriptor> make_local_pair() {
    const unique_descriptor listener = listen_on(address::parse("127.0.0.1:0").value(), {}).value();
    unique_descriptor peer = blocking_socket(AF_INET);
    checked(connect_socket(peer.get(), address::local_of(listener.get()).value()), "connect");
    set_non_blocking(peer.get());
    if (!wait_readable(listener.get(), 10'000)) throw std::runtime_error("no connection arrives");
    unique_descriptor ours(checked(accept_socket(listener.get()), "accept"));
    return {std::move(ours), std::move(peer)};
}

inline constexpr const char* no_local_datagrams = "Windows has no datagram sockets of the UNIX domain";
inline std::pair<unique_descriptor, unique_descriptor> make_local_datagram_pair() { return {}; }

inline bool is_open(int descriptor) {
    DWORD flags = 0;
    return GetHandleInformation(windows::handle_of(descriptor), &flags) != 0;
}

/// How many sockets and files this process has open. Handles are small multiples of four; those that are no
/// files (events, threads) come and go with the C run-time.
inline std::size_t open_descriptors() {
    std::size_t count = 0;
    constexpr int gap = 4 * 256;  // nothing is expected behind so many free numbers
    for (int number = 4, end = gap; number < end; number += 4) {
        if (GetFileType(windows::handle_of(number)) == FILE_TYPE_UNKNOWN) continue;
        ++count;
        end = number + gap;
    }
    return count;
}

/// A copy of a socket with this very number, if the system gives it before a hundred others.
inline unique_descriptor duplicate_from(int socket, int number) {
    std::vector<unique_descriptor> others;
    while (others.size() < 100) {
        WSAPROTOCOL_INFOW copied{};
        if (WSADuplicateSocketW(windows::socket_of(socket), GetCurrentProcessId(), &copied) != 0) break;
        unique_descriptor made(
            windows::descriptor_of(WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                                              &copied, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT)));
        if (made.get() == number) return made;
        others.push_back(std::move(made));
    }
    return {};
}

inline constexpr const char* no_descriptor_limit =
    "Windows has no limit of descriptors that could be lowered";
class descriptor_limit {
 public:
    explicit descriptor_limit(int /*soft*/) {}
};

/// A file that is gone when it is closed.
inline unique_descriptor file_with(std::string_view text) {
    std::array<wchar_t, MAX_PATH + 1> directory{};
    std::array<wchar_t, MAX_PATH + 1> name{};
    GetTempPathW(static_cast<DWORD>(directory.size()), directory.data());
    GetTempFileNameW(directory.data(), L"nar", 0, name.data());
    HANDLE const made = CreateFileW(name.data(), GENERIC_READ | GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                                    CREATE_ALWAYS, FILE_FLAG_DELETE_ON_CLOSE, nullptr);
    if (made == INVALID_HANDLE_VALUE) throw std::runtime_error("no temporary file");
    DWORD written = 0;
    if (!WriteFile(made, text.data(), static_cast<DWORD>(text.size()), &written, nullptr))
        throw std::runtime_error("the temporary file cannot be written");
    return unique_descriptor(windows::descriptor_of(made));
}
inline void empty_file(int file) {
    SetFilePointer(windows::handle_of(file), 0, nullptr, FILE_BEGIN);
    if (!SetEndOfFile(windows::handle_of(file))) throw std::runtime_error("SetEndOfFile");
}

inline std::size_t threads() { return 0; }

inline int process_number() { return ::_getpid(); }

}  // namespace naru::testing::real
