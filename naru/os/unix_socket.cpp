#include <naru/os/unix_socket.hpp>

#include <naru/os/system_calls.hpp>

#include <cerrno>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace naru {

namespace {

int bind_to(int socket, const unix_address& where) noexcept {
    return ::bind(socket, static_cast<const sockaddr*>(where.data()), where.size());
}

const char* path_of(const unix_address& where) noexcept {
    return static_cast<const char*>(where.data()) + sizeof(std::uint16_t);
}

// A path of a socket that refuses connections: its listener is gone.
bool is_stale(const unix_address& where) noexcept {
    if (where.is_abstract()) return false;
    struct stat about{};
    if (::lstat(path_of(where), &about) != 0 || !S_ISSOCK(about.st_mode)) return false;
    const unique_descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    return probe && system_calls::connect(probe.get(), where.data(), where.size()) == -ECONNREFUSED;
}

}  // namespace

result<unique_descriptor> unix_stream_socket(const unix_address& from) noexcept {
    unique_descriptor made(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!made) return fail_errno(errno);
    if (!from.is_unnamed() && bind_to(made.get(), from) != 0) return fail_errno(errno);
    return made;
}

result<unique_descriptor> listen_on(const unix_address& where, const unix_listen_options& options) noexcept {
    if (where.is_unnamed()) return fail_errno(EINVAL);
    auto made = unix_stream_socket();
    if (!made) return made;
    const int socket = made->get();
    if (options.replace_stale && is_stale(where)) (void)::unlink(path_of(where));
    if (bind_to(socket, where) != 0) return fail_errno(errno);
    // Nobody can connect before listen: the path is never open to more than it is to be.
    const bool has_mode = options.mode && !where.is_abstract();
    if (has_mode && ::chmod(path_of(where), static_cast<mode_t>(*options.mode)) != 0)
        return fail_errno(errno);
    if (::listen(socket, options.backlog) != 0) return fail_errno(errno);
    return made;
}

std::optional<socket_file> socket_file::at(const unix_address& where) noexcept {
    if (where.is_unnamed() || where.is_abstract()) return std::nullopt;
    struct stat about{};
    if (::lstat(path_of(where), &about) != 0 || !S_ISSOCK(about.st_mode)) return std::nullopt;
    return socket_file(where, about.st_dev, about.st_ino);
}

void socket_file::remove() noexcept {
    if (!std::exchange(mine_, false)) return;
    struct stat about{};
    if (::lstat(path_of(where_), &about) != 0) return;
    if (S_ISSOCK(about.st_mode) && about.st_dev == device_ && about.st_ino == inode_)
        (void)::unlink(path_of(where_));
}

result<unique_descriptor> duplicate(const unique_descriptor& of) noexcept {
    unique_descriptor made(::fcntl(of.get(), F_DUPFD_CLOEXEC, 0));
    if (!made) return fail_errno(errno);
    return made;
}

result<std::pair<unique_descriptor, unique_descriptor>> unix_socket_pair() noexcept {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return fail_errno(errno);
    return std::pair(unique_descriptor(ends[0]), unique_descriptor(ends[1]));
}

}  // namespace naru
