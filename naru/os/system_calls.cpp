#include <naru/os/system_calls.hpp>

#include <naru/os/bare_calls.hpp>

#include <naru/core/check.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/result.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/epoll.h>
#include <sys/sendfile.h>
#endif

namespace naru::system_calls {

static_assert(would_block == -EAGAIN && EAGAIN == EWOULDBLOCK);
static_assert(current_directory == AT_FDCWD);
static_assert(sizeof(slice) == sizeof(iovec) && offsetof(slice, data) == offsetof(iovec, iov_base) &&
                  offsetof(slice, size) == offsetof(iovec, iov_len),
              "slices are handed to the kernel as they are");
static_assert(sizeof(mutable_slice) == sizeof(iovec) &&
              offsetof(mutable_slice, data) == offsetof(iovec, iov_base) &&
              offsetof(mutable_slice, size) == offsetof(iovec, iov_len));

namespace {

std::int64_t outcome_of(ssize_t result) noexcept { return result >= 0 ? result : outcome::from_errno(errno); }

/// Of a call whose result is an outcome.
template <class Call>
std::int64_t bare_restarted(Call call) noexcept {
    std::int64_t result = 0;
    do {
        result = call();
    } while (result == -EINTR);
    return result;
}

template <class Call>
std::int64_t restarted(Call call) noexcept {
    return bare_restarted([&call] { return outcome_of(call()); });
}

}  // namespace

std::int64_t accept(int listener) noexcept {
    return bare_restarted([&] { return naru_bare_accept4(listener, SOCK_NONBLOCK | SOCK_CLOEXEC); });
}

std::int64_t recv(int socket, mutable_bytes into) noexcept {
    const std::size_t size = std::min(into.size(), limits::bytes_per_call);
    const std::int64_t got =
        bare_restarted([&] { return naru_bare_recv(socket, into.data(), size, MSG_DONTWAIT); });
    return got == 0 && !into.empty() ? outcome::end_of_stream : got;
}

std::int64_t recv(int socket, std::span<const mutable_slice> pieces) noexcept {
    if (pieces.size() == 1) return recv(socket, mutable_bytes(pieces[0].data, pieces[0].size));
    msghdr message{};
    message.msg_iov = reinterpret_cast<iovec*>(const_cast<mutable_slice*>(pieces.data()));
    message.msg_iovlen = std::min(pieces.size(), limits::slices_per_send);
    const std::int64_t got = restarted([&] { return ::recvmsg(socket, &message, MSG_DONTWAIT); });
    return got == 0 ? outcome::end_of_stream : got;
}

std::int64_t read(int descriptor, std::span<const mutable_slice> pieces) noexcept {
    const std::int64_t got = restarted([&] {
        return ::readv(descriptor, reinterpret_cast<const iovec*>(pieces.data()),
                       static_cast<int>(std::min(pieces.size(), limits::slices_per_send)));
    });
    return got == 0 ? outcome::end_of_stream : got;
}

std::int64_t write(int descriptor, std::span<const slice> pieces) noexcept {
    return restarted([&] {
        return ::writev(descriptor, reinterpret_cast<const iovec*>(pieces.data()),
                        static_cast<int>(std::min(pieces.size(), limits::slices_per_send)));
    });
}

std::int64_t shutdown_send(int socket) noexcept {
    return ::shutdown(socket, SHUT_WR) == 0 ? 0 : outcome::from_errno(errno);
}

std::int64_t send(int socket, std::span<const slice> slices, bool more) noexcept {
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
    if (slices.size() == 1) {
        const std::size_t size = std::min(slices[0].size, limits::bytes_per_call);
        return bare_restarted([&] { return naru_bare_send(socket, slices[0].data, size, flags); });
    }
    msghdr message{};
    message.msg_iov = reinterpret_cast<iovec*>(const_cast<slice*>(slices.data()));
    message.msg_iovlen = std::min(slices.size(), limits::slices_per_send);
    return restarted([&] { return ::sendmsg(socket, &message, flags); });
}

std::int64_t receive_from(int socket, mutable_bytes into, sender& from) noexcept {
    iovec memory{.iov_base = into.data(), .iov_len = std::min(into.size(), limits::bytes_per_call)};
    msghdr message{};
    message.msg_name = from.address.data();
    message.msg_namelen = static_cast<socklen_t>(from.address.size());
    message.msg_iov = &memory;
    message.msg_iovlen = 1;
    const std::int64_t result = restarted([&] { return ::recvmsg(socket, &message, MSG_DONTWAIT); });
    if (result < 0) return result;
    from.size = std::min(message.msg_namelen, static_cast<socklen_t>(from.address.size()));
    from.truncated = (message.msg_flags & MSG_TRUNC) != 0;
    return result;
}

std::int64_t send_to(int socket, std::span<const slice> pieces, const void* address,
                     std::uint32_t size) noexcept {
    msghdr message{};
    message.msg_name = const_cast<void*>(address);
    message.msg_namelen = size;
    message.msg_iov = reinterpret_cast<iovec*>(const_cast<slice*>(pieces.data()));
    message.msg_iovlen = pieces.size();
    return restarted([&] { return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT); });
}

std::int64_t connect(int socket, const void* address, std::uint32_t size) noexcept {
    // An interrupted connect goes on in the background, as if it had said EINPROGRESS.
    if (::connect(socket, static_cast<const sockaddr*>(address), size) == 0) return 0;
    return errno == EINTR ? -EINPROGRESS : -errno;
}

std::int64_t socket_error(int socket) noexcept {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -errno;
    return -error;
}

std::int64_t send_file_by_copy(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    // The socket may take less than was read; the rest is read again at the next call.
    std::array<std::byte, 32 * 1024> copied;
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count, copied.size()));
    const std::int64_t got =
        restarted([&] { return ::pread(file, copied.data(), wanted, static_cast<off_t>(offset)); });
    if (got == 0) return outcome::end_of_file;
    if (got < 0) return got;
    const slice piece(copied.data(), static_cast<std::size_t>(got));
    return send(socket, std::span(&piece, 1), static_cast<std::uint64_t>(got) < count);
}

#if defined(__linux__)

std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    off_t from = static_cast<off_t>(offset);
    const std::size_t wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(count, limits::bytes_per_call));
    const std::int64_t sent = restarted([&] { return ::sendfile(socket, file, &from, wanted); });
    if (sent == 0) return outcome::end_of_file;
    // EINVAL and ENOSYS: the file's system cannot be mapped or spliced (some FUSE and /proc files).
    if (sent == -EINVAL || sent == -ENOSYS) return send_file_by_copy(socket, file, offset, count);
    return sent;
}

#elif defined(__FreeBSD__)

std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    // FreeBSD reports what went out through `sent` also when it fails with EAGAIN or EINTR.
    off_t sent = 0;
    const int failed =
        ::sendfile(file, socket, static_cast<off_t>(offset), static_cast<size_t>(count), nullptr, &sent, 0);
    if (sent > 0) return sent;
    if (failed == 0) return outcome::end_of_file;
    if (errno == EINTR) return would_block;
    if (errno == EINVAL || errno == EOPNOTSUPP) return send_file_by_copy(socket, file, offset, count);
    return -errno;
}

#elif defined(__APPLE__)

std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    // macOS takes the wish and returns the deed in the same variable; 0 would mean "to the end of the file".
    off_t moved = static_cast<off_t>(count);
    const int failed = ::sendfile(file, socket, static_cast<off_t>(offset), &moved, nullptr, 0);
    if (moved > 0) return moved;
    if (failed == 0) return outcome::end_of_file;
    if (errno == EINTR) return would_block;
    if (errno == ENOTSUP || errno == EOPNOTSUPP) return send_file_by_copy(socket, file, offset, count);
    return -errno;
}

#else

std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    return send_file_by_copy(socket, file, offset, count);
}

#endif

std::int64_t open_file(int directory, const char* path, int flags, unsigned mode) noexcept {
    return restarted([&]() -> ssize_t { return openat(directory, path, flags | O_CLOEXEC, mode); });
}

std::int64_t read_file(int file, mutable_bytes into, std::uint64_t offset) noexcept {
    const std::size_t size = std::min(into.size(), limits::bytes_per_call);
    return restarted([&] { return pread(file, into.data(), size, static_cast<off_t>(offset)); });
}

bool is_blocking(int descriptor) noexcept {
    const int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

bool is_tcp(int socket) noexcept {
#if defined(SO_DOMAIN) && defined(SO_PROTOCOL)
    int domain = 0;
    int protocol = 0;
    socklen_t size = sizeof domain;
    return getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP &&
           getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
#else
    (void)socket;  // not told: only EAGAIN says that there is no more
    return false;
#endif
}

bool is_connected_to_itself(int socket, const void* address, std::uint32_t size) noexcept {
    sockaddr_in6 own{};  // the port is at the same place in both families
    sockaddr_in6 peer{};
    socklen_t own_size = sizeof own;
    socklen_t peer_size = sizeof peer;
    if (size < sizeof(sockaddr_in) || size > sizeof peer) return false;
    std::memcpy(&peer, address, size);
    if (peer.sin6_family != AF_INET && peer.sin6_family != AF_INET6) return false;
    return getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_size) == 0 &&
           own.sin6_port == peer.sin6_port &&
           getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &peer_size) == 0 &&
           own_size == peer_size && std::memcmp(&own, &peer, own_size) == 0;
}

void disconnect(int socket) noexcept {
    sockaddr nobody{};
    nobody.sa_family = AF_UNSPEC;
    (void)::connect(socket, &nobody, sizeof nobody);
}

bool can_be_watched(int descriptor) noexcept {
    struct stat about{};
    if (fstat(descriptor, &about) != 0) return true;  // who watches it is told why not
    if (S_ISSOCK(about.st_mode) || S_ISFIFO(about.st_mode)) return true;
    if (S_ISREG(about.st_mode) || S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode)) return false;
#if defined(__linux__)
    // A terminal can be, /dev/null cannot: an epoll set takes the one and not the other.
    const int set = epoll_create1(EPOLL_CLOEXEC);
    epoll_event nothing{};
    const bool refused =
        set >= 0 && epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &nothing) != 0 && errno == EPERM;
    if (set >= 0) close(set);
    return !refused;
#else
    return true;
#endif
}

namespace {

// Counted by the fork, because a fork is rare and a look at this is not.
std::atomic<unsigned> forks{0};

}  // namespace

unsigned forks_counted() noexcept {
    static const int counting =
        pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
    (void)counting;
    return forks.load(std::memory_order_relaxed);
}

void close(int descriptor) noexcept {
    // Not restarted: on Linux the number is free even after EINTR, and another thread may have it by now.
    ::close(descriptor);
}

void ignore_sigpipe() noexcept {
    struct sigaction current{};
    if (sigaction(SIGPIPE, nullptr, &current) != 0 || current.sa_handler != SIG_DFL) return;
    // A handler, because a program that this process starts would inherit SIG_IGN (execve(2)).
    struct sigaction nothing{};
    nothing.sa_handler = [](int) {};
    nothing.sa_flags = SA_RESTART;
    sigaction(SIGPIPE, &nothing, nullptr);
}

}  // namespace naru::system_calls
