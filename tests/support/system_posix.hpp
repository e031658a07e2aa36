// The test's own system calls, where the system is POSIX; used through system.hpp. system_windows.hpp has the
// same names.
#pragma once

#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

namespace naru::testing::real {

inline int checked(int result, const char* what) {
    if (result < 0) throw std::system_error(errno, std::system_category(), what);
    return result;
}

/// A pair of connected stream sockets of the UNIX domain.
inline std::pair<unique_descriptor, unique_descriptor> make_local_pair() {
    int ends[2];
    checked(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), "socketpair");
    return {unique_descriptor(ends[0]), unique_descriptor(ends[1])};
}

/// The same of datagram sockets. A send waits when the other end's queue is full: UDP's never do on loopback.
inline std::pair<unique_descriptor, unique_descriptor> make_local_datagram_pair() {
    int ends[2];
    checked(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), "socketpair");
    return {unique_descriptor(ends[0]), unique_descriptor(ends[1])};
}
/// Why there is no such pair; nullptr if there is.
inline constexpr const char* no_local_datagrams = nullptr;

inline unique_descriptor blocking_socket(int family) {
    return unique_descriptor(checked(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
}
inline void set_non_blocking(int socket) { checked(::fcntl(socket, F_SETFL, O_NONBLOCK), "fcntl"); }
inline bool is_non_blocking(int socket) { return (::fcntl(socket, F_GETFL) & O_NONBLOCK) != 0; }

/// These leave the error in errno. `EINPROGRESS`: under way.
inline int connect_socket(int socket, const address& where) {
    return ::connect(socket, static_cast<const sockaddr*>(where.data()), where.size());
}
inline int accept_socket(int listener) {
    return ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
inline std::ptrdiff_t send_some(int socket, std::string_view text) {
    return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}
/// Sends the last byte as TCP's urgent data: out of band, past everybody who does not ask for it.
inline std::ptrdiff_t send_urgent(int socket, std::string_view text) {
    return ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT | MSG_OOB);
}
inline std::ptrdiff_t receive_some(int socket, char* into, std::size_t size) {
    return ::recv(socket, into, size, 0);
}
inline int bind_socket(int socket, const address& where) {
    return ::bind(socket, static_cast<const sockaddr*>(where.data()), where.size());
}
inline int listen_socket(int socket, int backlog) { return ::listen(socket, backlog); }
inline int end_sending(int socket) { return ::shutdown(socket, SHUT_WR); }

inline void set_buffer(int socket, int option, int bytes) {
    checked(::setsockopt(socket, SOL_SOCKET, option, &bytes, sizeof bytes), "setsockopt");
}
inline void set_reset_on_close(int socket) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    checked(::setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now), "SO_LINGER");
}

/// Whether the socket is ready within so many milliseconds.
inline bool wait_for(int socket, int events, int milliseconds) {
    pollfd event{.fd = socket, .events = static_cast<short>(events), .revents = 0};
    return ::poll(&event, 1, milliseconds) == 1;
}
inline bool wait_readable(int socket, int milliseconds) { return wait_for(socket, POLLIN, milliseconds); }

inline bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }

/// How many descriptors this process has open.
inline std::size_t open_descriptors() {
    std::size_t count = 0;
    DIR* directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) throw std::runtime_error("no /proc/self/fd");
    while (::readdir(directory) != nullptr)
        ++count;
    ::closedir(directory);
    return count;
}

/// A copy with the lowest free number from `least` on; nothing if there is none below the limit.
inline unique_descriptor duplicate_from(int descriptor, int least) {
    return unique_descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, least));
}

/// Why a test of descriptors that run out cannot be made here; nullptr if it can.
inline constexpr const char* no_descriptor_limit = nullptr;

/// Sets RLIMIT_NOFILE's soft limit for a scope.
class descriptor_limit {
 public:
    explicit descriptor_limit(int soft) {
        checked(::getrlimit(RLIMIT_NOFILE, &before_), "getrlimit");
        rlimit changed = before_;
        changed.rlim_cur = std::min(static_cast<rlim_t>(soft), before_.rlim_max);
        checked(::setrlimit(RLIMIT_NOFILE, &changed), "setrlimit");
    }
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    descriptor_limit(const descriptor_limit&) = delete;
    descriptor_limit& operator=(const descriptor_limit&) = delete;

 private:
    rlimit before_{};
};

/// An unlinked file with this text.
inline unique_descriptor file_with(std::string_view text) {
    char name[] = "/tmp/naru-test-XXXXXX";
    unique_descriptor made(checked(::mkostemp(name, O_CLOEXEC), "mkostemp"));
    ::unlink(name);
    while (!text.empty()) {
        const ssize_t step = ::write(made.get(), text.data(), text.size());
        checked(static_cast<int>(step > 0 ? 0 : -1), "write");
        text.remove_prefix(static_cast<std::size_t>(step));
    }
    return made;
}
inline void empty_file(int file) { checked(::ftruncate(file, 0), "ftruncate"); }

/// How many threads this process has.
inline std::size_t threads() {
    std::size_t count = 0;
    if (DIR* directory = ::opendir("/proc/self/task")) {
        while (::readdir(directory) != nullptr)
            ++count;
        ::closedir(directory);
    }
    return count;
}

inline int process_number() { return ::getpid(); }

}  // namespace naru::testing::real
