// What a TLS layer writes: one buffer of records at a time.
#include <naru/stream/tls/tls_layer.hpp>

#include <naru/os/file_system.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

namespace naru {

namespace {

using scratch = std::array<std::byte, limits::buffer_bytes>;

// Below it, pieces are joined into one record.
constexpr std::size_t small_piece = 4 * 1024;

std::uint64_t left_of(const operation& op) noexcept {
    if (op.kind == operation_kind::send_file) return static_cast<const send_file_operation&>(op).remaining;
    return total_size({op.slices, op.count});
}

/// The next of what is to be sent, as one piece; empty with an error if the file has no more of it.
bytes_view next_of(const operation& op, backend& by, scratch& room, std::size_t most,
                   std::int64_t& refused) noexcept {
    if (op.kind == operation_kind::send_file) {
        const auto& of = static_cast<const send_file_operation&>(op);
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(of.remaining, most));
        if (wanted == 0) return {};
        const std::int64_t got = by.files_of(of.file).read_file(
            of.file.get(), mutable_bytes(room).first(wanted), of.offset, file_system::blocking::yes);
        if (got > 0) return {room.data(), static_cast<std::size_t>(got)};
        refused = got == 0 ? outcome::end_of_file : got;
        return {};
    }
    std::span<const slice> pieces(op.slices, op.count);
    while (!pieces.empty() && pieces.front().size == 0)
        pieces = pieces.subspan(1);
    if (pieces.empty()) return {};
    if (pieces.size() == 1 || pieces.front().size >= small_piece)
        return {pieces.front().data, pieces.front().size};
    std::size_t filled = 0;
    for (const slice& each : pieces) {
        const std::size_t step = std::min(each.size, most - filled);
        if (step > 0) std::memcpy(room.data() + filled, each.data, step);
        filled += step;
        if (filled == most) break;
    }
    return {room.data(), filled};
}

void use_up(operation& op, std::size_t count) noexcept {
    if (op.kind == operation_kind::send_file) {
        auto& of = static_cast<send_file_operation&>(op);
        of.offset += count;
        of.remaining -= count;
    } else {
        advance({op.slices, op.count}, count);
    }
}

}  // namespace

/// A buffer of the pool for records, or memory of its own when there is none: those who hold all of them may
/// be waiting to send.
bool tls_layer::lend_room() noexcept {
    room_ = loop_.buffers().acquire();
    own_room_ = room_ == nullptr;
    if (own_room_) room_ = new (std::nothrow) std::byte[limits::buffer_bytes];
    if (room_ == nullptr) return false;
    engine_.lend_output({room_, limits::buffer_bytes});
    return true;
}

void tls_layer::drop_room() noexcept {
    if (room_ == nullptr) return;
    if (own_room_) {
        delete[] std::exchange(room_, nullptr);
    } else {
        release(room_);
    }
}

void tls_layer::send_room(std::size_t bytes, sending what, bool more) noexcept {
    sends_ = what;
    sent_ = slice(room_, bytes);
    send_.kind = operation_kind::send;
    send_.target = beneath();
    send_.slices = &sent_;
    send_.count = 1;
    send_.progress = 0;
    send_.flags = more ? operation_flags::more : 0;
    loop_.submit(send_);
}

/// Sends what the engine has kept; false if there is no memory for that.
bool tls_layer::flush_kept() noexcept {
    if (!lend_room()) {
        broken_ = outcome::from_errno(ENOMEM);
        return false;
    }
    send_room(engine_.take_output(), sending::kept, false);
    return true;
}

void tls_layer::finish_write(std::int64_t result) noexcept { loop_.finish(*writes_.pop(), result); }

void tls_layer::advance_writes() noexcept {
    while (send_.idle() && !is_away_) {
        if (engine_.has_output() && broken_ == 0 && flush_kept()) return;
        if (fin_waits_ && broken_ == 0) {
            fin_waits_ = false;
            (void)loop_.shutdown_send(beneath());
        }
        operation* const op = writes_.front();
        if (op == nullptr) return;
        if (op->state == operation_state::canceling) {
            finish_write(outcome::canceled);
        } else if (broken_ != 0) {
            finish_write(broken_);
        } else if (phase_ == phase::failed) {
            finish_write(failed_outcome());
        } else if (op->kind == operation_kind::writable) {
            finish_write(0);
        } else if (op->kind == operation_kind::shutdown) {
            if (end_direction()) return;
        } else if (engine_.ended()) {
            finish_write(outcome::from_errno(EPIPE));
        } else if (!encipher(*op)) {
            return;
        }
    }
}

/// True when it is under way.
bool tls_layer::end_direction() noexcept {
    if (!engine_.ended()) {
        if (const auto ended = engine_.end(); !ended) {
            fail_with(ended.error());
            finish_write(failed_outcome());
        }
        return false;  // its close_notify goes first
    }
    sends_ = sending::shutdown;
    send_.kind = operation_kind::shutdown;
    send_.target = beneath();
    send_.flags = 0;
    loop_.submit(send_);
    return true;
}

result<void> tls_layer::shutdown_send() noexcept {
    if (phase_ != phase::open || broken_ != 0) return fail_errno(ENOTCONN);
    if (const auto ended = engine_.end(); !ended) return ended;
    fin_waits_ = true;
    advance_writes();
    return {};
}

/// Makes records of as much of it as one buffer has room for. False when something is under way, or waited
/// for; true when the operation has ended.
bool tls_layer::encipher(operation& op) noexcept {
    if (!lend_room()) {
        finish_write(outcome::from_errno(ENOMEM));
        return true;
    }
    scratch memory;
    taken_ = 0;
    refused_ = 0;
    while (true) {
        const bytes_view next = next_of(op, loop_.backend(), memory, tls_engine::largest_record, refused_);
        if (next.empty()) break;
        const result<std::size_t> taken = engine_.write(next);
        drop_input();  // a message of TLS's own that had come in part
        if (!taken) fail_with(taken.error());
        if (!taken || *taken == 0) break;
        use_up(op, *taken);
        taken_ += *taken;
        if (engine_.room_left() < tls_engine::smallest_room) break;
    }
    const std::size_t made = engine_.take_output();
    const bool whole = left_of(op) == 0;
    if (made > 0) {
        is_last_ = whole || refused_ != 0 || (op.flags & operation_flags::some) != 0;
        send_room(made, sending::operation, !whole || (op.flags & operation_flags::more) != 0);
        return false;
    }
    drop_room();
    if (refused_ != 0 || phase_ == phase::failed || whole || end_ != 0) {
        finish_write(refused_ != 0             ? refused_
                     : phase_ == phase::failed ? failed_outcome()
                     : whole                   ? static_cast<std::int64_t>(op.progress)
                                               : end_);
        return true;
    }
    if (receive_.idle()) receive_more();  // the rest of a message of TLS's own comes before
    return false;
}

void tls_layer::on_sent() noexcept {
    const sending what = std::exchange(sends_, sending::idle);
    drop_room();
    if (send_.failed() && broken_ == 0) {
        broken_ = send_.result;
        if (send_.result == outcome::canceled) broken_ = outcome::from(errc::cut_off);
    }
    if (closing_ != nullptr) return farewell();
    if (what == sending::shutdown) {
        if (!writes_.empty()) finish_write(send_.result);
    } else if (what == sending::operation) {
        operation& op = *writes_.front();
        if (send_.failed()) {
            finish_write(send_.result);
        } else {
            op.progress += taken_;
            if (is_last_) finish_write(refused_ != 0 ? refused_ : static_cast<std::int64_t>(op.progress));
        }
    }
    advance();
}

}  // namespace naru
