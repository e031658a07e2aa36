#include <naru/loop/held_input.hpp>

#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <utility>

namespace naru {

namespace {

constexpr bool reads(operation_kind kind) noexcept {
    return kind == operation_kind::recv || kind == operation_kind::recv_into ||
           kind == operation_kind::readable || kind == operation_kind::accept;
}

constexpr bool fits(operation_kind kind, const received_ahead& ahead) noexcept {
    return (kind == operation_kind::accept) == !ahead.connections.empty();
}

}  // namespace

bool held_input::used_up(const entry& of) noexcept {
    return of.taken == of.ahead.bytes.size() + of.ahead.connections.size() && of.ahead.ended == 0;
}

void held_input::take(operation& op, backend& from, operation_queue& batch, operation_queue& done) noexcept {
    const bool canceled = op.state == operation_state::canceling;  // before its turn in a chain
    if (op.kind == operation_kind::buffer) {
        if (canceled) return complete(op, outcome::canceled, done);
        op.state = operation_state::pending;
        waiting_.push(op);
        serve(from, batch, done);
        return;
    }
    const auto found = entries_.find(op.target);
    if (found == entries_.end()) {
        batch.push(op);
        return;
    }
    entry& of = found->second;
    if (op.kind == operation_kind::close || op.kind == operation_kind::release) {
        end_waiting(op.target, of, done);
        leave(op, of);
        entries_.erase(found);
        batch.push(op);
        return;
    }
    if (!reads(op.kind) || !fits(op.kind, of.ahead)) {
        batch.push(op);
        return;
    }
    if (canceled) return complete(op, outcome::canceled, done);
    const outcome_of tried = of.waiting > 0 ? outcome_of::must_wait : try_now(op, of, from, done);
    if (tried == outcome_of::must_wait) {
        op.state = operation_state::pending;
        waiting_.push(op);
        ++of.waiting;
    } else if (tried == outcome_of::not_ours) {
        batch.push(op);
    }
    if (of.waiting == 0 && used_up(of)) entries_.erase(found);
}

held_input::outcome_of held_input::try_now(operation& op, entry& of, backend& from,
                                           operation_queue& done) noexcept {
    if (used_up(of)) return outcome_of::not_ours;
    if (refusal_of(
            op, op.kind == operation_kind::accept ? descriptor_kind::listener : descriptor_kind::stream) < 0)
        return outcome_of::not_ours;  // the backend says so
    if (op.kind == operation_kind::readable) {
        complete(op, 0, done);
        return outcome_of::served;
    }
    if (op.kind == operation_kind::accept) {
        int& next = of.ahead.connections[of.taken++];
        const auto made = from.attach(std::exchange(next, -1), descriptor_kind::stream, ownership::own);
        complete(op, made ? made->pack() : outcome::from(made.error()), done);
        return outcome_of::served;
    }
    const bytes_view left = bytes_view(of.ahead.bytes).subspan(of.taken);
    if (left.empty()) {
        complete(op, of.ahead.ended, done);
        return outcome_of::served;
    }
    mutable_slice one;
    if (op.kind == operation_kind::recv) {
        std::byte* const buffer = from.buffers().acquire();
        if (buffer == nullptr) return outcome_of::must_wait;
        op.data = buffer;
        one = mutable_slice(buffer, limits::buffer_bytes);
    }
    const std::size_t copied =
        scatter(left, op.kind == operation_kind::recv ? std::span(&one, 1) : pieces_of(op, one));
    of.taken += copied;
    complete(op, static_cast<std::int64_t>(copied), done);
    return outcome_of::served;
}

// In order: who waits behind another of the same handle has its turn after it.
void held_input::serve(backend& from, operation_queue& batch, operation_queue& done) noexcept {
    while (operation* const op = waiting_.front()) {
        if (op->kind == operation_kind::buffer) {
            std::byte* const buffer = from.buffers().acquire();
            if (buffer == nullptr) return;
            waiting_.pop();
            op->data = buffer;
            complete(*op, limits::buffer_bytes, done);
            continue;
        }
        const auto found = entries_.find(op->target);
        entry& of = found->second;
        if (op->kind == operation_kind::recv && of.taken < of.ahead.bytes.size() &&
            !from.buffers().available())
            return;
        waiting_.pop();
        if (try_now(*op, of, from, done) == outcome_of::not_ours) {
            op->state = operation_state::queued;
            batch.push(*op);
        }
        if (--of.waiting == 0 && used_up(of)) entries_.erase(found);
    }
}

bool held_input::cancel(operation& op, operation_queue& done) noexcept {
    if (waiting_.empty() || !waiting_.remove(op)) return false;
    if (op.kind != operation_kind::buffer) {
        const auto found = entries_.find(op.target);
        --found->second.waiting;
    }
    complete(op, outcome::canceled, done);
    return true;
}

bool held_input::holds_up(const operation& op) const noexcept {
    for (const operation* each = waiting_.front(); each != nullptr; each = each->next) {
        if (each == &op) return true;
    }
    return false;
}

void held_input::end_waiting(handle on, entry& of, operation_queue& done) noexcept {
    operation_queue others;
    while (operation* const op = waiting_.pop()) {
        if (op->kind == operation_kind::buffer || op->target != on) {
            others.push(*op);
        } else {
            complete(*op, outcome::canceled, done);
        }
    }
    waiting_ = std::move(others);
    of.waiting = 0;
}

// What is left goes with the handle, before what the backend adds.
void held_input::leave(operation& op, entry& of) noexcept {
    if (op.kind != operation_kind::release || op.ahead == nullptr) return;
    const auto taken = static_cast<std::ptrdiff_t>(of.taken);
    received_ahead& left = of.ahead;
    if (left.connections.empty()) {
        left.bytes.erase(left.bytes.begin(), left.bytes.begin() + taken);
    } else {
        left.connections.erase(left.connections.begin(), left.connections.begin() + taken);
    }
    *op.ahead = std::move(left);
}

}  // namespace naru
