#include <naru/stream/splice.hpp>

#include <naru/os/socket.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace naru {

#if defined(__linux__)

std::int64_t splice_step(int from, int to, std::uint64_t count) noexcept {
    if (std::max(from, to) >= foreign_descriptors) return -EINVAL;
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

std::int64_t splice_step(int /*from*/, int /*to*/, std::uint64_t /*count*/) noexcept { return -EINVAL; }

result<pipe_ends> make_splice_pipe() noexcept { return fail_errno(ENOTSUP); }

#endif

}  // namespace naru
