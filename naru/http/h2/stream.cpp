#include <naru/http/h2/stream.hpp>

#include <naru/http/h2/tunnel.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace naru::http::h2 {

namespace {

constexpr std::size_t kept_capacity = 4096;  // of a string that is used again

unsigned status_of(std::string_view head) noexcept {  // "HTTP/1.1 200 OK\r\n"
    return static_cast<unsigned>((head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0'));
}

}  // namespace

stream::stream(worker& of, session& in, std::int32_t id) noexcept
    : connection(of, of_a_session()), session_in_(in), id_(id) {}

stream::~stream() = default;

connection& stream::link() const noexcept { return session_in_.link(); }

// ---------------------------------------------------------------------------------------- what has come

void stream::head_came(std::string& text, bool has_body, unsigned refused) noexcept {
    head_.swap(text);
    refused_ = static_cast<std::uint16_t>(refused);
    has_head_ = true;
    has_body_ = has_body;
    input_ended_ = !has_body;
}

void stream::asks_for_tunnel(std::string_view protocol) noexcept {
    asks_tunnel_ = true;
    is_websocket_ = protocol == "websocket";
    has_body_ = false;  // what comes is not the request's
}

bool stream::body_came(std::string_view bytes) noexcept try {
    unread_.append(bytes);
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

void stream::attend() noexcept {
    if (phase_ == phase::closing) return;
    if (is_finished_) {
        if (is_closed_) worker_.destroy(*this);
        return;
    }
    if (is_tunnel()) return attend_tunnel();
    if (phase_ == phase::upgraded) return;  // its tunnel has ended, its handler not
    if (is_mute_ && !is_whole()) {          // its handler writes on, to nobody: it waits for the stream's end
        if (is_closed_) close();
        return;
    }
    if (is_closed_ && !(is_last_ && waiting_ == 0)) return close();
    if (std::exchange(has_head_, false)) {
        if (!make_turn()) return close();
        turn_->kept_head.swap(head_);
        asked_ = true;
        return process();
    }
    if (carrying_ && waiting_ == 0 && !is_lent()) {
        carrying_ = false;
        return carry_on(true);
    }
    if (wants_input_) give_input();
}

void stream::want_input() noexcept {
    wants_input_ = true;
    if (given_ < unread_.size() || input_ended_) session_in_.call(*this);
}

void stream::cancel_input() noexcept {
    canceled_ = true;
    wants_input_ = true;
    session_in_.call(*this);
}

// As if a receive had completed, if somebody still wants that.
void stream::give_input() noexcept {
    const bool canceled = std::exchange(canceled_, false);
    wants_input_ = false;
    const bool reads_beside_a_write = phase_ == phase::sending && turn_->calls != nullptr &&
                                      turn_->calls->reader != nullptr && !turn_->calls->continue_on_its_way;
    if (phase_ != phase::body && !reads_for_call() && !reads_beside_a_write) return;
    if (canceled) {
        data = nullptr;
        result = outcome::canceled;
        return on_received();
    }
    std::size_t size = unread_.size() - given_;
    if (size == 0) {
        if (!input_ended_) {
            wants_input_ = true;
            return;
        }
        turn_->body.end();
        return phase_ == phase::body ? process() : read_for_call();
    }
    std::byte* const memory = worker_.loop_.buffers().acquire();
    if (memory == nullptr) {
        wants_input_ = true;
        session_in_.wait_for_buffer();
        return;
    }
    size = std::min(size, naru::limits::buffer_bytes);
    std::memcpy(memory, unread_.data() + given_, size);
    take_unread(size);
    if (unread_.empty() && input_ended_) turn_->body.end();
    data = memory;
    result = static_cast<std::int64_t>(size);
    on_received();
}

// So much of what has come has been read.
void stream::take_unread(std::size_t bytes) noexcept {
    given_ += bytes;
    if (given_ == unread_.size()) {
        given_ = 0;
        unread_.clear();
        if (unread_.capacity() > kept_capacity) unread_.shrink_to_fit();
    }
    session_in_.consumed(*this, bytes);
}

// ---------------------------------------------------------------------------------------- what goes

// Nothing of the answer comes behind what waits now.
bool stream::is_whole() const noexcept {
    const turn& t = *turn_;
    if (!head_sent_ || t.reading_body || t.then) return false;
    if (t.calls == nullptr) return true;
    return t.calls->is_whole();
}

// Heads in front of `text` become frames; the last one's fields wait to be submitted (`status`). What is left
// of it is the body's.
std::string_view stream::take_interim(std::string_view text, unsigned& status) {
    while (!head_sent_ && !text.empty()) {
        const unsigned of_head = status_of(text);
        text.remove_prefix(session_in_.put_fields(of_head, text));
        if (of_head < 200) {
            session_in_.submit_interim(*this);
        } else {
            status = of_head;
            head_sent_ = true;
        }
    }
    return text;
}

// What the turn has to send waits for its frames from here on: what lies in the output is copied, so that no
// buffer is held meanwhile; the rest is sent from where it lies. Who sends is told that nothing was left to
// send only from `attend`, never inside its own call.
void stream::carry_on(bool attending) noexcept try {
    turn& t = *turn_;
    const bool had_ended = is_last_;
    rest_.clear();
    rest_sent_ = 0;
    unsigned status = 0;
    bool something = t.filled > 0 || t.next_piece < t.piece_count;
    std::string_view text = take_interim({reinterpret_cast<const char*>(t.output), t.filled}, status);
    rest_ = text;
    piece_sent_ = 0;
    while (!head_sent_ && t.next_piece < t.piece_count) {
        const body_piece& first = t.pieces[t.next_piece];
        text = take_interim({first.memory, first.size}, status);
        piece_sent_ = first.size - text.size();
        if (!text.empty()) break;
        piece_sent_ = 0;
        ++t.next_piece;
    }
    charge_rest();
    waiting_ = rest_.size();
    for (std::uint32_t each = t.next_piece; each < t.piece_count; ++each)
        waiting_ += t.pieces[each].size;
    waiting_ -= piece_sent_;
    if (status != 0 && is_no_tunnel(status)) answer_no_tunnel();
    if (is_mute_) {
        waiting_ = 0;
        t.next_piece = t.piece_count;
    }
    is_last_ = is_last_ || is_whole();
    something |= is_last_ && !had_ended;
    if (status != 0) {
        session_in_.submit_head(*this, waiting_ > 0 || !is_last_ || !trailers_.empty());
    } else if (waiting_ > 0 || (is_last_ && !had_ended)) {
        session_in_.resume(*this);
    }
    t.filled = 0;
    release_output();
    if (!something && attending) return answer_sent();
    carrying_ = true;
    if (waiting_ == 0) session_in_.call(*this);
    session_in_.send_soon();
} catch (const std::bad_alloc&) {
    close();
}

// What its handler has answered is not sent.
void stream::answer_no_tunnel() {
    if (turn_->last_record != nullptr) turn_->last_record->status = 501;
    is_mute_ = is_last_ = true;
    trailers_.clear();
    (void)session_in_.put_fields(501,
                                 "HTTP/1.1 501 Not Implemented\r\nServer: naru\r\nContent-Length: 0\r\n\r\n");
}

// What was copied is the client's to take, and in the books of the worker until then.
void stream::charge_rest() noexcept {
    worker_.aside_bytes_ -= charged_;
    charged_ = rest_.capacity() > std::string().capacity() ? rest_.size() : 0;
    worker_.add_aside(charged_);
}

body_piece stream::front() const noexcept {
    if (is_tunnel()) return tunnel_->front();
    if (rest_sent_ < rest_.size())
        return {
            .memory = rest_.data() + rest_sent_, .file = {}, .offset = 0, .size = rest_.size() - rest_sent_};
    body_piece piece = turn_->pieces[turn_->next_piece];
    if (piece.memory != nullptr) {
        piece.memory += piece_sent_;
    } else {
        piece.offset += piece_sent_;
    }
    piece.size -= piece_sent_;
    return piece;
}

void stream::take(std::uint64_t bytes, bool lent) noexcept {
    waiting_ -= bytes;
    if (is_tunnel()) {
        if (lent && !lent_place_.linked()) session_in_.lend(*this);
        return tunnel_->gone(bytes);
    }
    if (flight_ != session_in_.flight_) in_flight_ = 0;
    flight_ = session_in_.flight_;
    in_flight_ += bytes;
    turn& t = *turn_;
    t.sent += bytes;
    if (rest_sent_ < rest_.size()) {
        rest_sent_ += bytes;
    } else {
        piece_sent_ += bytes;
    }
    while (rest_sent_ == rest_.size() && t.next_piece < t.piece_count &&
           piece_sent_ == t.pieces[t.next_piece].size) {
        piece_sent_ = 0;
        ++t.next_piece;
    }
    if (lent && !lent_place_.linked()) session_in_.lend(*this);
    if (waiting_ == 0 && !is_lent()) session_in_.call(*this);
}

std::uint64_t stream::on_its_way() const noexcept {
    session& in = session_in_;
    if (flight_ != in.flight_) return 0;
    if (!in.is_sending_) return in_flight_;
    in.link_.show_progress();
    const double gone = static_cast<double>(in.sending_.progress) / static_cast<double>(in.parts_->bytes);
    return in_flight_ - static_cast<std::uint64_t>(static_cast<double>(in_flight_) * std::min(gone, 1.0));
}

void stream::returned() noexcept {
    if (is_tunnel()) return tunnel_->returned();
    if (phase_ == phase::closing) return finish_if_quiet();
    if (waiting_ == 0) session_in_.call(*this);
}

// The answer has been carried. The stream lives until nghttp2 has done with it.
void stream::finish() noexcept {
    if (!std::exchange(is_last_, true)) {
        session_in_.resume(*this);
        session_in_.send_soon();
    }
    worker_.loop_.disarm(*this);
    release_turn();
    phase_ = phase::lingering;
    lingered_ = 0;
    is_finished_ = true;
    if (is_closed_) session_in_.call(*this);
}

// Closing: unless the client, or the whole connection, has left first, it is told that this is not whole.
void stream::abandon() noexcept {
    is_abandoned_ = true;
    if (!is_closed_ && !session_in_.is_dead()) session_in_.reset(*this, NGHTTP2_INTERNAL_ERROR);
    if (is_tunnel()) tunnel_->break_off();
}

void stream::end() noexcept {
    worker& home = worker_;
    session& in = session_in_;
    if (!in.is_dead()) in.send_soon();  // its deadline, and windows that open with it
    const session::at_work working(in);
    in.forget(*this);
    home.aside_bytes_ -= charged_;
    home.streams_.destroy(*this);
}

std::size_t stream::bytes_kept() const noexcept {
    return unread_.size() + rest_.size() + head_.size() + (has_turn_ ? turn_->charged : 0);
}

}  // namespace naru::http::h2
