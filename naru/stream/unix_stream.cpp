#include <naru/stream/unix_stream.hpp>

namespace naru {

bool unix_stream::connect_request::awaiter::await_ready() noexcept {
    refusal_ = open();
    return static_cast<bool>(refusal_);
}

std::error_code unix_stream::connect_request::awaiter::open() noexcept {
    if (!peer_) return peer_.error();
    auto made = unix_stream_socket(from_);
    if (!made) return made.error();
    const auto attached = loop_->attach(made->release(), descriptor_kind::socket, ownership::own);
    if (!attached) return attached.error();
    stream_ = unix_stream(*loop_, *attached);
    set(*attached, *peer_);
    return {};
}

result<unix_stream> unix_stream::connect_request::awaiter::await_resume() noexcept {
    if (refusal_) return fail(refusal_);
    if (auto connected = void_outcome(); !connected) return fail(connected.error());
    return std::move(stream_);
}

result<std::pair<unix_stream, unix_stream>> unix_stream::pair(loop& on) noexcept {
    auto made = unix_socket_pair();
    if (!made) return fail(made.error());
    const auto first = on.attach(made->first.release(), descriptor_kind::stream, ownership::own);
    if (!first) return fail(first.error());
    unix_stream one(on, *first);
    const auto second = on.attach(made->second.release(), descriptor_kind::stream, ownership::own);
    if (!second) return fail(second.error());
    return std::pair(std::move(one), unix_stream(on, *second));
}

result<unix_stream> unix_stream::adopt(loop& into, detached from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::unix_stream);
    if (!adopted) return fail(adopted.error());
    return unix_stream(into, *adopted);
}

result<unix_stream> unix_stream::adopt(loop& into, unique_descriptor from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::unix_stream);
    if (!adopted) return fail(adopted.error());
    return unix_stream(into, *adopted);
}

}  // namespace naru
