#include <naru/net/udp_socket.hpp>

#include <naru/net/os_sockets.hpp>

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

}  // namespace

result<unique_descriptor> bind_datagram(const address& where, const udp_options& options) noexcept {
    auto made = datagram_socket_for(where);
    if (!made) return made;
    const int socket = made->get();
    if (where.family() == AF_INET6) {  // one socket for both families when it is bound to every address
        const int off = 0;
        (void)setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, reinterpret_cast<const char*>(&off), sizeof off);
    }
    if (auto applied = apply(socket, options); !applied) return fail(applied.error());
    if (::bind(socket, static_cast<const sockaddr*>(where.data()), where.size()) != 0)
        return fail_errno(last_socket_error());
    return made;
}

result<udp_socket> udp_socket::bind(loop& on, const address& where, const udp_options& options) noexcept {
    auto made = bind_datagram(where, options);
    if (!made) return fail(made.error());
    const auto attached = on.attach(made->release(), descriptor_kind::datagram);
    if (!attached) return fail(attached.error());
    return udp_socket(on, *attached);
}

result<udp_socket> udp_socket::bind(loop& on, std::string_view where, const udp_options& options) noexcept {
    const auto parsed = address::parse(where);
    if (!parsed) return fail(parsed.error());
    return bind(on, *parsed, options);
}

result<received_datagram> udp_socket::receive_awaiter::await_resume() const noexcept {
    const std::int64_t raw = outcome_of(op_);
    if (raw < 0) return fail(outcome::to_error(raw));
    received_datagram got;
    got.bytes = mutable_bytes(op_.data, static_cast<std::size_t>(raw));
    got.truncated = op_.truncated;
    if (const auto peer = address::of(op_.peer.data(), op_.peer_size)) got.peer = *peer;
    return got;
}

}  // namespace naru
