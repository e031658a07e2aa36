// Reading: accepts and receives are armed once and report many times. What comes before it is asked for is
// kept, up to a limit; past it the kernel is told to stop, and the peer feels it.
#include <naru/backend/attempt.hpp>
#include <naru/backend/connection_failure.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/core/check.hpp>
#include <naru/core/push.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

#include <poll.h>
#include <sys/socket.h>

namespace naru {

// Serves waiting reads, in order, from what has been kept; then sees to it that more comes.
void uring_backend::serve_reads(std::uint32_t slot, record& of, operation_queue& done) noexcept {
    while (operation* op = of.reads.front()) {
        if (uring::place_of(*op) != uring::place::waiting) return;
        std::int64_t result = 0;
        if (!serve_read(slot, of, *op, result)) return;
        of.reads.pop();
        complete(*op, result, done);
    }
}

// True if the operation has ended here.
bool uring_backend::serve_read(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept {
    if (of.kind == descriptor_kind::socket) {
        if (!is_connecting(of.writes)) put_unconnected(of, op);
        return false;
    }
    if (of.kept > 0) {
        take_kept(of, op, result);
        return true;
    }
    if (of.ended < 0) {
        result = op.kind == operation_kind::readable ? 0 : of.ended;
        // An accept that failed (EMFILE) may be tried again, and so may what there was no memory for; a
        // stream that ended stays ended.
        if (of.kind == descriptor_kind::listener || of.ended == -ENOMEM) of.ended = 0;
        return true;
    }
    if (op.state == operation_state::canceling) {  // an accept that has waited for the end of what was armed
        result = outcome::canceled;
        return !of.armed();
    }
    if (op.kind == operation_kind::readable && of.armed()) {
        // Whoever asks for readiness reads by himself: nothing may be received ahead of him any more.
        if (!of.stopping()) disarm(slot, of);
    } else if (op.kind == operation_kind::readable) {
        io_uring_sqe& submission = entry_for(op, of, IORING_OP_POLL_ADD);
        submission.poll32_events = POLLIN | POLLRDHUP;
    } else if (op.kind == operation_kind::recv_into && !of.armed() &&
               (op.flags & operation_flags::scatter) == 0) {  // which is served from a buffer
        const bool pipe = of.kind == descriptor_kind::pipe;
        io_uring_sqe& submission = entry_for(op, of, pipe ? IORING_OP_READ : IORING_OP_RECV);
        if (pipe) submission.off = static_cast<std::uint64_t>(-1);
        submission.addr = reinterpret_cast<std::uint64_t>(op.data);
        submission.len = static_cast<std::uint32_t>(std::min<std::size_t>(op.count, limits::bytes_per_call));
    } else if (op.kind == operation_kind::receive_from) {
        put_receive_from(of, static_cast<receive_from_operation&>(op));
    } else if (of.kind == descriptor_kind::listener && !of.armed() && direct_now_ && table_is_full()) {
        // Not left to the kernel: it would accept, find no place, and drop the connection.
        result = outcome::from(errc::direct_descriptor_limit);
        return true;
    } else if (!of.armed() && !of.starved()) {
        arm(slot, of);
    }
    return false;
}

void uring_backend::arm(std::uint32_t slot, record& of) noexcept {
    const bool poll = of.standing() == standing::poll_due;
    of.to(poll ? standing::polling : standing::active);
    io_uring_sqe& submission = entry();
    submission.fd = of.descriptor;
    if (of.direct) submission.flags = IOSQE_FIXED_FILE;
    submission.user_data = armed_word(slot, of);
    if (poll) {
        submission.opcode = IORING_OP_POLL_ADD;
        submission.poll32_events = POLLIN | POLLRDHUP;
        return;
    }
    if (of.kind == descriptor_kind::listener) {
        submission.opcode = IORING_OP_ACCEPT;
        of.take_shape(direct_now_ ? shape::direct : shape::plain);
        if (direct_now_) {
            submission.file_index = IORING_FILE_INDEX_ALLOC;
            submission.accept_flags = SOCK_NONBLOCK;
        } else {
            submission.accept_flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
        }
        const operation* const first = of.reads.front();
        const bool more = first != nullptr && (first->flags & operation_flags::more) != 0;
        const bool one = !more || !options_.multishot_accept || (direct_now_ && table_is_nearly_full());
        if (!one) submission.ioprio = IORING_ACCEPT_MULTISHOT;
        return;
    }
    submission.flags |= IOSQE_BUFFER_SELECT;
    submission.buf_group = uring_buffers::group;
    if (of.kind == descriptor_kind::pipe) {
        submission.opcode = IORING_OP_READ;
        submission.off = static_cast<std::uint64_t>(-1);
        submission.len = limits::buffer_bytes;
        return;
    }
    submission.opcode = IORING_OP_RECV;
    const unsigned ahead = receives_ahead();
    const bool bundle =
        options_.bundles && (of.pace() == pace::bulk || options_.bundles_from_the_start) && ahead > 1;
    of.take_shape(bundle ? shape::bundle : shape::plain);
    if (bundle) {
        // Once only and with a length: a multishot bundle takes as many buffers as the socket has bytes for,
        // and a few peers whose owners do not read would empty the pool.
        submission.ioprio = uring_abi::receive_bundle;
        submission.len = ahead * limits::buffer_bytes;
    } else if (options_.multishot_recv && of.pace() != pace::first && ahead > 0) {
        // The first receive of a connection is for its first data only: one that ends after a single answer
        // then has nothing armed that would have to be cancelled.
        submission.ioprio = IORING_RECV_MULTISHOT;
    }
    if (of.pace() == pace::first) of.to(pace::small);
}

// Descriptors are non-blocking here as everywhere, so that who reads by itself after `readable` is told
// EAGAIN and not held up; a receive or accept of the ring waits all the same (io_uring/net.c, since 5.19:
// only what a worker thread of the kernel has to do is refused with EAGAIN). Then a poll waits in its place.
void uring_backend::wait_by_poll(std::uint32_t slot, record& of) noexcept {
    of.to(standing::poll_due);
    arm(slot, of);
}

void uring_backend::disarm(std::uint32_t slot, record& of) noexcept {
    of.to(of.polls() ? standing::stopping_poll : standing::stopping);
    io_uring_sqe& submission = entry();
    submission.opcode = IORING_OP_ASYNC_CANCEL;
    submission.flags = IOSQE_CQE_SKIP_SUCCESS;
    submission.addr = armed_word(slot, of);
    submission.user_data = word(tag::ignored, 0);
}

// A completion of the armed accept or receive of a handle. The kernel ends a multishot when it sees fit (an
// error, a full completion queue, a cancel: axboe/liburing#805): what is waiting arms it again.
void uring_backend::on_armed(std::uint32_t slot, record& of, const io_uring_cqe& completion,
                             operation_queue& done) noexcept {
    const bool accepts = of.kind == descriptor_kind::listener;
    const bool polled = of.polls();
    if ((completion.flags & IORING_CQE_F_MORE) == 0) of.to(standing::none);
    if (polled) {
        // Worth a try now.
    } else if (accepts) {
        on_accepted(slot, of, completion.res);
    } else {
        on_received(slot, of, completion);
    }
    if (of.closing()) {
        finish_close_if_quiet(slot, of, done);
        return;
    }
    const operation* const first = of.reads.front();
    if (accepts && !of.armed() && first != nullptr && first->state == operation_state::canceling) {
        const bool more = (first->flags & operation_flags::more) != 0;
        while (of.kept < (more ? limits::accepts_at_stop : 1) && accept_now(slot, of)) {
        }
    }
    serve_reads(slot, of, done);
    if (!of.armed() || of.stopping()) return;
    const unsigned ahead = accepts ? limits::accepts_ahead : receives_ahead();
    // A pipe's reads are never bundles: stopped for one, they would be armed and stopped for ever.
    const bool bundles_are_due = options_.bundles && of.kind != descriptor_kind::pipe &&
                                 of.pace() == pace::bulk && of.shape() != shape::bundle && ahead > 1;
    if ((of.reads.empty() && of.kept >= ahead) || bundles_are_due) disarm(slot, of);
}

// Of a receive into lent memory: true if it has ended, with `result`.
bool uring_backend::on_received_into(std::uint32_t slot, record& of, operation& op, std::int64_t& result,
                                     operation_queue& done) noexcept {
    if (result == 0 && op.count > 0) of.end(result = end_of(of.failed));
    if (tells_failure(op, result)) of.end(result);
    if (result != -EAGAIN && result != -EINTR) return true;
    if (op.state == operation_state::canceling || of.closing()) {
        result = outcome::canceled;
        return true;
    }
    if (result == -EAGAIN) {
        wait_by_poll(slot, of);
    } else {
        serve_reads(slot, of, done);
    }
    return false;
}

void uring_backend::on_received(std::uint32_t slot, record& of, const io_uring_cqe& completion) noexcept {
    const bool has_buffer = (completion.flags & IORING_CQE_F_BUFFER) != 0;
    const std::uint32_t index = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    const int outcome = completion.res;
    if (outcome > 0) {
        const pace seen =
            static_cast<std::size_t>(outcome) >= limits::buffer_bytes ? pace::bulk : pace::small;
        if (seen != of.pace()) of.to(seen);
        // One buffer, or a bundle of those lent behind it.
        auto left = static_cast<std::uint32_t>(outcome);
        std::uint32_t each = index;
        while (true) {
            const auto size = std::min<std::uint32_t>(left, limits::buffer_bytes);
            lent_.taken(each);
            keep_buffer(of, each, size);
            left -= size;
            if (left == 0) return;
            each = lent_.oldest();
        }
    }
    if (has_buffer) {
        lent_.taken(index);
        lent_.lend(index);
    }
    if (outcome == 0) {
        of.end(end_of(of.failed));
    } else if (outcome == -ENOBUFS) {
        if (!of.armed()) starve(slot, of);
    } else if (outcome == -EAGAIN) {
        if (!of.armed()) of.to(standing::poll_due);
    } else if (outcome != -ECANCELED && outcome != -EINTR) {
        of.end(outcome);
    }
}

// ---------------------------------------------------------------------------------------- kept ahead

// What is kept for owners who do not read must leave buffers for those who do, and for what else is made of
// the pool's: the more of it is out, the less is kept for each.
unsigned uring_backend::receives_ahead() const noexcept {
    if (pool_is_short_) return 0;
    return buffers_.leased() - lent_.lent() < buffers_.capacity() / 2 ? limits::buffers_ahead : 1;
}

// From three quarters of the pool on, or with a quarter of it kept for owners who do not read, only those who
// ask receive, until half of it is back: what was armed before for nobody is stopped, because each might
// still take a buffer.
void uring_backend::watch_pool() noexcept {
    const std::size_t out = buffers_.leased() - lent_.lent();
    const std::size_t capacity = buffers_.capacity();
    if (pool_is_short_) {
        pool_is_short_ = out >= capacity / 2 || kept_ahead_ >= capacity / 8;
        return;
    }
    pool_is_short_ = out >= capacity - capacity / 4 || kept_ahead_ >= capacity / 4;
    if (!pool_is_short_) return;
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& of = records_.at(slot);
        const bool receives = of.armed() && of.kind != descriptor_kind::listener && !of.polls();
        if (receives && !of.stopping() && of.reads.empty()) disarm(slot, of);
    }
}

void uring_backend::keep(record& of, std::uint32_t newest) noexcept {
    std::uint32_t& oldest = behind(of, newest);
    oldest = newest;
    if (of.kept > 0) std::swap(oldest, behind(of, of.kept_last));
    of.kept_last = newest;
    ++of.kept;
}

std::uint32_t uring_backend::drop_oldest(record& of) noexcept {
    const std::uint32_t oldest = oldest_kept(of);
    behind(of, of.kept_last) = behind(of, oldest);
    --of.kept;
    return oldest;
}

void uring_backend::keep_buffer(record& of, std::uint32_t index, std::uint32_t size) noexcept {
    received& piece = received_[index];
    piece.offset = 0;
    piece.size = static_cast<std::uint16_t>(size);
    keep(of, index);
    ++kept_ahead_;
}

std::size_t uring_backend::kept_for(handle of) noexcept {
    const record* const found = records_.find(of);
    return found != nullptr && found->kind != descriptor_kind::listener ? found->kept : 0;
}

void uring_backend::take_kept(record& of, operation& op, std::int64_t& result) noexcept {
    if (op.kind == operation_kind::readable) {
        result = 0;
        return;
    }
    if (of.kind == descriptor_kind::listener) {
        handle made;
        made.slot = drop_oldest(of);
        made.generation = records_.at(made.slot).generation;
        result = made.pack();
        return;
    }
    const std::uint32_t first = oldest_kept(of);
    received& piece = received_[first];
    std::byte* data = buffers_.at(first) + piece.offset;
    if (op.kind == operation_kind::recv_into) {
        mutable_slice one;
        const std::size_t copied = scatter({data, piece.size}, pieces_of(op, one));
        result = static_cast<std::int64_t>(copied);
        if (copied < piece.size) {
            piece.offset = static_cast<std::uint16_t>(piece.offset + copied);
            piece.size = static_cast<std::uint16_t>(piece.size - copied);
            return;
        }
    }
    drop_oldest(of);
    --kept_ahead_;
    result = piece.size;
    if (op.kind == operation_kind::recv_into) {
        buffers_.release(data);
    } else {
        op.data = data;
    }
}

void uring_backend::drop_kept(record& of) noexcept {
    while (of.kept > 0) {
        const std::uint32_t first = drop_oldest(of);
        if (of.kind == descriptor_kind::listener) {
            record& accepted = records_.at(first);
            if (accepted.direct) {
                close_direct(accepted.descriptor);
                leave_place(accepted.kind, accepted.descriptor);
            } else {
                system_calls::close(accepted.descriptor);
            }
            accepted.descriptor = -1;
            records_.release(first);
        } else {
            --kept_ahead_;
            buffers_.release(buffers_.at(first));
        }
    }
}

// ---------------------------------------------------------------------------------------- out of buffers

// The kernel has none left: more are lent if the pool has any; otherwise the handle waits until some come
// back. Arming it again at once would be answered with ENOBUFS at once (axboe/liburing#1275).
void uring_backend::starve(std::uint32_t slot, record& of) noexcept {
    of.to(standing::starved);
    ++refused_;
    handle name;
    name.slot = slot;
    name.generation = of.generation;
    push_or_end(starved_, name);
}

void uring_backend::resume_starved(operation_queue& done) noexcept {
    // Buffers that come back in time for the next burst, but not for this one, are too few as well: each
    // refusal costs a receive that is armed anew (64 connections on 64 buffers: half of all receives).
    const bool often = refused_ >= lent_.target() && !pool_is_short_;
    if ((often || lent_.lent() < starved_.size()) && lent_.grow()) refused_ = 0;
    // No more are armed than there are buffers: each would only be told ENOBUFS again. Whose owner does not
    // read is not armed at all.
    std::size_t room = lent_.lent();
    resumed_.swap(starved_);
    for (const handle each : resumed_) {
        record* of = records_.find(each);
        if (of == nullptr || of->closing() || !of->starved()) continue;
        if (!of->reads.empty()) {
            if (room == 0) {
                push_or_end(starved_, each);
                continue;
            }
            --room;
        }
        of->to(standing::none);
        serve_reads(each.slot, *of, done);
    }
    resumed_.clear();
}

}  // namespace naru
