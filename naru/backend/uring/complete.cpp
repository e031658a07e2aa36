// The way out: the wait, and which completion goes where.
#include <naru/backend/connection_failure.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/core/check.hpp>
#include <naru/os/wake_descriptor.hpp>

#include <cerrno>

namespace naru {

void uring_backend::wait(instant until, operation_queue& done) noexcept {
    if (!started_) start_ring();
    resume_paused(done);
    watch_pool();
    if (!starved_.empty()) resume_starved(done);
    lent_.publish();
    const bool busy = !done.empty() || !paused_.empty() || !set_aside_.empty();
    // The wait may end early (a signal, a short queue): the loop looks at its timers and comes back.
    (void)enter(true, !busy && until > clock::now(), until);
    while (true) {
        // Handling one may set others aside: they are older than what is in the queue.
        for (std::size_t index = 0; index < set_aside_.size(); ++index) {
            const io_uring_cqe completion = set_aside_[index];
            handle_completion(completion, done);
        }
        set_aside_.clear();
        const io_uring_cqe* next = ring_.peek();
        if (next == nullptr) return;
        const io_uring_cqe completion = *next;
        ring_.consume();
        handle_completion(completion, done);
    }
}

void uring_backend::handle_completion(const io_uring_cqe& completion, operation_queue& done) noexcept {
    switch (static_cast<tag>(completion.user_data & 7)) {
        case tag::operation:
            on_operation(*reinterpret_cast<operation*>(completion.user_data), completion, done);
            return;
        case tag::armed: {
            const auto slot = static_cast<std::uint32_t>(completion.user_data) >> 3;
            record& of = records_.at(slot);
            // A slot is not released while something is armed in it, so the generation always fits.
            NARU_ASSERT(of.generation == static_cast<std::uint32_t>(completion.user_data >> 32));
            on_armed(slot, of, completion, done);
            return;
        }
        case tag::wake:
            if (completion.user_data != word(tag::wake, 0)) return;  // a message: nothing to drain
            drain_wake_descriptor(wake_descriptor_);
            if ((completion.flags & IORING_CQE_F_MORE) == 0) arm_wake();
            return;
        case tag::chain_cancel: {
            handle of;
            of.slot = static_cast<std::uint32_t>(completion.user_data) >> 3;
            of.generation = static_cast<std::uint32_t>(completion.user_data >> 32);
            on_chain_cancel(of, completion.res);
            return;
        }
        case tag::ignored:
        case tag::command:
            return;
    }
}

// The completion of an operation that was itself in the kernel.
void uring_backend::on_operation(operation& op, const io_uring_cqe& completion,
                                 operation_queue& done) noexcept {
    const std::uint32_t slot = op.target.slot;
    record& of = records_.at(slot);
    std::int64_t result = completion.res;
    const uring::place was = uring::place_of(op);
    if (was == uring::place::chained) {
        on_chained(op, completion.res, done);
        return;
    }
    if ((completion.flags & IORING_CQE_F_NOTIF) != 0) {  // of a zero-copy send: its memory is free
        left_kernel(of);
        op.backend_bits -= uring::one_counted;
        if (was == uring::place::owed && uring::counted_of(op) == 0) finish(slot, of, op, op.result, done);
        return;
    }
    uring::to(op, uring::place::waiting);
    if ((completion.flags & IORING_CQE_F_MORE) != 0) {
        op.backend_bits += uring::one_counted;  // a notice of it is still to come
    } else {
        left_kernel(of);
    }
    if (was == uring::place::polling && result > 0) result = -EINTR;  // no count of bytes: try again
    if (was == uring::place::unconnected) {
        on_unconnected(slot, of, op, done);
        return;
    }
    switch (op.kind) {
        case operation_kind::close:
            finish_close_if_quiet(slot, of, done);
            return;
        case operation_kind::send:
            if (!on_sent(of, op, result)) return;
            if (uring::counted_of(op) == 0) break;
            uring::to(op, uring::place::owed);  // the memory is lent until the last notification
            op.result = result;
            if (tells_failure(op, result)) of.failed = true;
            return;
        case operation_kind::send_file:
            if (!on_file_sent(of, static_cast<send_file_operation&>(op), static_cast<int>(result), result))
                return;
            break;
        case operation_kind::recv_into:
            if (!on_received_into(slot, of, op, result, done)) return;
            break;
        case operation_kind::receive_from:
        case operation_kind::send_to:
            if (!on_datagram(of, op, result)) return;
            break;
        case operation_kind::connect:
            if (!on_connect(of, op, result)) return;
            break;
        case operation_kind::open_file:
        case operation_kind::read_file:
        case operation_kind::write_file:
        case operation_kind::sync_file:
            result = completion.res;
            if (on_file(of, op, result)) return;
            complete(op, result, done);
            if (of.closing()) finish_close_if_quiet(slot, of, done);
            return;
        default:
            if (result > 0) result = 0;  // poll's event mask
            break;
    }
    finish(slot, of, op, result, done);
}

void uring_backend::left_kernel(record& of) noexcept {
    if (--of.in_kernel == 0 && of.life() == life::late) of.to(life::open);
}

// An operation has ended: it leaves its queue, and the next one has its turn.
void uring_backend::finish(std::uint32_t slot, record& of, operation& op, std::int64_t result,
                           operation_queue& done) noexcept {
    if (of.closing()) {  // no longer in a queue
        // Who goes on with a released connection is to know.
        if (direction_of(op.kind) == direction::write && tells_failure(op, result)) of.failed = true;
        complete(op, result, done);
        finish_close_if_quiet(slot, of, done);
    } else if (of.reads.front() == &op) {
        of.reads.pop();
        complete(op, result, done);
        serve_reads(slot, of, done);
    } else {
        of.writes.pop();
        if (tells_failure(op, result)) of.failed = true;
        complete(op, result, done);
        start_write(of, done);
        if (op.kind == operation_kind::connect) serve_reads(slot, of, done);  // they have waited for it
    }
}

}  // namespace naru
