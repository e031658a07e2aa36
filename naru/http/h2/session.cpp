#include <naru/http/h2/session.hpp>

#include <naru/core/check.hpp>
#include <naru/http/h2/callbacks.hpp>
#include <naru/http/h2/memory.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace naru::http::h2 {

session::send_step::send_step(session& of) noexcept
    : send_operation([](operation& op) noexcept { static_cast<send_step&>(op).owner.on_sent(); }),
      owner(of) {}

session::pump_post::pump_post(session& of) noexcept
    : posted([](posted& self) noexcept {
          auto& post = static_cast<pump_post&>(self);
          post.queued = false;
          const at_work working(post.owner);
          post.owner.attend_all();
          post.owner.pump();
      }),
      owner(of) {}

session::session(worker& of, connection& link) : worker_(of), link_(link), idle_since_(of.loop_.now()) {
    if (!of.session_memory_) of.session_memory_.reset(new session_memory);
    http2_ = make_nghttp2_session(*this, *of.session_memory_);
}

session::~session() {
    drop_rest();
    release_output();
    nghttp2_session_del(http2_);
}

void session::start(std::string_view received) noexcept {
    const at_work working(*this);
    const std::array settings = {
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, worker_.streams_allowed()},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits::h2_stream_window},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits::head_bytes},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
        nghttp2_settings_entry{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    if (nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) != 0)
        return link_.close();
    if ((worker_.draining_ && worker_.settled_) || link_.retired_) drain();
    allowance_ = limits::h2_units_at_once;
    keep_rest(received.substr(feed(received)));
    go_on_receiving();
}

void session::on_received(std::byte* bytes, std::int64_t size) noexcept {
    const at_work working(*this);
    if (size <= 0) return is_lingering_ ? end_linger() : link_.close();
    if (is_lingering_) {
        lingered_ += static_cast<std::uint64_t>(size);
    } else if (!rest_.empty()) {
        return add_to_rest(bytes, static_cast<std::size_t>(size));
    } else {
        worker_.budget_.note_arrival();
        allowance_ = limits::h2_units_at_once;
        const std::string_view text = as_text(bytes_view(bytes, static_cast<std::size_t>(size)));
        keep_rest(text.substr(feed(text)));
    }
    worker_.loop_.buffers().release(bytes);
    if (lingered_ > limits::linger_bytes) return end_linger();
    go_on_receiving();
}

// The system keeps what has not been taken by then, for minutes; not for those who were shed.
void session::end_linger() noexcept {
    if (was_shed_) worker_.loop_.reset_on_close(link_.target);
    link_.close();
}

void session::go_on_receiving() noexcept {
    if (!link_.is_closing() && rest_.empty()) link_.receive();
}

bool session::pay_for_frame() noexcept {
    const std::size_t cost = std::exchange(unpaid_, 0);
    if (cost <= allowance_) {
        allowance_ -= cost;
        return true;
    }
    if (worker_.may_spend(cost)) return true;
    unpaid_ = cost;
    return false;
}

// Frames that came while others have their turn: they take no buffer of the pool, and nothing more is
// received before they have been read.
void session::keep_rest(std::string_view bytes) noexcept try {
    if (bytes.empty() || is_dead_ || link_.is_closing()) return;
    NARU_ASSERT(!waiting_.linked());
    rest_ = bytes;
    await_turn();
} catch (const std::bad_alloc&) {
    link_.close();
}

// A receive that was under way when the link became ours (see connection::watch): its turn is that of what
// came before.
void session::add_to_rest(std::byte* bytes, std::size_t size) noexcept {
    bool kept = true;
    try {
        rest_.append(as_text(bytes_view(bytes, size)));
        worker_.add_aside(size);
    } catch (const std::bad_alloc&) {
        kept = false;
    }
    worker_.loop_.buffers().release(bytes);
    if (!kept) link_.close();
}

void session::await_turn() noexcept {
    worker_.add_aside(rest_.size());
    worker_.wait_for_turn(waiting_);
    note_deadline();
}

void session::drop_rest() noexcept {
    if (waiting_.linked()) waiting_.unlink();
    worker_.aside_bytes_ -= rest_.size();
    std::string().swap(rest_);
}

void session::take_turn() noexcept {
    const at_work working(*this);
    if (live_ == 0) idle_since_ = worker_.loop_.now();  // until here it was us who made it wait
    std::string bytes;
    bytes.swap(rest_);
    worker_.aside_bytes_ -= bytes.size();
    allowance_ = std::max(limits::h2_units_per_turn, unpaid_);
    const std::size_t taken = feed(bytes);
    if (taken < bytes.size() && !is_dead_ && !link_.is_closing()) {
        bytes.erase(0, taken);
        rest_.swap(bytes);
        await_turn();
    }
    go_on_receiving();
}

// How much was read: the rest has to wait. nghttp2 passes over DATA of streams that are closed. So the heads
// of frames are looked at here, too.
std::size_t session::feed(std::string_view bytes) noexcept {
    std::size_t begin = 0;
    std::size_t at = 0;
    while (at < bytes.size()) {
        if (unpaid_ > 0 && !pay_for_frame()) break;
        if (of_frame_ > 0) {
            const std::size_t size = std::min(of_frame_, bytes.size() - at);
            of_frame_ -= size;
            at += size;
            continue;
        }
        const std::size_t size = std::min(frame_head_.size() - frame_head_size_, bytes.size() - at);
        std::memcpy(frame_head_.data() + frame_head_size_, bytes.data() + at, size);
        frame_head_size_ += size;
        at += size;
        if (frame_head_size_ < frame_head_.size()) break;
        frame_head_size_ = 0;
        const auto number = [this](std::size_t from, std::size_t digits) {
            std::uint32_t value = 0;
            for (std::size_t each = from; each < from + digits; ++each)
                value = value << 8 | frame_head_[each];
            return value;
        };
        of_frame_ = number(0, 3);
        unpaid_ = 1;
        if (frame_head_[3] != NGHTTP2_DATA) {
            unpaid_ += of_frame_ / limits::h2_bytes_of_a_unit;
            continue;
        }
        // Without its head: of an empty one that is all, and its stream would be closed when it is looked at.
        hand_on(bytes.substr(begin, at - size - begin));
        begin = at - size;
        look_at_data(static_cast<std::int32_t>(number(5, 4) & 0x7fffffff));
    }
    hand_on(bytes.substr(begin, at - begin));
    attend_all();
    pump();
    return at;
}

void session::hand_on(std::string_view bytes) noexcept {
    if (bytes.empty()) return;
    const ssize_t taken =
        nghttp2_session_mem_recv(http2_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (taken < 0) fatal_error(static_cast<int>(taken));
}

// What nghttp2 does not go on after. Its client is told why, if it can be.
void session::fatal_error(int code) noexcept {
    if (is_dead_ || was_calmed_) return;
    if (code == NGHTTP2_ERR_NOMEM) return link_.close();
    was_calmed_ = true;
    const bool calm = code == NGHTTP2_ERR_FLOODED;
    (void)nghttp2_session_terminate_session(http2_,
                                            calm ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
}

// A client that makes work out of nothing is told so, and left.
void session::spend(budget& from, shed_reason what, const char* reason) noexcept {
    if (from.spend(worker_.loop_.now())) return;
    calm(what, reason);
}

void session::calm(shed_reason what, const char* reason) noexcept {
    if (std::exchange(was_calmed_, true)) return;
    was_shed_ = true;
    worker_.count_shed(what);
    const std::string_view text = reason;
    (void)nghttp2_submit_goaway(http2_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(http2_),
                                NGHTTP2_ENHANCE_YOUR_CALM, reinterpret_cast<const std::uint8_t*>(text.data()),
                                text.size());
    (void)nghttp2_session_terminate_session(http2_, NGHTTP2_ENHANCE_YOUR_CALM);
}

// ---------------------------------------------------------------------------------------- work

void session::call(stream& who) noexcept {
    if (!who.ready_place_.linked()) ready_.push_back(who.ready_place_);
    send_soon();
}

void session::send_soon() noexcept {
    if (busy_ > 0 || post_.queued) return;
    post_.queued = true;
    worker_.loop_.defer(post_);
}

void session::attend_all() noexcept {
    while (list_node* const next = ready_.pop_front())
        static_cast<stream::place*>(next)->owner.attend();
}

// The last thing that is done here, perhaps its end.
void session::leave() noexcept {
    if (--busy_ > 0) return;
    if (link_.is_closing()) return link_.finish_if_quiet();
    if (is_dead_) return;
    if (!ready_.empty()) return send_soon();
}

void session::forget(stream& ended) noexcept {
    if (!ended.is_closed_ && !is_dead_)
        (void)nghttp2_session_set_stream_user_data(http2_, ended.id_, nullptr);
    if (current_ == &ended) current_ = nullptr;
    const std::size_t kept = ended.unread_.size() - ended.given_;
    pay(kept);
    for (stream::place* each : {&ended.among_all_, &ended.ready_place_, &ended.lent_place_})
        if (each->linked()) each->unlink();
    if (--live_ == 0) idle_since_ = worker_.loop_.now();
}

void session::lend(stream& who) noexcept { lent_.push_back(who.lent_place_); }

void session::wait_for_buffer() noexcept {
    lacks_buffer_ = true;
    worker_.look_soon();
}

void session::offer_output() noexcept {
    if (is_dead_ || !std::exchange(lacks_buffer_, false)) return;
    const at_work working(*this);
    for (list_node* each = streams_.next_node; each != &streams_; each = each->next_node) {
        stream& one = static_cast<stream::place*>(each)->owner;
        if (one.wants_input_) call(one);
    }
    attend_all();
    pump();
}

void session::end_streams() noexcept {
    is_dead_ = true;
    drop_rest();
    ++busy_;
    for (list_node* each = streams_.next_node; each != &streams_;) {
        stream& one = static_cast<stream::place*>(each)->owner;
        each = each->next_node;
        if (one.is_finished_) {
            worker_.destroy(one);
        } else {
            one.close();
        }
    }
    --busy_;  // who closes the link looks whether this was the last of it
}

bool session::end_requests() noexcept {
    if (is_dead_) return false;
    const auto is_tunnel = [](const list_node* each) {
        return static_cast<const stream::place*>(each)->owner.is_tunnel();
    };
    bool has_tunnels = false;
    for (const list_node* each = streams_.next_node; each != &streams_; each = each->next_node)
        has_tunnels |= is_tunnel(each);
    if (!has_tunnels) return false;
    const at_work working(*this);
    drain();
    say_goodbye();
    for (list_node* each = streams_.next_node; each != &streams_;) {
        stream& one = static_cast<stream::place*>(each)->owner;
        each = each->next_node;
        if (!one.is_tunnel() && !one.is_finished_) one.close();
    }
    pump();
    return true;
}

// All has been said. What the client may still be sending is read and dropped, so that no reset overtakes
// that.
void session::linger() noexcept {
    end_streams();
    is_lingering_ = true;
    if (!worker_.loop_.shutdown_send(link_.target)) return link_.close();
    link_.set_deadline(limits::linger_time);
    link_.receive();
}

bool session::is_quiet() const noexcept { return busy_ == 0 && live_ == 0 && !is_sending_ && !post_.queued; }

std::size_t session::bytes_kept() const noexcept {
    std::size_t all = rest_.size() + unsent_.size();
    for (const list_node* each = streams_.next_node; each != &streams_; each = each->next_node)
        all += static_cast<const stream::place*>(each)->owner.bytes_kept();
    return all;
}

// ---------------------------------------------------------------------------------------- windows

void session::came_unread(std::size_t bytes) noexcept {
    worker_.add_aside(bytes);
    unread_ += bytes;
    if (unread_ > limits::h2_unread_bytes) {
        owed_ += bytes;
    } else {
        (void)nghttp2_session_consume_connection(http2_, bytes);
    }
}

void session::pay(std::size_t bytes) noexcept {
    worker_.aside_bytes_ -= bytes;
    unread_ -= bytes;
    const std::size_t back = std::min(owed_, bytes);
    owed_ -= back;
    if (back > 0 && !is_dead_) (void)nghttp2_session_consume_connection(http2_, back);
}

void session::consumed(stream& of, std::size_t bytes) noexcept {
    pay(bytes);
    if (!of.is_closed_ && !of.input_ended_) (void)nghttp2_session_consume_stream(http2_, of.id_, bytes);
    send_soon();
}

// ---------------------------------------------------------------------------------------- time

void session::note_deadline() noexcept {
    if (link_.phase_ != connection::phase::multiplexed) return;
    if (is_lingering_) return;
    const timeouts& after = worker_.options_.timeouts;
    if (is_sending_) return;  // see submit
    const bool waits_for_us = !rest_.empty();
    if (in_head_ && !waits_for_us) {
        if (!link_.armed() || !head_is_timed_) link_.set_deadline(after.head);
        head_is_timed_ = true;
        return;
    }
    head_is_timed_ = false;
    if (is_draining_ && !has_said_goodbye_) {
        worker_.loop_.arm(link_, saturating_add(drained_at_, limits::h2_goaway_wait));
    } else if (live_ == 0 && !waits_for_us) {
        worker_.loop_.arm(link_, saturating_add(idle_since_, after.keep_alive));
    } else if (link_.armed()) {
        worker_.loop_.disarm(link_);
    }
}

void session::on_deadline() noexcept {
    const at_work working(*this);
    if (is_lingering_) return end_linger();
    if (is_sending_) {
        note_progress();
        const instant late = saturating_add(moved_, worker_.options_.timeouts.write);
        if (worker_.loop_.now() >= late) return link_.shed(shed_reason::slow_answer);
        return worker_.loop_.arm(link_, late);
    }
    if (is_draining_ && !has_said_goodbye_) {
        say_goodbye();
    } else if (!was_calmed_) {
        was_calmed_ = true;
        (void)nghttp2_session_terminate_session(http2_, NGHTTP2_NO_ERROR);
    } else {
        return link_.close();
    }
    pump();
}

void session::drain() noexcept {
    if (is_draining_ || is_dead_ || was_calmed_) return;
    const at_work working(*this);
    is_draining_ = true;
    drained_at_ = worker_.loop_.now();
    (void)nghttp2_submit_shutdown_notice(http2_);
    (void)nghttp2_submit_ping(http2_, NGHTTP2_FLAG_NONE, nullptr);
    pump();
}

void session::tell_streams() noexcept {
    if (is_dead_ || was_calmed_ || is_draining_) return;
    const at_work working(*this);
    const nghttp2_settings_entry now{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, worker_.streams_allowed()};
    if (nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, &now, 1) != 0) return link_.close();
    pump();
}

// What has come until now is answered; what comes from here on may be asked elsewhere.
void session::say_goodbye() noexcept {
    if (!is_draining_ || std::exchange(has_said_goodbye_, true)) return;
    (void)nghttp2_submit_goaway(http2_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(http2_),
                                NGHTTP2_NO_ERROR, nullptr, 0);
}

void session::note_progress() noexcept {
    link_.show_progress();
    if (sending_.progress == moved_to_) return;
    moved_to_ = sending_.progress;
    moved_ = worker_.loop_.now();
}

std::optional<duration> session::idle_for(instant now) const noexcept {
    if (live_ > 0 || is_sending_ || is_dead_ || !rest_.empty()) return std::nullopt;
    return now - idle_since_;
}

void session::shed_if_stalled() noexcept {
    if (is_dead_ || !is_sending_) return;
    note_progress();
    if (worker_.loop_.now() - moved_ < limits::slow_after) return;
    if (worker_.loop_.unacknowledged(link_.target) == 0) {  // it has taken all: whoever is late is this loop
        moved_ = worker_.loop_.now();
        return;
    }
    const at_work working(*this);
    link_.shed(shed_reason::buffers);
}

}  // namespace naru::http::h2
