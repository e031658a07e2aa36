// Read: bytes in, responses out. A pool buffer is held only while its bytes are looked at.
#include <load/generator.hpp>
#include <load/limits.hpp>

namespace naru::load {

using http::response_reader;

void client::receive() noexcept {
    receive_.target = socket_;
    generator_.loop().submit(receive_);
}

void client::on_received() noexcept {
    if (state_ == state::ending) {
        if (receive_.result > 0) generator_.loop().buffers().release(receive_.data);
        return settle();
    }
    if (receive_.result <= 0) return on_end();
    const std::byte* const bytes = receive_.data;
    if (http2_) {
        take_http2(as_text(bytes_view(bytes, static_cast<std::size_t>(receive_.result))));
        return generator_.loop().buffers().release(bytes);
    }
    if (state_ == state::finishing) {
        generator_.loop().buffers().release(bytes);
        generator_.count_failure(failure::bad_response, "bytes behind the last response");
        return drop_at_once();
    }
    take(as_text(bytes_view(bytes, static_cast<std::size_t>(receive_.result))));
    generator_.loop().buffers().release(bytes);
}

void client::take(std::string_view input) noexcept {
    if (idle_ && generator_.options().idle_upgrade) return take_upgrade(input);
    const instant now = clock::now();
    if (!idle_) generator_.on_bytes(input.size());
    const bool to_head = generator_.options().to_head;
    bool answered = false;
    while (!input.empty()) {
        if (in_flight_ == 0) return fail(failure::bad_response, "bytes that nobody has asked for");
        const auto then = reader_.skip(input, generator_.last_head(), to_head);
        if (then == response_reader::outcome::bad) return fail(failure::bad_response, reader_.problem());
        if (then == response_reader::outcome::need_more) break;
        if (!input.empty() && !idle_ && (in_flight_ == 1 || is_last_response())) return spoil(now);
        on_response(now);
        answered = true;
        if (state_ != state::open) break;
    }
    if (state_ == state::closed || state_ == state::ending) return;
    receive();
    if (answered && state_ == state::open && !idle_) generator_.on_room(*this, now);
}

// The answer that makes it a WebSocket. Frames that come later are read and left without an answer: who is
// idle says nothing, and a server that asks whether he is there will end him.
void client::take_upgrade(std::string_view input) noexcept {
    if (in_flight_ > 0) {
        const auto then = generator_.upgrades().take(index_, input, *generator_.options().idle_upgrade);
        if (then == upgrade_reader::outcome::bad)
            return fail(failure::bad_response, generator_.upgrades().problem());
        if (then == upgrade_reader::outcome::complete) {
            carried_ = true;
            pop_flight();
            generator_.on_idle_answered(*this);
        }
    }
    receive();
}

flight client::pop_flight() noexcept {
    const flight oldest = flights_[first_];
    if (++first_ == generator_.options().pipeline) first_ = 0;
    --in_flight_;
    return oldest;
}

void client::on_response(instant now) noexcept {
    if (!carried_ && secured_)
        generator_.tls().answered(generator_.loop(), socket_, generator_.options().tls);
    carried_ = true;
    const flight answered = pop_flight();
    if (idle_) {
        reader_.reset();
        generator_.on_idle_answered(*this);
        return;
    }
    generator_.record(answered, reader_.status(), now);
    if (is_last_response()) finish();
}

// Whether the connection ends with the response that is complete.
bool client::is_last_response() const noexcept { return !reader_.keep_alive() || generator_.options().close; }

// A response with more behind it than there are requests: it is an error, and not an answer as well.
void client::spoil(instant now) noexcept {
    generator_.record_failure(pop_flight(), failure::bad_response, "bytes behind the last response", now);
    drop_at_once();
}

// The server said that it will end the connection. It is left to do so, as the side that ends a connection
// keeps its port for a minute (TIME_WAIT). One that was asked to and did not say so will not. Requests behind
// its last response were not looked at (RFC 9112, section 9.6): they stay, and are sent again on the
// connection that follows.
void client::finish() noexcept {
    unsent_ = 0;
    if (linked()) unlink();
    if (reader_.keep_alive()) {
        generator_.on_close_ignored();
        return drop_at_once();
    }
    state_ = state::finishing;
    generator_.loop().arm(deadline_, saturating_add(generator_.loop().now(), limits::finish));
}

void client::on_end() noexcept {
    if (state_ == state::finishing) return drop();
    const bool in_order = receive_.error() == errc::end_of_stream;
    if (in_order && !http2_ && in_flight_ > 0 && reader_.begun() &&
        reader_.end() == response_reader::outcome::complete) {
        on_response(clock::now());
        if (state_ == state::finishing || idle_) drop();
        return;
    }
    if (in_flight_ > 0) return fail(receive_);
    // Between requests a server may end a connection whenever it likes.
    if (idle_) {
        lost_ = true;
        generator_.on_idle_lost();
        return drop();
    }
    if (in_order) return drop();
    fail(receive_);
}

}  // namespace naru::load
