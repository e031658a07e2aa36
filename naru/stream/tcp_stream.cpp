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
    stream_options options;
    options.no_delay = how_.no_delay;
    options.from = how_.from;
    const auto opened = loop_->open_stream(*peer_, options);
    if (!opened) return opened.error();
    stream_ = tcp_stream(*loop_, *opened);
    set(*opened, *peer_);
    return {};
}

result<tcp_stream> tcp_stream::connect_request::awaiter::await_resume() noexcept {
    if (refusal_) return fail(refusal_);
    if (auto connected = void_outcome(); !connected) return fail(connected.error());
    return std::move(stream_);
}

}  // namespace naru
