#include <naru/os/adopted.hpp>

#include <naru/os/os_sockets.hpp>

#include <cerrno>

namespace naru {

namespace {

result<int> option_of(int socket, int name) noexcept {
    int value = 0;
    socklen_t size = sizeof value;
    if (getsockopt(socket, SOL_SOCKET, name, reinterpret_cast<char*>(&value), &size) != 0)
        return fail_errno(last_socket_error());
    return value;
}

}  // namespace

result<void> check_adopted(int descriptor, socket_use wanted) noexcept {
    if (descriptor < 0) return fail_errno(EBADF);
    const auto type = option_of(descriptor, SO_TYPE);
    if (!type) return fail(type.error());
    sockaddr_storage own{};
    socklen_t size = sizeof own;
    if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &size) != 0) {
        // Windows tells no family of a socket that has no name: it is neither connected nor listening.
        const int error = last_socket_error();
        if (error != EINVAL) return fail_errno(error);
        own.ss_family = AF_INET;
    }
    const bool internet = own.ss_family == AF_INET || own.ss_family == AF_INET6;
    const bool of_the_unix_domain = wanted == socket_use::unix_stream || wanted == socket_use::unix_listener;
    const bool family_fits = of_the_unix_domain ? own.ss_family == AF_UNIX : internet;
    const bool type_fits = *type == (wanted == socket_use::udp_socket ? SOCK_DGRAM : SOCK_STREAM);
    if (!family_fits || !type_fits) return fail(errc::wrong_kind_of_descriptor);
    if (wanted == socket_use::udp_socket) return {};
    const auto listening = option_of(descriptor, SO_ACCEPTCONN);
    if (!listening) return fail(listening.error());
    const bool wants_listener = wanted == socket_use::tcp_listener || wanted == socket_use::unix_listener;
    if (wants_listener && *listening == 0) return fail(errc::not_listening);
    if (wants_listener) return {};
    if (*listening != 0) return fail(errc::wrong_kind_of_descriptor);
    return {};
}

result<void> check_connected(int socket) noexcept {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0)
        return fail_errno(last_socket_error());
    return {};
}

}  // namespace naru
