#include <naru/http/h2/tunnel.hpp>

#include <naru/http/h2/session.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>

#include <nghttp2/nghttp2.h>

namespace naru::http::h2 {

namespace {

std::span<slice> slices_of(const operation& op) noexcept { return {op.slices, op.count}; }

std::uint64_t left_of(const operation& op) noexcept {
    return op.kind == operation_kind::send ? total_size(slices_of(op)) : 0;
}

}  // namespace

result<handle> tunnel::take_place() noexcept {
    const result<handle> made = loop_.put(*this);
    if (made) own_ = *made;
    return made;
}

// ---------------------------------------------------------------------------------------- operations

void tunnel::take(operation& op) noexcept {
    switch (op.kind) {
        case operation_kind::recv_into:
            if (op.count == 0) return loop_.finish(op, outcome::from_errno(EINVAL));
            [[fallthrough]];
        case operation_kind::recv:
            if (closing_ != nullptr) return loop_.finish(op, outcome::canceled);
            reads_.push(op);
            return advance_reads();
        case operation_kind::send:
        case operation_kind::shutdown:
            return write(op);
        case operation_kind::writable:
            return loop_.finish(op, closing_ != nullptr ? outcome::canceled : 0);
        case operation_kind::close:
            if (closing_ != nullptr) return loop_.finish(op, outcome::from_errno(EBADF));
            return begin_close(op);
        default:
            return loop_.finish(op, outcome::from_errno(EINVAL));
    }
}

void tunnel::cancel(operation& op) noexcept {
    if (direction_of(op.kind) == direction::read) {
        if (reads_.remove(op)) loop_.finish(op, outcome::canceled);
        if (reads_.empty()) stream_.wants_input_ = lacks_buffer_ = false;
        return;
    }
    if (!writes_.remove(op)) return;  // its bytes have been taken
    stream_.waiting_ -= left_of(op);
    op.backend_bits = static_cast<std::uint8_t>(ending::canceled);
    gone_.push(op);
    advance_writes();
    hand_back_writes();
}

// ---------------------------------------------------------------------------------------- reading

void tunnel::advance_reads() noexcept {
    lacks_buffer_ = false;
    while (operation* const op = reads_.front()) {
        if (const std::size_t size = stream_.unread_.size() - stream_.given_; size > 0) {
            if (!read_into(*op, size)) {
                if (!broken_) break;
                lacks_buffer_ = false;  // nobody would come back to it
                op->result = outcome::from_errno(ECONNRESET);
            }
        } else if (stream_.input_ended_) {
            op->result = outcome::end_of_stream;
        } else if (broken_) {
            op->result = outcome::from_errno(ECONNRESET);
        } else {
            break;
        }
        reads_.pop();
        loop_.finish(*op, op->result);
    }
    stream_.wants_input_ = !reads_.empty();
    if (lacks_buffer_) stream_.session_in_.wait_for_buffer();
}

/// Of what has come, into its memory or a buffer of the pool. False: there is none.
bool tunnel::read_into(operation& op, std::size_t size) noexcept {
    mutable_slice one;
    if (op.kind == operation_kind::recv) {
        std::byte* const memory = loop_.buffers().acquire();
        lacks_buffer_ = memory == nullptr;
        if (lacks_buffer_) return false;
        loop_.buffers().note_holder(memory, own_);
        op.data = memory;
        one = mutable_slice(memory, naru::limits::buffer_bytes);
    }
    const bytes_view come = as_bytes(std::string_view(stream_.unread_).substr(stream_.given_, size));
    const std::size_t got =
        scatter(come, op.kind == operation_kind::recv ? std::span(&one, 1) : pieces_of(op, one));
    op.result = static_cast<std::int64_t>(got);
    stream_.take_unread(got);
    return true;
}

// ---------------------------------------------------------------------------------------- writing

void tunnel::write(operation& op) noexcept {
    if (closing_ != nullptr) return loop_.finish(op, outcome::canceled);
    if (broken_) return loop_.finish(op, outcome::from_errno(ECONNRESET));
    if (shut_) return loop_.finish(op, outcome::from_errno(EPIPE));
    op.backend_bits = 0;
    shut_ = op.kind == operation_kind::shutdown;
    writes_.push(op);
    stream_.waiting_ += left_of(op);
    advance_writes();
    hand_back_writes();
    if (stream_.waiting_ > 0) stream_.offer();
}

result<void> tunnel::shutdown_send() noexcept {
    if (closing_ != nullptr || broken_) return fail_errno(ENOTCONN);
    shut_ = true;
    advance_writes();
    hand_back_writes();
    return {};
}

/// Those that have been taken whole make room for the next; behind the last comes the end.
void tunnel::advance_writes() noexcept {
    while (operation* const op = writes_.front()) {
        const std::uint64_t left = left_of(*op);
        const bool enough = (op->flags & operation_flags::some) != 0 && op->progress > 0;
        if (left > 0 && !enough) break;
        stream_.waiting_ -= left;
        writes_.pop();
        gone_.push(*op);
    }
    if (shut_ && !broken_ && writes_.empty() && !std::exchange(stream_.is_last_, true)) stream_.offer();
}

void tunnel::end_writes(ending how) noexcept {
    while (operation* const op = writes_.pop()) {
        op->backend_bits = static_cast<std::uint8_t>(how);
        gone_.push(*op);
    }
    stream_.waiting_ = 0;
    hand_back_writes();
}

/// In their order, when the connection has sent what was lent of them.
void tunnel::hand_back_writes() noexcept {
    if (stream_.is_lent()) return;
    while (operation* const op = gone_.pop()) {
        switch (static_cast<ending>(std::exchange(op->backend_bits, 0))) {
            case ending::well:
                loop_.finish(*op,
                             op->kind == operation_kind::send ? static_cast<std::int64_t>(op->progress) : 0);
                break;
            case ending::canceled:
                loop_.finish(*op, outcome::canceled);
                break;
            case ending::reset:
                loop_.finish(*op, outcome::from_errno(ECONNRESET));
                break;
        }
    }
}

body_piece tunnel::front() const noexcept {
    const std::span<slice> pieces = slices_of(*writes_.front());
    const slice& first = *std::ranges::find_if(pieces, [](const slice& each) { return each.size > 0; });
    return {.memory = reinterpret_cast<const char*>(first.data), .file = {}, .offset = 0, .size = first.size};
}

void tunnel::gone(std::size_t bytes) noexcept {
    operation& op = *writes_.front();
    op.progress += bytes;
    advance(slices_of(op), bytes);
    advance_writes();
    hand_back_writes();
}

void tunnel::returned() noexcept {
    hand_back_writes();
    if (closing_ != nullptr) end();
}

// ---------------------------------------------------------------------------------------- the end

void tunnel::break_off() noexcept {
    if (std::exchange(broken_, true)) return;
    end_writes(ending::reset);
    advance_reads();
}

void tunnel::begin_close(operation& op) noexcept {
    closing_ = &op;
    while (operation* const each = reads_.pop())
        loop_.finish(*each, outcome::canceled);
    stream_.wants_input_ = lacks_buffer_ = false;
    cut_ = cut_ || stream_.waiting_ > 0;
    end_writes(ending::canceled);
    if (!stream_.is_lent()) end();
}

void tunnel::end() noexcept {
    loop& on = loop_;
    operation& ended = *closing_;
    on.remove(own_);
    stream_.tunnel_ended(cut_);  // which is the end of this
    on.finish(ended, 0);
}

// ---------------------------------------------------------------------------------------- its stream

// The 200 has gone: what comes is another protocol's, and so is what goes.
void stream::become_tunnel() noexcept {
    worker& home = worker_;
    wants_input_ = canceled_ = false;
    naru::result<naru::handle> own;
    try {
        tunnel_ = std::make_unique<tunnel>(home.loop_, *this, link().target);
        own = tunnel_->take_place();
    } catch (const std::bad_alloc&) {
        return close();
    }
    if (!own) {
        tunnel_.reset();
        return close();
    }
    upgraded_stream given(tcp_stream(home.loop_, *own), std::string());
    if (turn_->calls != nullptr) return give_to_call(given);
    auto start = std::move(*turn_->then);
    answer_record* const answer = std::exchange(turn_->upgraded, nullptr);
    release_turn();
    home.begin_upgraded(start, given, answer);  // the last touch: it may have closed the handle
}

void stream::offer() noexcept {
    session_in_.resume(*this);
    session_in_.send_soon();
}

void stream::attend_tunnel() noexcept {
    if (is_closed_ && !(input_ended_ && end_sent_)) return tunnel_->break_off();
    tunnel_->advance_reads();
}

void stream::tunnel_ended(bool by_reset) noexcept {
    tunnel_.reset();
    if (phase_ == phase::closing) return finish_if_quiet();
    if (!is_closed_) {
        if (by_reset || (end_sent_ && !input_ended_)) {
            is_abandoned_ = true;
            session_in_.reset(*this, NGHTTP2_CANCEL);
        } else if (!std::exchange(is_last_, true)) {
            offer();
        }
    }
    if (!has_turn_) finish_tunnel();
}

void stream::let_go_of_tunnel() noexcept {
    release_turn();
    if (!is_tunnel()) finish_tunnel();  // else somebody has it still
}

void stream::finish_tunnel() noexcept {
    phase_ = phase::lingering;
    lingered_ = 0;
    is_finished_ = true;
    if (is_closed_) session_in_.call(*this);
}

// What is no tunnel must not look like one: with any 2xx the client would take the stream for open (RFC 8441,
// section 5). And a protocol that nobody here speaks is 501, whatever is at its path (RFC 9220, section 3).
bool stream::is_no_tunnel(unsigned status) const noexcept {
    return asks_tunnel_ && !turn_->then && (status / 100 == 2 || !is_websocket_);
}

}  // namespace naru::http::h2
