#include <naru/os/os_sockets.hpp>
#include <naru/os/socket.hpp>

namespace naru {

namespace {

result<void> apply(int socket, const udp_options& options) noexcept {
    if (options.reuse_port) {
        if (auto set = socket_options::set_reuse_port(socket, true); !set) return set;
    }
    if (options.broadcast) {
        if (auto set = socket_options::set_broadcast(socket, true); !set) return set;
    }
    if (options.send_buffer > 0) {
        if (auto set = socket_options::set_send_buffer(socket, options.send_buffer); !set) return set;
    }
    if (options.receive_buffer > 0) return socket_options::set_receive_buffer(socket, options.receive_buffer);
    return {};
}

result<unique_descriptor> bind_at(const address& where, const udp_options& options) noexcept {
    auto made = datagram_socket_for(where);
    if (!made) return made;
    const int socket = made->get();
    if (where.family() == AF_INET6) {
        if (auto set = socket_options::set_ipv6_only(socket, options.ipv6_only); !set && options.ipv6_only)
            return fail(set.error());
    }
    if (auto applied = apply(socket, options); !applied) return fail(applied.error());
    if (::bind(socket, static_cast<const sockaddr*>(where.data()), where.size()) != 0)
        return fail_errno(last_socket_error());
    return made;
}

}  // namespace

result<unique_descriptor> bind_datagram(const address& where, const udp_options& options) noexcept {
    return bind_every(where, [&](const address& at) { return bind_at(at, options); });
}

}  // namespace naru
