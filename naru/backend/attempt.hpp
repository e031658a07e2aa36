// What the engines share that try a call when its turn has come (readiness, iocp; of it what io_uring needs):
// the queues of a handle, what can be said of an operation beforehand, and one call's part of it.
#pragma once

#include <naru/loop/backend.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <span>
#include <vector>

namespace naru {

/// How a try has ended. `blocked`: its time will come. `paused`: it goes on in the next tick, after others.
enum class attempt : std::uint8_t { finished, blocked, paused };

// ------------------------------------------------------------------------------------------- queues

/// A connect is under way, or its turn is next.
inline bool is_connecting(const intrusive_chain<operation>& writes) noexcept {
    const operation* const first = writes.front();
    return first != nullptr && first->kind == operation_kind::connect;
}

/// What a release ends with: a file that was never opened has nothing to hand over.
constexpr std::int64_t released(int descriptor) noexcept {
    return descriptor >= 0 ? descriptor : outcome::from_errno(EBADF);
}

inline void end_all(intrusive_chain<operation>& waiting, std::int64_t result,
                    operation_queue& done) noexcept {
    while (operation* const op = waiting.pop())
        complete(*op, result, done);
}

/// What waits on a handle, in order.
struct waiting_operations {
    intrusive_chain<operation> reads;
    intrusive_chain<operation> writes;

    intrusive_chain<operation>& waiting(direction way) noexcept {
        return way == direction::read ? reads : writes;
    }

    /// Ends one that waits as canceled. True if the next in its direction has its turn now.
    bool cancel_waiting(operation& op, operation_queue& done) noexcept {
        intrusive_chain<operation>& queue = waiting(direction_of(op.kind));
        const bool was_first = queue.front() == &op;
        if (!queue.remove(op)) return false;
        complete(op, outcome::canceled, done);
        return was_first;
    }
};

/// The slots in `starved` whose receives found no pool buffer: `advance` gives each its turn. `scratch` is
/// empty before and after.
template <class Records, class Advance>
void serve_starved(std::vector<std::uint32_t>& starved, std::vector<std::uint32_t>& scratch, Records& records,
                   Advance advance) noexcept {
    scratch.swap(starved);
    for (const std::uint32_t slot : scratch) {
        auto& of = records.at(slot);
        if constexpr (requires { of.in_starved; }) of.in_starved = false;
        if (!of.starved) continue;
        of.starved = false;
        advance(slot);
    }
    scratch.clear();
}

/// A submission is the backend's from here on. True if it has ended: its handle is gone (no `of`), or it is
/// none of that kind's.
inline bool is_refused(operation& op, const descriptor_kind* of, operation_queue& done) noexcept {
    op.state = operation_state::pending;
    op.backend_bits = 0;
    const std::int64_t refusal = of == nullptr ? outcome::from_errno(EBADF) : refusal_of(op, *of);
    if (refusal < 0) complete(op, refusal, done);
    return refusal < 0;
}

// ------------------------------------------------------------------------------------------- one call
// Inline in their one caller of each engine: they are each request's receive and send.

struct receive_call {
    std::int64_t result = 0;
    bool starved = false;   ///< no call: a `recv`, and the pool has no buffer
    bool is_short = false;  ///< there was room for more
};

/// A receive into lent memory, or into a buffer of the pool that is then the operation's.
[[gnu::always_inline]] inline receive_call receive_once(int descriptor, descriptor_kind kind, operation& op,
                                                        buffer_pool& buffers) noexcept {
    receive_call call;
    const bool leases = op.kind == operation_kind::recv;
    mutable_bytes into;
    if (leases) {
        std::byte* const leased = buffers.acquire();
        if (leased == nullptr) {
            call.starved = true;
            return call;
        }
        into = mutable_bytes(leased, limits::buffer_bytes);
    }
    mutable_slice one(into);
    const std::span<mutable_slice> pieces = leases ? std::span(&one, 1) : pieces_of(op, one);
    call.result = kind == descriptor_kind::pipe ? system_calls::read(descriptor, pieces)
                                                : system_calls::recv(descriptor, pieces);
    call.is_short = call.result < 0 || static_cast<std::uint64_t>(call.result) < total_size(pieces);
    if (!leases) return call;
    if (call.result > 0) {
        op.data = into.data();
    } else {
        buffers.release(into.data());
    }
    return call;
}

/// The slices that are not out yet, from the first that has something.
inline std::span<slice> unsent(operation& op) noexcept {
    std::span<slice> left(op.slices, op.count);
    while (!left.empty() && left.front().size == 0)
        left = left.subspan(1);
    return left;
}

struct send_call {
    std::int64_t result = 0;  ///< the call's, or if it has ended, the operation's
    std::uint64_t sent = 0;
    bool ended = false;
    bool in_one = false;    ///< one call took all slices
    bool is_short = false;  ///< and not all of what it was asked to send
};

/// One call's part of a send: its slices and its progress move on.
[[gnu::always_inline]] inline send_call send_once(int descriptor, descriptor_kind kind,
                                                  operation& op) noexcept {
    send_call call;
    const std::span<slice> left = unsent(op);
    const std::uint64_t wanted = total_size(left);
    const bool more = (op.flags & operation_flags::more) != 0;
    call.result = wanted == 0                     ? 0
                  : kind == descriptor_kind::pipe ? system_calls::write(descriptor, left)
                                                  : system_calls::send(descriptor, left, more);
    if (call.result < 0) {
        call.ended = call.result != system_calls::would_block;
        return call;
    }
    call.sent = static_cast<std::uint64_t>(call.result);
    op.progress += call.sent;
    advance(left, call.sent);
    call.ended = call.sent == wanted || (op.flags & operation_flags::some) != 0;
    if (call.ended) call.result = static_cast<std::int64_t>(op.progress);
    call.in_one = left.size() <= limits::slices_per_send;
    call.is_short = call.in_one && call.sent < std::min<std::uint64_t>(wanted, limits::bytes_per_call);
    return call;
}

/// As much of a file as a turn of `turn` bytes is for; none of it is `paused`. `blocked`: no room.
inline attempt send_file_turn(int socket, send_file_operation& op, std::uint64_t turn, std::int64_t& result,
                              decltype(system_calls::send_file)& send = system_calls::send_file) noexcept {
    while (op.remaining > 0) {
        if (turn == 0) return attempt::paused;
        result = send(socket, op.file.get(), op.offset, std::min(op.remaining, turn));
        if (result == system_calls::would_block) return attempt::blocked;
        if (result < 0) return attempt::finished;
        op.advance(static_cast<std::uint64_t>(result));
        turn -= static_cast<std::uint64_t>(result);
    }
    result = static_cast<std::int64_t>(op.progress);
    return attempt::finished;
}

/// A connect that has succeeded, but with nobody else: ECONNREFUSED, and the socket is free again.
inline std::int64_t refuse_itself(int socket, const operation& op) noexcept {
    if (!system_calls::is_connected_to_itself(socket, op.address, op.count)) return 0;
    system_calls::disconnect(socket);
    return outcome::from_errno(ECONNREFUSED);
}

}  // namespace naru
