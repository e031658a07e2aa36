#include <naru/net/splice.hpp>

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace naru {

#if defined(__linux__)

namespace {

// io_uring's sockets are in blocking mode, and splice has no other way to be told not to wait for a socket.
// For one call only: the other direction of the same socket may be in other hands.
class non_blocking_scope {
 public:
    explicit non_blocking_scope(int descriptor) noexcept
        : descriptor_(descriptor), flags_(fcntl(descriptor, F_GETFL)) {
        if (flags_ >= 0 && (flags_ & O_NONBLOCK) == 0) (void)fcntl(descriptor_, F_SETFL, flags_ | O_NONBLOCK);
    }
    ~non_blocking_scope() {
        if (flags_ >= 0 && (flags_ & O_NONBLOCK) == 0) (void)fcntl(descriptor_, F_SETFL, flags_);
    }
    non_blocking_scope(const non_blocking_scope&) = delete;
    non_blocking_scope& operator=(const non_blocking_scope&) = delete;

 private:
    int descriptor_;
    int flags_;
};

}  // namespace

std::int64_t splice_step(int from, int to, int socket, std::uint64_t count) noexcept {
    const non_blocking_scope scope(socket);
    while (true) {
        const ssize_t moved = splice(from, nullptr, to, nullptr, static_cast<std::size_t>(count),
                                     SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (moved >= 0) return moved;
        if (errno != EINTR) return -errno;
    }
}

result<pipe_ends> make_splice_pipe() noexcept {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno(errno);
    return pipe_ends{ends[0], ends[1]};
}

#else

std::int64_t splice_step(int /*from*/, int /*to*/, int /*socket*/, std::uint64_t /*count*/) noexcept {
    return -EINVAL;
}

result<pipe_ends> make_splice_pipe() noexcept { return fail_errno(ENOTSUP); }

#endif

}  // namespace naru
