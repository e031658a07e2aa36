// https: a TLS layer before a connection's socket, and what is remembered for the next one.
#include <naru/http/client/client.hpp>

#include <naru/coro/deadline.hpp>
#include <naru/coro/offload.hpp>
#include <naru/stream/tls/tls_layer.hpp>

#include <expected>
#include <map>
#include <optional>
#include <utility>

namespace naru::http {

struct client::tls_state {
    std::optional<tls_context> context;
    std::map<std::string, tls_session, std::less<>> sessions;  // by origin; each is good for one connection
};

/// On success the stream speaks TLS.
task<client_result<void>> client::secure(const request_record& record, const http::url& at,
                                         tcp_stream& stream) {
    if (tls_ == nullptr) tls_ = std::make_shared<tls_state>();
    if (!tls_->context) {
        using made_context = std::expected<tls_context, std::string>;
        auto make = [how = options_.tls,
                     http2 = options_.http2]() mutable -> result<std::shared_ptr<made_context>> {
            how.protocols = {"http/1.1"};
            if (http2) how.protocols.insert(how.protocols.begin(), "h2");
            return std::make_shared<made_context>(tls_context::client(how));  // reads the system's roots
        };
        auto made =
            co_await with_deadline(record.by(options_.timeouts.connect), offload_detached(workers(), make));
        if (!made) co_return record.failure(client_step::tls, made.error());
        if (!**made) co_return record.failure(client_step::tls, EINVAL, (*made)->error());
        tls_->context = **std::move(*made);
    }
    tls_session resumed;
    if (const auto found = tls_->sessions.find(at.origin()); found != tls_->sessions.end()) {
        resumed = std::move(found->second);
        tls_->sessions.erase(found);
    }
    const auto layered = tls_layer::connect(loop_, stream.native(), *tls_->context, at.host(), resumed);
    if (!layered) co_return record.failure(client_step::tls, layered.error());
    (void)stream.give_handle();
    stream = tcp_stream(loop_, *layered);
    auto done = co_await with_deadline(record.by(options_.timeouts.connect), stream.writable());
    if (done) co_return client_result<void>();
    const std::error_code why = tls_layer::find(loop_, *layered)->failure();
    co_return record.failure(client_step::tls, why ? why : done.error());
}

std::error_code tls_failure(loop& on, handle connection) noexcept {
    const tls_layer* const layer = tls_layer::find(on, connection);
    return layer != nullptr ? layer->failure() : std::error_code();
}

bool client::chose_http2(handle connection) const noexcept {
    const tls_layer* const layer = tls_layer::find(loop_, connection);
    return layer != nullptr && layer->engine().protocol() == "h2";
}

/// With TLS 1.3 the server has sent it by the time of its first answer.
void client::keep_session(const http::url& at, handle connection) {
    const tls_layer* const layer = tls_layer::find(loop_, connection);
    if (layer == nullptr || tls_->sessions.size() >= limits::client_sessions) return;
    std::string origin = at.origin();
    if (tls_->sessions.contains(origin)) return;
    if (tls_session fresh = layer->engine().session()) tls_->sessions[std::move(origin)] = std::move(fresh);
}

}  // namespace naru::http
