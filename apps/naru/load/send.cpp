// Send: requests out, as many with one call as are there to be sent.
#include <load/generator.hpp>

#include <algorithm>

namespace naru::load {

unsigned client::room() const noexcept {
    if (state_ != state::open) return 0;
    if (http2_) {
        const unsigned most = http2_->is_leaving() ? 0 : http2_->most_streams();
        return most > in_flight_ ? most - in_flight_ : 0;
    }
    return generator_.options().pipeline - in_flight_;
}

void client::ask(instant intended, instant now) noexcept {
    NARU_ASSERT(room() > 0);
    unsigned place = first_ + in_flight_;
    if (place >= generator_.options().pipeline) place -= generator_.options().pipeline;
    flights_[place] = {intended, now};
    ++in_flight_;
    ++unsent_;
    if (!idle_) generator_.on_sent(now);
    if (!deadline_.armed())
        generator_.loop().arm(deadline_, saturating_add(now, generator_.options().timeout));
}

void client::flush() noexcept {
    if (http2_) return flush_streams();
    if (unsent_ == 0 || !write_.idle()) return;
    std::string_view text;
    if (const auto& upgrade = generator_.options().idle_upgrade; idle_ && upgrade) {
        generator_.upgrades().forget(index_);
        text = upgrade->request;
        unsent_ = 0;
    } else {
        const unsigned sending = std::min<unsigned>(unsent_, generator_.batch());
        unsent_ = static_cast<std::uint16_t>(unsent_ - sending);
        text = generator_.request_text(sending);
    }
    write_.kind = operation_kind::send;
    write_.set(socket_, as_bytes(text));
    generator_.loop().submit(write_);
}

// What the last connection took and ended without an answer, before anything new. The time of its first
// sending stays: that is when somebody began to wait for it.
void client::send_again() noexcept {
    generator_.on_sent_again(in_flight_);
    unsent_ = in_flight_;
    flush();
}

void client::on_written() noexcept {
    if (state_ == state::ending) return settle();
    if (!write_.failed()) return flush();
    // A server may answer and close without reading all of a request: what it said comes first.
    if (state_ == state::open && !receive_.idle() && write_.error() == std::errc::broken_pipe) return;
    if (state_ == state::open) fail(write_);
}

}  // namespace naru::load
