#include <naru/stream/tcp_stream.hpp>

namespace naru {

result<tcp_stream> tcp_stream::adopt(loop& into, detached from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::tcp_stream);
    if (!adopted) return fail(adopted.error());
    return tcp_stream(into, *adopted);
}

result<tcp_stream> tcp_stream::adopt(loop& into, unique_descriptor from) noexcept {
    const auto adopted = detail::adopt(into, std::move(from), socket_use::tcp_stream);
    if (!adopted) return fail(adopted.error());
    return tcp_stream(into, *adopted);
}

bool tcp_stream::connect_request::awaiter::await_ready() noexcept {
    refusal_ = open();
    return static_cast<bool>(refusal_);
}

std::error_code tcp_stream::connect_request::awaiter::open() noexcept {
    if (!peer_) return peer_.error();
    auto made = stream_socket_for(*peer_);
    if (!made) return made.error();
    if (how_.from) {
        if (auto bound = bind_before_connect(made->get(), *how_.from); !bound) return bound.error();
    }
    if (how_.no_delay) {
        if (auto set = socket_options::set_no_delay(made->get(), true); !set) return set.error();
    }
    const auto attached = loop_->attach(made->release(), descriptor_kind::socket, ownership::own);
    if (!attached) return attached.error();
    stream_ = tcp_stream(*loop_, *attached);
    target = *attached;
    operation::address = peer_->data();
    count = peer_->size();
    return {};
}

result<tcp_stream> tcp_stream::connect_request::awaiter::await_resume() noexcept {
    if (refusal_) return fail(refusal_);
    if (auto connected = void_outcome(); !connected) return fail(connected.error());
    return std::move(stream_);
}

}  // namespace naru
