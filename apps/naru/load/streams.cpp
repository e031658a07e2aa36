// HTTP/2: many requests at once on one connection, whose answers come in any order.
#include <load/generator.hpp>
#include <load/limits.hpp>

#include <algorithm>
#include <string>

namespace naru::load {

// It is open when the server has said how many streams it allows.
void client::begin_http2() noexcept {
    if (const char* const lack =
            secured_ ? tls_beginnings::lacks(generator_.loop(), socket_, generator_.options().tls) : nullptr)
        return fail(failure::bad_response, lack);
    const run_options& options = generator_.options();
    http2_ = http2_session::make(*options.http2, idle_ ? 1 : options.pipeline, *this);
    if (!http2_) return fail(failure::other, "out of memory");
    receive();
    flush_streams();
}

// Requests that wait get streams, and all that there is to say is sent, with one call.
void client::flush_streams() noexcept {
    if (!write_.idle()) return;
    if (state_ == state::open && !http2_->is_leaving()) {
        const unsigned most = http2_->most_streams();
        while (unsent_ > 0 && on_streams() < most && http2_->ask(on_streams()))
            --unsent_;
    }
    const std::string_view bytes = http2_->output();
    if (bytes.empty()) return;
    write_.kind = operation_kind::send;
    write_.set(socket_, as_bytes(bytes));
    generator_.loop().submit(write_);
}

void client::take_http2(std::string_view input) noexcept {
    if (!idle_) generator_.on_bytes(input.size());
    const unsigned most = http2_->most_streams();
    const bool is_fine = http2_->take(input);
    if (!is_fine) return fail(failure::bad_response, http2_->problem());
    if (state_ == state::connecting && http2_->is_ready()) {
        become_open();
        if (in_flight_ > 0) time_streams_out();  // of earlier connections
    } else if (http2_->most_streams() > most) {
        has_room_ = true;
    }
    if (linked() && room() == 0) unlink();
    if (!idle_ && http2_->is_ready() && http2_->most_streams() < generator_.options().pipeline)
        generator_.on_streams_allowed(http2_->most_streams());
    receive();
    if (http2_->is_leaving() && state_ == state::open && on_streams() == 0) leave();
    if (state_ == state::open && !idle_ && std::exchange(has_room_, false)) {
        if (unsent_ > 0) flush_streams();
        generator_.on_room(*this, clock::now());
    }
    if (state_ == state::open || state_ == state::connecting) flush_streams();
}

// The server has said that this connection ends, and all that it has taken is answered. Requests that it has
// not taken stay, and are sent again on the connection that follows.
void client::leave() noexcept {
    if (idle_) {
        lost_ = true;
        generator_.on_idle_lost();
        return drop_at_once();
    }
    if (linked()) unlink();
    state_ = state::finishing;
    generator_.loop().arm(deadline_, saturating_add(generator_.loop().now(), limits::finish));
}

// What the gap is filled with: first the last of those that have streams, then the last of those that wait.
flight client::remove_flight(unsigned place) noexcept {
    const flight removed = flights_[place];
    const unsigned last = on_streams() - 1;
    if (place <= last && on_streams() > 0) {
        if (place < last) {
            flights_[place] = flights_[last];
            http2_->move(last, place);
        }
        place = last;
    }
    flights_[place] = flights_[in_flight_ - 1];
    --in_flight_;
    return removed;
}

void client::on_stream_ended(unsigned place, http2_session::ending how, unsigned status, const char* what) {
    const instant now = clock::now();
    if (how == http2_session::ending::refused) {
        // It waits behind those that have a stream; its latency began with its first sending.
        const unsigned last = on_streams() - 1;
        std::swap(flights_[place], flights_[last]);
        if (place < last) http2_->move(last, place);
        ++unsent_;
        has_room_ = true;
        return generator_.on_sent_again(1);
    }
    const flight ended = remove_flight(place);
    has_room_ = true;
    if (how == http2_session::ending::answered) {
        if (!carried_ && secured_)
            generator_.tls().answered(generator_.loop(), socket_, generator_.options().tls);
        carried_ = true;
        return idle_ ? generator_.on_idle_answered(*this) : generator_.record(ended, status, now);
    }
    const bool by_server = how == http2_session::ending::reset;
    const failure kind = by_server ? failure::reset : failure::bad_response;
    const std::string words =
        (by_server ? "the server reset a stream: " : "a response was none: ") + std::string(what);
    if (!idle_) return generator_.record_failure(ended, kind, words.c_str(), now);
    generator_.count_failure(kind, words.c_str());
    generator_.settle(*this);
}

// Each request has its own time, whatever becomes of the others.
void client::time_streams_out() noexcept {
    const duration allowed = generator_.options().timeout;
    const instant now = generator_.loop().now();
    instant next = never;
    bool any = false;
    for (unsigned each = in_flight_; each-- > 0;) {
        const instant due = saturating_add(flights_[each].sent, allowed);
        if (due > now) {
            next = std::min(next, due);
            continue;
        }
        const bool waits = each >= on_streams();
        if (!waits) http2_->cancel(each);
        const flight late = remove_flight(each);
        if (waits) --unsent_;
        any = true;
        if (idle_) {
            generator_.count_failure(failure::timed_out, "");
            generator_.settle(*this);
        } else {
            generator_.record_failure(late, failure::timed_out, "", clock::now());
        }
    }
    if (in_flight_ > 0) generator_.loop().arm(deadline_, next);
    flush_streams();
    if (http2_->is_leaving() && on_streams() == 0) return leave();
    if (any && !idle_) generator_.on_room(*this, clock::now());
}

}  // namespace naru::load
