// Read: bytes in, responses out. A pool buffer is held only while its bytes are looked at.
#include <naru/load/generator.hpp>

namespace naru::load {

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
    if (state_ == state::finishing) {
        generator_.loop().buffers().release(bytes);
        generator_.count_failure(failure::bad_response, "bytes behind the last response");
        return drop(duration(0));
    }
    take(as_text(bytes_view(bytes, static_cast<std::size_t>(receive_.result))));
    generator_.loop().buffers().release(bytes);
}

void client::take(std::string_view input) noexcept {
    const instant now = clock::now();
    if (!idle_) generator_.on_bytes(input.size());
    const bool to_head = generator_.options().to_head;
    bool answered = false;
    while (!input.empty()) {
        if (in_flight_ == 0) return fail(failure::bad_response, "bytes that nobody has asked for");
        const auto then = reader_.read(input, generator_.last_head(), to_head);
        if (then == response_reader::outcome::bad) return fail(failure::bad_response, reader_.problem());
        if (then == response_reader::outcome::need_more) break;
        on_response(now);
        answered = true;
        if (state_ == state::finishing && !input.empty())
            return fail(failure::bad_response, "bytes behind the last response");
    }
    receive();
    if (answered && state_ == state::open && !idle_) generator_.on_room(*this, now);
}

flight client::pop_flight() noexcept {
    const flight oldest = flights_[first_];
    if (++first_ == generator_.options().pipeline) first_ = 0;
    --in_flight_;
    return oldest;
}

void client::on_response(instant now) noexcept {
    pause_ms_ = 0;
    carried_ = true;
    const flight answered = pop_flight();
    if (idle_) {
        reader_.reset();
        generator_.on_idle_answered(*this);
        return;
    }
    generator_.record(answered, reader_.status(), now);
    if (!reader_.keep_alive() || generator_.options().close) finish();
}

// The server said that it will end the connection. It is left to do so, as the side that ends a connection
// keeps its port for a minute (TIME_WAIT). Requests behind its last response were not looked at (RFC 9112,
// section 9.6): they stay, and are sent again on the connection that follows.
void client::finish() noexcept {
    unsent_ = 0;
    if (linked()) unlink();
    state_ = state::finishing;
    generator_.loop().arm(deadline_, saturating_add(generator_.loop().now(), limits::finish));
}

void client::on_end() noexcept {
    if (state_ == state::finishing) return drop(duration(0));
    const bool in_order = receive_.error() == errc::end_of_stream;
    if (in_order && in_flight_ > 0 && reader_.begun() &&
        reader_.end() == response_reader::outcome::complete) {
        on_response(clock::now());
        if (state_ == state::finishing || idle_) drop(duration(0));
        return;
    }
    if (in_flight_ > 0) return fail(receive_);
    // Between requests a server may end a connection whenever it likes.
    if (idle_) {
        lost_ = true;
        generator_.on_idle_lost();
        return drop(duration(0));
    }
    if (in_order) return drop(carried_ ? duration(0) : next_pause());
    fail(receive_);
}

}  // namespace naru::load
