#include <naru/net/tcp_stream.hpp>

namespace naru {

result<void> tcp_stream::shutdown_send() noexcept { return naru::shutdown_send(borrow().get()); }

tcp_stream::connect_awaiter::connect_awaiter(loop& on, const address& peer) noexcept
    : operation_awaiter(on, operation_kind::connect), peer_(peer) {
    auto made = stream_socket_for(peer_);
    if (!made) {
        error_ = made.error();
        return;
    }
    const auto attached = on.attach(made->release(), descriptor_kind::socket, ownership::own);
    if (!attached) {
        error_ = attached.error();
        return;
    }
    stream_ = tcp_stream(on, *attached);
    op_.target = *attached;
    op_.address = peer_.data();
    op_.count = peer_.size();
}

result<tcp_stream> tcp_stream::connect_awaiter::await_resume() noexcept {
    if (error_) return fail(error_);
    if (auto connected = void_outcome(); !connected) return fail(connected.error());
    return std::move(stream_);
}

}  // namespace naru
