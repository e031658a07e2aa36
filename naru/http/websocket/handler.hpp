// WebSockets as handlers of a site.
#pragma once

#include <naru/http/exchange/exchange.hpp>
#include <naru/http/websocket/peer.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace naru::http {

using websocket_peer = naru::websocket::peer;
using websocket_options = naru::websocket::options;

namespace detail {

/// What was agreed on, the fields of the answer with 101 added; or nothing, and the refusal has been
/// answered.
std::optional<naru::websocket::agreement> accept_websocket(exchange& x, const websocket_options& with);
/// The exchange could not be upgraded.
void refuse_websocket(exchange& x) noexcept;

/// What is kept from the answer to the beginning. Nothing of it is left afterwards.
template <class Handler>
struct accepted_websocket {
    std::shared_ptr<const websocket_options> options;
    naru::websocket::agreement agreed;
    Handler handler;
};

template <class Handler>
concept websocket_coroutine = requires(const Handler& handler, websocket_peer peer) {
    { std::invoke(handler, std::move(peer)) } -> std::same_as<task<>>;
};

/// The connection of an upgrade as a WebSocket.
naru::websocket::peer peer_of(upgraded_stream&& stream, std::shared_ptr<const websocket_options> with,
                              const naru::websocket::agreement& agreed) noexcept;

/// websocket::attend, as the outermost coroutine.
template <class Handler>
running_upgrade run_websocket(upgrades& in, websocket_peer made, Handler handler) {
    if (!made) co_return;
    // One place for the two awaiters.
    bool thrown = false;
    for (bool ended = false;; ended = true) {
        try {
            co_await naru::websocket::detail::attending::step(made, handler, ended, thrown);
        } catch (...) {
            thrown = true;
            in.thrown(std::current_exception());
        }
        if (ended) co_return;
    }
}

}  // namespace detail

/// For a handler of one's own, which looks at the request first: answers the handshake, and runs
/// `handler(peer)`, a task<>, with the WebSocket when the answer has gone; it is closed when that has ended
/// (websocket::attend). `handler` is kept until then; it may capture what it needs of the request, which is
/// gone by then. False if the request was refused, which has been answered.
template <class Handler>
bool upgrade_to_websocket(exchange& x, std::shared_ptr<const websocket_options> with, Handler handler) {
    static_assert(detail::websocket_coroutine<Handler>,
                  "naru: a WebSocket's handler is task<>(websocket_peer), called as a const object");
    auto agreed = detail::accept_websocket(x, *with);
    if (!agreed) return false;
    using accepted = detail::accepted_websocket<Handler>;
    auto kept =
        std::unique_ptr<accepted>(new accepted{std::move(with), std::move(*agreed), std::move(handler)});
    auto start = [kept = std::move(kept)](detail::upgrades& in, upgraded_stream& stream) mutable {
        const std::unique_ptr<accepted> now = std::move(kept);
        detail::run_websocket(in, detail::peer_of(std::move(stream), now->options, now->agreed),
                              std::move(now->handler));
    };
    if (x.upgrade_by("websocket", std::move(start))) return true;
    detail::refuse_websocket(x);
    return false;
}

namespace detail {

template <class Handler>
class websocket_handler {
 public:
    websocket_handler(Handler handler, websocket_options with)
        : shared_(std::make_shared<const both>(std::move(handler), std::move(with))) {}

    void operator()(exchange& x) const noexcept try {
        (void)upgrade_to_websocket(x, shared_, handler_of_options());
    } catch (const std::bad_alloc&) {
        x.respond(503);
    }

 private:
    // In one place, so that a WebSocket that keeps its options keeps its handler, too, and needs no pointer
    // to it.
    struct both : websocket_options {
        both(Handler&& of, websocket_options&& with)
            : websocket_options(std::move(with)), handler(std::move(of)) {}
        Handler handler;
    };
    struct handler_of_options {
        task<> operator()(websocket_peer peer) const {
            const auto& kept = static_cast<const both&>(naru::websocket::detail::attending::settings(peer));
            return std::invoke(kept.handler, std::move(peer));
        }
    };

    std::shared_ptr<const both> shared_;
};

}  // namespace detail

/// A handler for site::get: makes the handshake and runs `handler(peer)`, a coroutine
/// `task<>(websocket_peer)`, for each WebSocket. It is shared by all threads of the server, and called as a
/// const object. When it ends, the WebSocket is closed with 1000; with 1001 if the server stops it, with 1011
/// if it throws. What is no handshake is answered with 400, 403 or 426.
template <class Handler>
auto websocket(Handler handler, websocket_options with = websocket_options()) {
    static_assert(detail::websocket_coroutine<Handler>,
                  "naru: a WebSocket's handler is task<>(websocket_peer), called as a const object");
    if constexpr (detail::websocket_coroutine<Handler>)
        return detail::websocket_handler<Handler>(std::move(handler), std::move(with));
    else
        return [](exchange&) noexcept {};  // nothing more to say of it
}

}  // namespace naru::http
