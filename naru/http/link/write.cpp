// Write: answers out, in order, from the output buffer, the cache or a file; and the end of a connection.
#include <naru/http/exchange/call.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace naru::http {

turn::send_step::send_step(turn& of) noexcept
    : send_operation([](operation& op) noexcept { static_cast<send_step&>(op).owner.owner.on_sent(op); }),
      owner(of) {}

turn::file_step::file_step(turn& of) noexcept
    : send_file_operation(
          [](operation& op) noexcept { static_cast<file_step&>(op).owner.owner.on_sent(op); }),
      owner(of) {}

turn::turn(connection& of) noexcept : owner(of), sending(*this), sending_file(*this), waiting(*this) {}

/// False: the pool has none.
bool connection::take_output() noexcept {
    turn& x = *turn_;
    x.output = worker_.loop_.buffers().acquire();
    x.filled = 0;
    if (x.output == nullptr) {
        x.lacks_buffer = true;
        return false;
    }
    worker_.holds_one_more();
    return true;
}

void connection::release_output() noexcept {
    turn& x = *turn_;
    if (x.output == nullptr) return;
    worker_.loop_.buffers().release(x.output);
    --worker_.held_;
    x.output = nullptr;
    x.filled = 0;
}

/// What cannot go into the output as it is.
void connection::append_elsewhere(std::string_view text) noexcept {
    if (phase_ == phase::sending) return append_behind(text);
    if (take_output()) append(text);
}

/// A handler answers while the answers before its own are being sent: their memory is lent.
void connection::append_behind(std::string_view text) noexcept try {
    turn& x = *turn_;
    x.text += text;
    x.piece_count = 0;
    x.next_piece = 0;
    add_piece(x.text);
} catch (const std::bad_alloc&) {
    turn_->lacks_buffer = true;
}

/// An answer that lies in memory of its own, because it is large or there is no buffer.
void connection::append_alone(std::string&& text) noexcept {
    if (phase_ == phase::sending) return append_behind(text);
    turn_->lacks_buffer = false;
    turn_->text = std::move(text);
    add_piece(turn_->text);
}

/// Part of a body, by copy if it is small and there is room, else as a piece of its own.
void connection::append_representation(cached_document& from, const representation& what, std::uint64_t first,
                                       std::uint64_t size) noexcept {
    turn& x = *turn_;
    if (size == 0) return;
    if (what.file) {
        add_piece(what.file, first, size);
    } else {
        const std::string_view bytes =
            std::string_view(what.content)
                .substr(static_cast<std::size_t>(first), static_cast<std::size_t>(size));
        if (!is_stream_ && x.piece_count == 0 && size <= limits::copied_body_bytes &&
            x.filled + size <= limits::output_bytes) {
            return append(bytes);
        }
        add_piece(bytes);
    }
    hold(from);
}

void connection::add_piece(std::string_view memory) noexcept {
    turn& x = *turn_;
    x.pieces[x.piece_count++] = {.memory = memory.data(), .file = {}, .offset = 0, .size = memory.size()};
}

void connection::add_piece(lent_descriptor file, std::uint64_t offset, std::uint64_t bytes) noexcept {
    turn& x = *turn_;
    x.pieces[x.piece_count++] = {.memory = nullptr, .file = file, .offset = offset, .size = bytes};
}

/// Sees to it that the cache does not drop what is being sent.
void connection::hold(cached_document& each) noexcept {
    NARU_ASSERT(turn_->held == nullptr || turn_->held == &each);
    if (turn_->held == &each) return;
    turn_->files->cache.hold(each);
    turn_->held = &each;
}

void connection::let_go() noexcept {
    if (turn_->held != nullptr) turn_->files->cache.let_go(*std::exchange(turn_->held, nullptr));
}

void connection::refuse_for_want_of_a_buffer() noexcept {
    worker_.count_shed(shed_reason::no_buffer);
    reset_link();
    close();
}

/// What the client has got of the answer will not be taken for the whole of it. A stream is reset by its
/// close.
void connection::reset_link() noexcept {
    if (!is_stream_) worker_.loop_.reset_on_close(target);
}

/// Sends the output and the pieces behind it.
void connection::flush() noexcept {
    turn& x = *turn_;
    if (x.lacks_buffer || (x.filled == 0 && x.piece_count == 0 && !is_stream_)) {  // the pool is exhausted
        return refuse_for_want_of_a_buffer();
    }
    note_queued();
    worker_.budget_.take_bytes(x.filled);
    phase_ = phase::sending;
    x.next_piece = 0;
    x.pace.moved = worker_.loop_.now();
    if (x.calls != nullptr)
        x.pace.begun = instant::min();  // each piece is judged by itself: its maker may be slow
    if (!has_input()) {                 // nothing waits in its buffer
        if (x.reading_body && !keep_head()) return close();
        release_input();
    } else if (worker_.is_short()) {
        park_input(2 * naru::limits::buffer_bytes);
    }
    if (!x.text.empty()) charge();
    send_next();
}

// What lies in memory goes out in one gathered send; each file piece in a step of its own. While buffers are
// short, what the output holds goes in a step of its own, too: a client that does not take the rest holds
// none.
void connection::send_next() noexcept {
    if (is_stream_) return as_stream().carry();
    turn& x = *turn_;
    std::uint32_t used = 0;
    bool alone = false;
    if (x.filled > 0) {
        x.slices[used++] = slice(x.output, x.filled);
        x.filled = 0;
        alone = x.next_piece < x.piece_count && worker_.is_short();
    } else if (x.next_piece < x.piece_count && worker_.is_short()) {
        release_output();
    }
    while (!alone && x.next_piece < x.piece_count && used < x.slices.size()) {
        const body_piece& piece = x.pieces[x.next_piece];
        if (piece.memory == nullptr) break;
        x.slices[used++] = slice(std::string_view(piece.memory, piece.size));
        ++x.next_piece;
    }
    const bool more = x.next_piece < x.piece_count;
    if (used > 0) {
        x.sending.set(target, x.slices.data(), used);
        // Behind the last answer comes the end of our direction: held back for that moment, its last segment
        // carries the FIN, too. One packet and one wake-up of the client fewer.
        const bool is_last =
            !keep_alive_ && !x.reading_body && !x.then && (x.calls == nullptr || x.calls->ended);
        x.sending.flags = more || is_last ? operation_flags::more : 0;
        worker_.loop_.submit(x.sending);
    } else if (more) {
        release_output();  // what goes out from here on lies in a file
        park_input();
        const body_piece& piece = x.pieces[x.next_piece++];
        x.sending_file.set(target, piece.file, piece.offset, piece.size);
        worker_.loop_.submit(x.sending_file);
    } else {
        answer_sent();
    }
}

void connection::on_sent(const operation& op) noexcept {
    turn_->sent += op.progress;
    worker_.counts_.bytes_out += op.progress;
    if (phase_ == phase::closing) return finish_if_quiet();
    call* const calls = turn_->calls;
    const bool writes = calls != nullptr && calls->writer != nullptr;
    const bool stopped = writes && calls->write_stopped;
    if (op.failed()) {
        if (writes) calls->writer->error = op.error();
        // Also a file that has got shorter: the promised length cannot be kept, so the connection must end.
        if (op.result == outcome::end_of_file || stopped) reset_link();
        return close();
    }
    // The stop came too late for this send: what stands behind it is not begun.
    if (stopped && turn_->next_piece < turn_->piece_count) {
        calls->writer->error = std::error_code(ECANCELED, errno_category());
        reset_link();
        return close();
    }
    send_next();
}

void connection::answer_sent() noexcept {
    turn& x = *turn_;
    end_records(true);
    let_go();
    x.piece_count = 0;
    if (!x.text.empty()) {
        std::string().swap(x.text);
        charge();
    }
    if (x.calls != nullptr) return wrote_for_call();
    if (x.then) return hand_over();
    if (x.reading_body) {  // it was 100 Continue, or the answers before this request
        phase_ = phase::body;
        return has_input() ? process() : wait_for_more();
    }
    turn_over();
}

// Everything has been answered that has been asked.
void connection::turn_over() noexcept {
    end_records(true);
    if (!keep_alive_ || is_stream_) return linger();
    phase_ = phase::idle;
    if (has_input()) return !worker_.is_scarce() && worker_.may_answer_more() ? process() : await_turn();
    release_turn();
    set_deadline(worker_.options_.timeouts.keep_alive);
    receive();
}

void connection::release_turn() noexcept {
    turn& x = *turn_;
    if (x.waiting.in != nullptr) x.files->looks.leave(x.waiting);
    end_records(false);
    if (x.upgraded != nullptr) worker_.upgraded_.end(*std::exchange(x.upgraded, nullptr));
    let_go();
    if (x.calls != nullptr) end_call();
    if (x.is_upgraded) --worker_.upgrades_.running;
    release_input();
    if (phase_ == phase::closing) return_leaving();
    release_output();
    worker_.aside_bytes_ -= x.charged;
    has_turn_ = false;
    turn_ = nullptr;
    served_site& served = *x.serves;
    worker_.turns_.destroy(x);
    worker_.leave_site(served);
}

// The last answer has gone to the kernel. If the client may still be sending, closing now would answer its
// bytes with a reset, which may overtake the answer; so our direction ends first, and the rest is dropped.
void connection::linger() noexcept {
    if (is_stream_) return as_stream().finish();
    if (!dirty_close_ && !has_input()) return close();
    release_turn();
    phase_ = phase::lingering;
    lingered_ = 0;
    if (!worker_.loop_.shutdown_send(target)) return close();
    set_deadline(limits::linger_time);
    receive();
}

// Stop, join, release: the loop cancels what is pending, and the last of it destroys the connection.
void connection::close() noexcept {
    if (phase_ == phase::closing) return;
    if (has_turn_) {
        log_unanswered();
        leave();
    }
    const bool has_socket = phase_ != phase::upgraded;
    phase_ = phase::closing;
    worker_.loop_.disarm(*this);
    if (is_stream_) {
        as_stream().abandon();
    } else if (has_socket) {
        worker_.loop_.close(target);
    }
    if (is_multiplexed_) close_streams();
    if (has_turn_ && turn_->calls != nullptr) {
        turn_->calls->client_gone = true;
        turn_->calls->scope.stop();
    }
    finish_if_quiet();
}

void connection::finish_if_quiet() noexcept {
    if (!operation::idle()) return;
    if (is_multiplexed_ && !streams_ended()) return;
    if (is_stream_ && (as_stream().is_lent() || as_stream().is_tunnel())) return;
    if (has_turn_) {
        if (!turn_->sending.idle() || !turn_->sending_file.idle()) return;
        if (call* const calls = turn_->calls) {  // its handler's end comes back to here
            if (calls->waking()) return;
            if (calls->reader != nullptr || calls->writer != nullptr) return calls->interrupt_later();
            if (!calls->ended || calls->starting) return;
        }
        release_turn();
    }
    drop_aside();
    worker_.destroy(*this);
}

}  // namespace naru::http
