#include <naru/net/socket.hpp>

#include <naru/net/socket_options.hpp>

#include <cerrno>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace naru {

void unique_descriptor::reset(int descriptor) noexcept {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = descriptor;
}

result<void> shutdown_send(int socket) noexcept {
    if (::shutdown(socket, SHUT_WR) == 0) return {};
    return fail_errno(errno);
}

void reset_on_close(int socket) noexcept {
    linger at_once{};
    at_once.l_onoff = 1;
    (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

namespace {

result<unique_descriptor> make_socket(int family, int type) noexcept {
    unique_descriptor made(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!made) return fail_errno(errno);
    return made;
}

}  // namespace

result<unique_descriptor> stream_socket_for(const address& peer) noexcept {
    return make_socket(peer.family(), SOCK_STREAM);
}

result<void> bind_before_connect(int socket, const address& from) noexcept {
#if defined(IP_BIND_ADDRESS_NO_PORT)
    if (from.port() == 0) {
        const int on = 1;
        (void)setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    }
#endif
    if (::bind(socket, static_cast<const sockaddr*>(from.data()), from.size()) != 0) return fail_errno(errno);
    return {};
}

result<unique_descriptor> datagram_socket_for(const address& where) noexcept {
    return make_socket(where.family(), SOCK_DGRAM);
}

result<unique_descriptor> listen_on(const address& where, const listen_options& options) noexcept {
    auto made = stream_socket_for(where);
    if (!made) return made;
    const int socket = made->get();
    if (where.family() == AF_INET6) (void)socket_options::set_ipv6_only(socket, false);
    if (auto set = socket_options::set_reuse_address(socket, true); !set) return fail(set.error());
    if (options.reuse_port) {
        if (auto set = socket_options::set_reuse_port(socket, true); !set) return fail(set.error());
    }
    if (options.no_delay) {
        if (auto set = socket_options::set_no_delay(socket, true); !set) return fail(set.error());
    }
    if (options.defer_accept.count() > 0) {
        if (auto set = socket_options::set_defer_accept(socket, options.defer_accept); !set)
            return fail(set.error());
    }
    // Linux hands these on to accepted connections, so that none of them costs a call of its own.
    if (options.keep_alive) {
        if (auto set = socket_options::set_keep_alive(socket, *options.keep_alive); !set)
            return fail(set.error());
    }
    if (options.user_timeout.count() > 0) {
        if (auto set = socket_options::set_user_timeout(socket, options.user_timeout); !set)
            return fail(set.error());
    }
    if (options.send_buffer > 0) {
        if (auto set = socket_options::set_send_buffer(socket, options.send_buffer); !set)
            return fail(set.error());
    }
    if (options.receive_buffer > 0) {
        if (auto set = socket_options::set_receive_buffer(socket, options.receive_buffer); !set)
            return fail(set.error());
    }
    if (::bind(socket, static_cast<const sockaddr*>(where.data()), where.size()) != 0)
        return fail_errno(errno);
    if (options.fast_open_queue > 0) {
        if (auto set = socket_options::set_fast_open(socket, options.fast_open_queue); !set)
            return fail(set.error());
    }
    if (::listen(socket, options.backlog) != 0) return fail_errno(errno);
    return made;
}

}  // namespace naru
