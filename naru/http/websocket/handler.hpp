// WebSockets as handlers of a site.
#pragma once

#include <naru/http/exchange/exchange.hpp>
#include <naru/http/websocket/peer.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace naru::http {

using websocket_peer = naru::websocket::peer;
using websocket_options = naru::websocket::options;

namespace detail {

using websocket_start = std::move_only_function<task<>(upgraded_stream, const naru::websocket::agreement&)>;

/// Makes the handshake: answers with 101 and has `then` called, or with why not.
bool accept_websocket(exchange& x, const websocket_options& with, websocket_start then);

/// The connection of an upgrade as a WebSocket.
naru::websocket::peer peer_of(upgraded_stream&& stream, std::shared_ptr<const websocket_options> with,
                              const naru::websocket::agreement& agreed) noexcept;

}  // namespace detail

/// For a handler of one's own, which looks at the request first: answers the handshake, and runs
/// `handler(peer)`, a task<>, with the WebSocket when the answer has gone; it is closed when that has ended
/// (websocket::attend). `handler` is kept until then; it may capture what it needs of the request, which is
/// gone by then. False if the request was refused, which has been answered.
template <class Handler>
bool upgrade_to_websocket(exchange& x, std::shared_ptr<const websocket_options> with, Handler handler) {
    static_assert(std::is_same_v<std::invoke_result_t<const Handler&, websocket_peer>, task<>>,
                  "naru: a WebSocket's handler is task<>(websocket_peer), called as a const object");
    const websocket_options& settings = *with;
    return detail::accept_websocket(x, settings,
                                    [with = std::move(with), handler = std::move(handler)](
                                        upgraded_stream stream, const naru::websocket::agreement& agreed) {
                                        return naru::websocket::attend(
                                            detail::peer_of(std::move(stream), with, agreed), handler);
                                    });
}

namespace detail {

template <class Handler>
class websocket_handler {
 public:
    websocket_handler(Handler handler, websocket_options with)
        : handler_(std::make_shared<const Handler>(std::move(handler))),
          options_(std::make_shared<const websocket_options>(std::move(with))) {}

    void operator()(exchange& x) const noexcept try {
        (void)upgrade_to_websocket(x, options_, shared{handler_});
    } catch (const std::bad_alloc&) {
        x.respond(503);
    }

 private:
    struct shared {
        std::shared_ptr<const Handler> of;
        task<> operator()(websocket_peer peer) const { return std::invoke(*of, std::move(peer)); }
    };

    std::shared_ptr<const Handler> handler_;
    std::shared_ptr<const websocket_options> options_;
};

}  // namespace detail

/// A handler for site::get: makes the handshake and runs `handler(peer)`, a coroutine
/// `task<>(websocket_peer)`, for each WebSocket. It is shared by all threads of the server, and called as a
/// const object. When it ends, the WebSocket is closed with 1000; with 1001 if the server stops it, with 1011
/// if it throws. What is no handshake is answered with 400, 403 or 426.
template <class Handler>
auto websocket(Handler handler, websocket_options with = websocket_options()) {
    return detail::websocket_handler<Handler>(std::move(handler), std::move(with));
}

}  // namespace naru::http
