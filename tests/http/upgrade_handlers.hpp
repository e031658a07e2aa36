// What handlers of tests do with the streams of their upgrades, whatever carries these.
#pragma once

#include <naru/http/exchange/exchange.hpp>
#include <naru/stream/any_stream.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <utility>

namespace naru::testing {

/// Sends what comes to where `to` leads, until the end of either.
inline task<> pass_on(any_stream& from, any_stream& to) {
    while (auto piece = co_await from.receive()) {
        auto sent = co_await to.send(piece->text());
        if (!sent) co_return;
    }
}
inline task<> echo_until_end(any_stream& stream) { return pass_on(stream, stream); }

/// Two clients who are brought together: the first one's handler ends at once, its stream does not.
class matchmaker {
 public:
    explicit matchmaker(std::string protocol) : protocol_(std::move(protocol)) {}

    task<> join(http::exchange& x) {
        auto own = co_await x.upgrade(protocol_);
        if (!own) co_return;
        if (!waits_) {
            waits_ = std::move(*own);
            first_is_there_ = true;
            co_return;
        }
        any_stream other = std::move(*waits_);
        waits_.reset();
        co_await pass_on(*own, other);
    }
    bool first_is_there() const { return first_is_there_; }

 private:
    std::string protocol_;
    std::optional<any_stream> waits_;
    std::atomic<bool> first_is_there_{false};
};

}  // namespace naru::testing
