#include <naru/net/udp_socket.hpp>

namespace naru {

result<udp_socket> udp_socket::bind(loop& on, const address& where, const udp_options& options) noexcept {
    const auto opened = on.open_datagram(where, options);
    if (!opened) return fail(opened.error());
    return udp_socket(on, *opened);
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
