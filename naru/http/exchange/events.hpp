// Server-sent events (WHATWG HTML, section 9.2).
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/http/exchange/exchange.hpp>

#include <concepts>
#include <optional>
#include <string>
#include <string_view>

namespace naru::http {

/// One event. Lines of `data` become lines of the event.
struct event {
    std::string_view data;
    std::string_view id = {};
    std::string_view name = {};
    std::optional<std::chrono::milliseconds> retry = {};

    event(std::string_view text, std::string_view own_id = {}, std::string_view own_name = {}) noexcept
        : data(text), id(own_id), name(own_name) {}
};

/// As it is sent. An id or name with a line feed, carriage return or NUL in it is left out.
std::string event_text(const event& of);

/// An answer that is a stream of events, for a coroutine handler.
class event_stream {
 public:
    /// The answer begins with the first event.
    explicit event_stream(exchange& x) noexcept : x_(&x) {
        x.status(200).add("Content-Type", "text/event-stream").add("Cache-Control", "no-cache");
    }

    /// result<void>: when the connection has taken it.
    write_request send(const event& each) {
        text_ = event_text(each);
        return x_->write(text_);
    }
    /// An event of this text alone.
    template <class Text>
        requires std::convertible_to<const Text&, std::string_view>
    write_request send(const Text& data) {
        return send(event(data));
    }
    /// A line that clients ignore, so that whoever stands between does not take the connection for dead.
    write_request keep_alive() noexcept { return x_->write(":\n\n"); }
    write_request end() noexcept { return x_->end(); }

    /// What the client has seen last, when it comes back.
    std::optional<std::string_view> last_id() const noexcept { return x_->field("last-event-id"); }

 private:
    exchange* x_;
    std::string text_;
};

}  // namespace naru::http
