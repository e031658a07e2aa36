#include <naru/net/udp_socket.hpp>

namespace naru {

result<udp_socket> udp_socket::bind(loop& on, const address& where, const udp_options& options) noexcept {
    auto made = bind_datagram(where, options);
    if (!made) return fail(made.error());
    const auto attached = on.attach(made->release(), descriptor_kind::datagram, ownership::own);
    if (!attached) return fail(attached.error());
    return udp_socket(on, *attached);
}

result<udp_socket> udp_socket::bind(loop& on, std::string_view where, const udp_options& options) noexcept {
    const auto parsed = address::parse(where);
    if (!parsed) return fail(parsed.error());
    return bind(on, *parsed, options);
}

result<udp_socket> udp_socket::adopt(loop& into, unique_descriptor from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::udp_socket);
    if (!adopted) return fail(adopted.error());
    return udp_socket(into, *adopted);
}

result<received_datagram> udp_socket::receive_request::awaiter::await_resume() const noexcept {
    if (failed()) return fail(error());
    received_datagram got;
    got.bytes = mutable_bytes(data, static_cast<std::size_t>(operation::result));
    got.truncated = truncated;
    if (const auto sender = naru::address::of(peer.data(), peer_size)) got.peer = *sender;
    return got;
}

}  // namespace naru
