// HTTP/2 as a connection sees it: how it becomes a session's link, and what it does for a stream.
#include <naru/http/h2/session.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/server/worker.hpp>

#include <new>
#include <string_view>

namespace naru::http {

naru::handle connection::socket() const noexcept { return is_stream_ ? as_stream().link().target : target; }

// Its first line is enough: no other request has that, and the session looks at the rest.
bool connection::begins_http2(std::string_view received) const noexcept {
    if (!received.starts_with("PRI * HTTP/2.0\r\n")) return false;
    return is_secure() ? negotiated_protocol() == "h2" : worker_.options_.h2c;
}

// `received` begins with the preface.
bool connection::speak_http2(std::string_view received) noexcept {
    if (has_turn_ && (turn_->filled > 0 || turn_->piece_count > 0))
        return false;  // behind answers of HTTP/1 that have not been sent
    std::string first;
    h2::session* made = nullptr;
    try {
        first = received;
        if (has_turn_) first += turn_->surplus;
        made = &worker_.sessions_.make(worker_, *this);
    } catch (const std::bad_alloc&) {
        close();
        return true;
    }
    if (has_turn_) release_turn();
    ++worker_.counts_.http2_connections;
    session_ = made;
    is_multiplexed_ = true;
    phase_ = phase::multiplexed;
    made->start(first);
    return true;
}

void connection::close_streams() noexcept { session_->end_streams(); }

// At a connection's end: true when its session is gone.
bool connection::streams_ended() noexcept {
    if (!session_->is_quiet()) return false;
    h2::session& ended = *session_;
    is_multiplexed_ = false;
    session_ = nullptr;
    worker_.sessions_.destroy(ended);
    return true;
}

// As begin_request: the head is there as text, which is held to the same rules.
bool connection::begin_stream_request() noexcept {
    turn& x = *turn_;
    if (x.serves != worker_.site_) use_newest_site();
    if (!output_room(head_room())) {
        await_output(turn::step::begin);
        return false;
    }
    refusal why;
    why.status = as_stream().refused_;
    if (why.status != 0) {
        why.reason = "the head is too large";
    } else if (x.parser.reset(); x.parser.parse(x.kept_head) != parse_status::complete) {
        why = x.parser.refusal();
        if (why.status == 0) why = {400, "the head is malformed"};
    }
    if (why.status != 0) {
        x.head = {};
        dirty_close_ = true;
        worker_.unreadable_ = x.kept_head;
        (void)refuse(why);
        flush();
        return false;
    }
    x.head = x.kept_head;
    x.begins(worker_.loop_.now());
    if (as_stream().has_body_) x.parser.expect_carried_body();
    if (!x.parser.head().has_body()) {
        phase_ = phase::handling;
        return true;
    }
    return begin_body();
}

}  // namespace naru::http
