// What a TLS layer writes: a few buffers of records at a time.
#include <naru/stream/tls/tls_layer.hpp>

#include <naru/core/limits.hpp>
#include <naru/os/file_system.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace naru {

namespace {

// Plaintext that is read or joined, of all layers of a thread: what is in it becomes records at once. Empty
// without the memory for it.
mutable_bytes scratch() noexcept {
    constexpr std::size_t size = limits::tls_send_buffers * limits::buffer_bytes;
    thread_local std::unique_ptr<std::byte[]> memory;
    if (!memory) memory.reset(new (std::nothrow) std::byte[size]);
    return memory ? mutable_bytes(memory.get(), size) : mutable_bytes();
}

// Below it, pieces are joined into one record.
constexpr std::size_t small_piece = 4 * 1024;

std::uint64_t left_of(const operation& op) noexcept {
    if (op.kind == operation_kind::send_file) return static_cast<const send_file_operation&>(op).remaining;
    return total_size({op.slices, op.count});
}

/// The next of what is to be sent, as one piece: of a file `of_file` bytes at most, of joined pieces
/// `joined`. Empty with an error if the file has no more of it.
bytes_view next_of(const operation& op, backend& by, std::size_t of_file, std::size_t joined,
                   std::int64_t& refused) noexcept {
    const bool is_file = op.kind == operation_kind::send_file;
    std::span<const slice> pieces;
    if (!is_file) pieces = std::span<const slice>(op.slices, op.count);
    while (!pieces.empty() && pieces.front().size == 0)
        pieces = pieces.subspan(1);
    if (left_of(op) == 0) return {};
    if (!is_file && (pieces.size() == 1 || pieces.front().size >= small_piece))
        return {pieces.front().data, pieces.front().size};
    const mutable_bytes room = scratch();
    if (room.empty()) {
        refused = outcome::from_errno(ENOMEM);
        return {};
    }
    if (is_file) {
        const auto& of = static_cast<const send_file_operation&>(op);
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(of.remaining, of_file));
        const std::int64_t got = by.files_of(of.file).read_file(of.file.get(), room.first(wanted), of.offset,
                                                                file_system::blocking::yes);
        if (got > 0) return {room.data(), static_cast<std::size_t>(got)};
        refused = got == 0 ? outcome::end_of_file : got;
        return {};
    }
    std::size_t filled = 0;
    for (const slice& each : pieces) {
        const std::size_t step = std::min(each.size, joined - filled);
        if (step > 0) std::memcpy(room.data() + filled, each.data, step);
        filled += step;
        if (filled == joined) break;
    }
    return room.first(filled);
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

/// At the beginning of the first of its buffers, so that a connection that sends nothing has none.
struct tls_layer::flight {
    std::array<slice, limits::tls_send_buffers> slices;
    std::array<mutable_bytes, limits::tls_send_buffers> rooms;
    std::size_t count = 1;
    std::size_t bytes = 0;  // of records
    std::size_t shown = 0;  // of their plaintext in the operation's progress
    bool own = false;       // of the heap: one
};

/// A buffer of the pool for records, or memory of its own when there is none: those who hold all of them may
/// be waiting to send. More of them for much plaintext, while the pool has plenty.
bool tls_layer::lend_room(std::uint64_t plaintext) noexcept {
    buffer_pool& pool = loop_.buffers();
    if (sends_ == sending::held) {
        sends_ = sending::idle;
        loop_.disarm(deadline_);
    } else {
        std::byte* const first = pool.acquire();
        std::byte* const memory =
            first != nullptr ? first : new (std::nothrow) std::byte[limits::buffer_bytes];
        if (memory == nullptr) return false;
        flight_ = new (memory) flight;
        flight_->own = first == nullptr;
        flight_->rooms[0] = {memory + sizeof(flight), limits::buffer_bytes - sizeof(flight)};
        engine_.lend_output(flight_->rooms[0]);
    }
    const std::uint64_t needed =
        plaintext + (plaintext / tls_engine::most_in_record + 1) * tls_engine::record_overhead;
    std::size_t room = engine_.room_left();
    while (!flight_->own && room < needed && flight_->count < limits::tls_send_buffers &&
           pool.leased() * limits::tls_send_share < pool.capacity()) {
        std::byte* const more = pool.acquire();
        if (more == nullptr) break;
        flight_->rooms[flight_->count++] = {more, limits::buffer_bytes};
        room += limits::buffer_bytes;
    }
    engine_.lend_more_output(std::span(flight_->rooms).subspan(1, flight_->count - 1));
    return true;
}

/// What is in the room leaves with what follows, or soon. False if it is better sent at once.
bool tls_layer::hold_room() noexcept {
    const bool is_empty = engine_.room_left() == flight_->rooms[0].size();
    if (is_empty || flight_->own || flight_->count > 1 || engine_.has_output() ||
        engine_.room_left() < limits::buffer_bytes / 2)
        return false;
    sends_ = sending::held;
    loop_.arm(deadline_, saturating_add(loop_.now(), limits::tls_gather_time));
    return true;
}

void tls_layer::send_held() noexcept {
    if (closing_ == nullptr) loop_.disarm(deadline_);
    send_room(engine_.take_output(), sending::kept, false);
}

/// All of the flight's buffers but the first `kept`.
void tls_layer::drop_room(std::size_t kept) noexcept {
    if (flight_ == nullptr) return;
    while (flight_->count > std::max(kept, std::size_t{1}))
        loop_.buffers().release(flight_->rooms[--flight_->count].data());
    if (kept > 0) return;
    auto* const memory = reinterpret_cast<std::byte*>(flight_);
    if (std::exchange(flight_, nullptr)->own) {
        delete[] memory;
    } else {
        loop_.buffers().release(memory);
    }
}

std::size_t tls_layer::kept() noexcept {
    return (input_ != nullptr) + (flight_ != nullptr && !flight_->own ? flight_->count : 0);
}

void tls_layer::send_room(std::size_t bytes, sending what, bool more) noexcept {
    sends_ = what;
    std::uint32_t used = 0;
    for (std::size_t left = bytes; left > 0; ++used) {
        const mutable_bytes room = flight_->rooms[used];
        flight_->slices[used] = slice(room.data(), std::min(left, room.size()));
        left -= flight_->slices[used].size;
    }
    drop_room(std::max(used, 1u));
    flight_->bytes = bytes;
    send_.kind = operation_kind::send;
    send_.target = beneath();
    send_.slices = flight_->slices.data();
    send_.count = used;
    send_.progress = 0;
    send_.flags = more ? operation_flags::more : 0;
    loop_.submit(send_);
}

/// Sends what the engine has kept; false if there is no memory for that.
bool tls_layer::flush_kept() noexcept {
    if (!lend_room(0)) {
        broken_ = outcome::from_errno(ENOMEM);
        return false;
    }
    send_room(engine_.take_output(), sending::kept, false);
    return true;
}

void tls_layer::finish_write(std::int64_t result) noexcept { loop_.finish(*writes_.pop(), result); }

void tls_layer::advance_writes() noexcept {
    while (send_.idle() && !is_away_) {
        operation* const op = writes_.front();
        if (sends_ == sending::held) {
            const bool follows =
                op != nullptr && (op->kind == operation_kind::send || op->kind == operation_kind::send_file);
            const bool ends = engine_.has_output() || engine_.ended() || phase_ != phase::open ||
                              (op != nullptr && (!follows || op->state == operation_state::canceling));
            if (ends) return send_held();
            if (op == nullptr) return;
        } else if (engine_.has_output() && broken_ == 0 && flush_kept()) {
            return;
        }
        if (fin_waits_ && broken_ == 0) {
            fin_waits_ = false;
            (void)loop_.shutdown_send(beneath());
        }
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

/// Plaintext for the next record.
std::size_t tls_layer::record_now() const noexcept {
    return early_ < limits::tls_early_bytes ? limits::tls_early_record : tls_engine::most_in_record;
}

void tls_layer::make_records(operation& op) noexcept {
    const instant now = loop_.now();
    if (now - std::exchange(sent_at_, now) > limits::tls_silence) early_ = 0;
    while (engine_.room_left() >= tls_engine::smallest_room) {
        const std::size_t room = engine_.room_left();
        const std::size_t overhead = (room / tls_engine::most_in_record + 1) * tls_engine::record_overhead;
        const std::size_t of_file =
            early_ < limits::tls_early_bytes
                ? std::min(room - tls_engine::record_overhead, limits::tls_early_bytes - early_)
                : room - std::min(overhead, room / 2);
        bytes_view next = next_of(op, loop_.backend(), of_file, record_now(), refused_);
        if (next.empty()) return;
        while (!next.empty() && engine_.room_left() >= tls_engine::smallest_room) {
            const result<std::size_t> taken = engine_.write(next.first(std::min(next.size(), record_now())));
            drop_input();  // a message of TLS's own that had come in part
            if (!taken) fail_with(taken.error());
            if (!taken || *taken == 0) return;
            use_up(op, *taken);
            taken_ += *taken;
            early_ = std::min(early_ + *taken, limits::tls_early_bytes);
            next = next.subspan(*taken);
        }
    }
}

/// Makes records of as much of it as a few buffers have room for. False when something is under way, or
/// waited for; true when the operation has ended.
bool tls_layer::encipher(operation& op) noexcept {
    if (!lend_room(left_of(op))) {
        finish_write(outcome::from_errno(ENOMEM));
        return true;
    }
    taken_ = 0;
    refused_ = 0;
    make_records(op);
    const bool whole = left_of(op) == 0;
    if (whole && (op.flags & operation_flags::more) != 0 && refused_ == 0 && phase_ == phase::open &&
        hold_room()) {
        op.progress += taken_;
        finish_write(static_cast<std::int64_t>(op.progress));
        return true;
    }
    const std::size_t made = engine_.take_output();
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

void tls_layer::show_progress() noexcept {
    if (sends_ != sending::operation || writes_.empty()) return;
    const auto gone = static_cast<std::size_t>(std::min<std::uint64_t>(send_.progress, flight_->bytes));
    const std::size_t plaintext = taken_ * gone / flight_->bytes;
    writes_.front()->progress += plaintext - flight_->shown;
    flight_->shown = plaintext;
}

void tls_layer::on_sent() noexcept {
    const sending what = std::exchange(sends_, sending::idle);
    if (what == sending::operation) taken_ -= flight_->shown;
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
