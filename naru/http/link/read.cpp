// Read: bytes in, requests out. A buffer is held only while there is something in it.
#include <naru/http/exchange/call.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace naru::http {

void connection::set_deadline(std::chrono::milliseconds after) noexcept {
    worker_.loop_.arm(*this, saturating_add(worker_.loop_.now(), after));
}

// One that is under way already (see connection::watch) is this one.
void connection::receive() noexcept {
    if (is_stream_) return as_stream().want_input();
    if (!operation::idle()) return;
    kind = operation_kind::recv;
    worker_.loop_.submit(*this);
}

// It completes all the same, with what had come by then.
void connection::cancel_receive() noexcept {
    if (is_stream_) return as_stream().cancel_input();
    worker_.loop_.cancel(*this);
}

void connection::received(operation& op) noexcept {
    auto& of = static_cast<connection&>(op);
    if (of.result > 0) of.worker_.counts_.bytes_in += static_cast<std::uint64_t>(of.result);
    of.on_received();
}

void connection::on_received() noexcept {
    if (phase_ == phase::closing) {
        if (result > 0) worker_.loop_.buffers().release(data);
        finish_if_quiet();
        return;
    }
    if (phase_ > phase::body && phase_ != phase::lingering) return received_while_serving();
    if (result > 0) {
        const auto size = static_cast<std::size_t>(result);
        if (phase_ == phase::lingering) {
            worker_.loop_.buffers().release(data);
            lingered_ += size;
            if (lingered_ > limits::linger_bytes) return close();
            return receive();
        }
        timed_out_ = false;  // it came in time after all
        asked_ = true;
        worker_.budget_.note_arrival();
        if (is_aside_ && extend_head(data, size)) return;
        if (!take_input(data, size)) return close();
        process();
        return;
    }
    if (timed_out_ && (phase_ == phase::head || phase_ == phase::body)) {
        if (is_aside_ && !take_back()) return close();
        turn_->reading_body = false;
        keep_alive_ = false;
        dirty_close_ = true;
        if (answer_status(408, "The request took too long.") == next_step::flush) flush();
        return;
    }
    close();  // the peer's end, an error, or a deadline between requests
}

bool connection::make_turn() noexcept {
    try {
        turn_ = &worker_.turns_.make(*this);
    } catch (const std::bad_alloc&) {
        return false;
    }
    has_turn_ = true;
    turn_->serves = worker_.site_;
    ++worker_.site_->uses;
    return true;
}

// A site that has been replaced serves until a request's end.
void connection::use_newest_site() noexcept {
    worker_.leave_site(*turn_->serves);
    turn_->serves = worker_.site_;
    ++worker_.site_->uses;
}

// Answers one request after another, into one output, until the input is used up, the output is full, an
// answer has to wait, or others have their turn.
void connection::process() noexcept { answer_requests(false); }

// `is_read`: the first one is.
void connection::answer_requests(bool is_read) noexcept {
    worker::answers_in_hand more(worker_);
    while (true) {
        if (std::exchange(is_read, false)) {
            phase_ = phase::handling;
        } else if (phase_ == phase::body) {
            if (!read_body()) return;
        } else if (!begin_request()) {
            return;
        }
        if (phase_ == phase::body) continue;
        const next_step then = handle();
        if (then == next_step::wait) return;
        forget_head();
        if (then == next_step::flush || !keep_alive_ || is_stream_ || turn_->lacks_buffer) return flush();
        if (has_input() && !more.take()) return flush();
    }
}

// Behind answers that have gone, while others have not had theirs. It holds as little as it can.
void connection::await_turn() noexcept {
    release_output();
    if (worker_.is_short()) park_input(2 * naru::limits::buffer_bytes);
    phase_ = phase::queued;
    worker_.wait_for_turn(*turn_);
}

void connection::take_turn() noexcept {
    phase_ = phase::idle;
    process();
}

// The pool is exhausted: with nothing to send first, the request waits until those who are slow have made
// room (see worker::relieve_buffers), or for as long as they may take for it; who came first goes first. It
// holds no buffer meanwhile: many who wait would hold all that they wait for.
void connection::await_output(turn::step resume_at) noexcept {
    turn& x = *turn_;
    x.lacks_buffer = false;  // nothing of an answer is lost
    if (x.filled > 0 || x.piece_count > 0) return flush();
    x.resumes_at = resume_at;
    if (resume_at == turn::step::begin) {
        x.head = {};
        phase_ = phase::idle;
    }
    park_input(2 * naru::limits::buffer_bytes);
    release_output();
    phase_ = phase::starved;
    set_deadline(worker_.options_.timeouts.buffer);
    worker_.starved_.push_back(x.waiting);
    worker_.look_soon();
}

// False: it goes on waiting. Input is needed where there is something to be parsed; while a request is to be
// answered its head may stand in it.
bool connection::offer_output() noexcept {
    turn& x = *turn_;
    const bool parses = x.resumes_at == turn::step::begin || x.resumes_at == turn::step::body;
    const bool has_output = output_room(head_room());
    const bool has_both = has_output && (!parses || !unread().empty() || x.surplus.empty() || refill());
    x.lacks_buffer = false;
    if (!has_both) {
        release_output();
        return false;
    }
    x.waiting.unlink();
    worker_.loop_.disarm(*this);
    switch (x.resumes_at) {
        case turn::step::begin:
            phase_ = phase::idle;
            process();
            break;
        case turn::step::body:
            phase_ = phase::body;
            process();
            break;
        case turn::step::answer:
            answer_requests(true);
            break;
        case turn::step::disk:
            phase_ = phase::handling;
            go_on(handle_file());
            break;
        case turn::step::call:
            phase_ = phase::serving;
            call_ended();
            break;
    }
    return true;
}

// True when a whole head is there and its body, if it has one, is to be read next (phase body) or not at all.
bool connection::begin_request() noexcept {
    if (is_stream_) return begin_stream_request();
    turn& x = *turn_;
    if (unread().empty() && !refill() && !x.surplus.empty()) {
        await_output(turn::step::begin);
        return false;
    }
    const std::string_view bytes = unread();
    if (bytes.empty()) {
        if (x.filled > 0) {
            flush();
        } else {
            release_turn();
            phase_ = phase::idle;
            set_deadline(worker_.options_.timeouts.keep_alive);
            receive();
        }
        return false;
    }
    // What is in the output is sent first if there is not enough room for an answer.
    if (x.serves != worker_.site_) use_newest_site();
    if (!output_room(head_room())) {
        await_output(turn::step::begin);
        return false;
    }
    x.parser.reset();
    const parse_status status = x.parser.parse(bytes);
    if (status == parse_status::need_more) {
        if (refill()) return begin_request();
        if (x.filled > 0) {
            flush();  // the answers first; the rest is looked at again when they are sent
        } else {
            put_aside();
        }
        return false;
    }
    if (status == parse_status::refused) {
        if (begins_http2(bytes) && speak_http2(bytes)) return false;
        keep_alive_ = false;
        dirty_close_ = true;
        x.head = {};
        worker_.unreadable_ = bytes;
        (void)refuse(x.parser.refusal());
        flush();
        return false;
    }
    const request_head& request = x.parser.head();
    x.head = bytes.substr(0, request.size);
    x.begins(worker_.loop_.now());
    x.begin += request.size;
    keep_alive_ = request.keep_alive && !retired_ && !worker_.draining_;
    if (!request.has_body()) {
        phase_ = phase::handling;
        return true;
    }
    return begin_body();
}

// As begin_request, of a request with a body.
bool connection::begin_body() noexcept {
    turn& x = *turn_;
    const request_head& request = x.parser.head();
    bool coroutine = false;
    x.body_limit = body_limit_of_route(coroutine);
    if (request.content_length > x.body_limit) {
        keep_alive_ = false;
        dirty_close_ = true;
        (void)refuse({413, "the body is too large"});
        flush();
        return false;
    }
    if (coroutine) {  // it asks for the body when it wants it
        phase_ = phase::handling;
        return true;
    }
    const bool served =
        request.method == method::get || request.method == method::head || request.method == method::options;
    if (request.expects_continue && !served) {
        // The final answer instead of 100: the client may or may not send its body now, so the connection
        // ends.
        keep_alive_ = false;
        dirty_close_ = true;
        phase_ = phase::handling;
        return true;
    }
    x.body.begin(request);
    x.reading_body = true;
    phase_ = phase::body;
    if (request.expects_continue && unread().empty()) append("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
}

// True when the body has been read and dropped to its end.
bool connection::read_body() noexcept {
    turn& x = *turn_;
    std::string_view input = unread();
    parse_status status = parse_status::need_more;
    do {
        std::string_view piece;
        status = x.body.read(input, piece);
    } while (status == parse_status::need_more && !input.empty());
    x.begin = x.end - static_cast<std::uint32_t>(input.size());
    if (status == parse_status::refused || x.body.bytes_read() > x.body_limit) {
        x.reading_body = false;
        keep_alive_ = false;
        dirty_close_ = true;
        (void)refuse(status == parse_status::refused ? x.body.refusal()
                                                     : refusal{413, "the body is too large"});
        flush();
        return false;
    }
    if (status == parse_status::complete) {
        x.reading_body = false;
        phase_ = phase::handling;
        if (output_room(head_room())) return true;
        await_output(turn::step::answer);
        return false;
    }
    if (!x.surplus.empty()) {
        if (!keep_head()) {
            close();
        } else if (refill()) {
            return read_body();
        } else {
            await_output(turn::step::body);
        }
        return false;
    }
    if (x.filled > 0) {  // earlier answers, or 100 Continue, go out before more is waited for
        flush();
        return false;
    }
    wait_for_more();
    return false;
}

// More of a body is to come: its head moves out of the way of what arrives, and no buffer is held for it.
void connection::wait_for_more() noexcept {
    if (!keep_head()) return close();
    release_input();
    release_output();
    set_deadline(worker_.options_.timeouts.body);
    receive();
}

// A request that timed out gets an answer, so it needs a turn again; its bytes do not matter any more.
bool connection::take_back() noexcept {
    worker_.keep_unreadable(text_aside());
    drop_aside();
    return make_turn();
}

void connection::deadline_passed(timer& expired) noexcept { static_cast<connection&>(expired).on_deadline(); }

void connection::on_deadline() noexcept {
    switch (phase_) {
        case phase::idle:
        case phase::head:
        case phase::body:
            timed_out_ = true;
            return cancel_receive();
        case phase::multiplexed:
            return session_->on_deadline();
        case phase::lingering:
            return close();
        case phase::handling:
            return leave_disk();
        case phase::starved:
            return refuse_for_want_of_a_buffer();
        case phase::serving:
        case phase::sending:  // of an answer: see look
            if (turn_->calls == nullptr || turn_->calls->reader == nullptr) return;
            timed_out_ = true;
            return cancel_receive();
        case phase::queued:
        case phase::handing_over:
        case phase::upgraded:
        case phase::closing:
            return;
    }
}

}  // namespace naru::http
