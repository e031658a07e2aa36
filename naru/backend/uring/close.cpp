// Ending: cancel one operation, or close a handle with all that is in flight on it.
#include <naru/backend/attempt.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/core/check.hpp>
#include <naru/os/system_calls.hpp>

#include <cerrno>
#include <new>
#include <utility>

#if defined(__SANITIZE_THREAD__)
#define NARU_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define NARU_THREAD_SANITIZER
#endif
#endif
#if defined(NARU_THREAD_SANITIZER)
extern "C" void __sanitizer_syscall_pre_impl_close(long descriptor);
#endif

namespace naru {

namespace {

// ThreadSanitizer follows descriptors from call to call. Of a close in the ring it is told, before the number
// is free: else whoever gets that next, on another thread, seems to use what was closed.
void is_being_closed([[maybe_unused]] int descriptor) noexcept {
#if defined(NARU_THREAD_SANITIZER)
    __sanitizer_syscall_pre_impl_close(descriptor);
#endif
}

}  // namespace

// A cancel says nothing of its own: what it ends completes.
io_uring_sqe& uring_backend::put_cancel(const operation& op) noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = IORING_OP_ASYNC_CANCEL;
    submission.flags = IOSQE_CQE_SKIP_SUCCESS;
    submission.addr = operation_word(op);
    submission.user_data = word(tag::ignored, 0);
    return submission;
}

io_uring_sqe& uring_backend::put_cancel_all(const record& of) noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = IORING_OP_ASYNC_CANCEL;
    submission.flags = IOSQE_CQE_SKIP_SUCCESS;
    submission.fd = of.descriptor;
    submission.cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
    if (of.direct) submission.cancel_flags |= IORING_ASYNC_CANCEL_FD_FIXED;
    submission.user_data = word(tag::ignored, 0);
    return submission;
}

void uring_backend::cancel(operation& op, operation_queue& done) noexcept {
    record* of = records_.find(op.target);
    NARU_ASSERT(of != nullptr);
    if (op.kind == operation_kind::close || op.kind == operation_kind::release) return;
    if (uring::place_of(op) == uring::place::chained && op.kind == operation_kind::send) {
        put_chain_cancel(op.target.slot, *of);
        return;
    }
    if (uring::place_of(op) != uring::place::waiting) {
        put_cancel(op);
        return;
    }
    if (direction_of(op.kind) == direction::read) {
        if (!of->reads.remove(op)) return;
        if (op.kind == operation_kind::accept && of->armed() && of->reads.empty()) {
            await_armed(op.target.slot, *of, op);
            return;
        }
        complete(op, outcome::canceled, done);
        serve_reads(op.target.slot, *of, done);
        return;
    }
    const bool begun = of->writes.front() == &op;  // a send_file between two turns
    if (!of->writes.remove(op)) return;
    if (begun && op.kind == operation_kind::send_file) end_send_file(static_cast<send_file_operation&>(op));
    complete(op, outcome::canceled, done);
    if (begun) start_write(*of, done);
}

// The last accept of a listener has been cancelled: it ends when nobody is accepted any more, or takes one
// who still was.
void uring_backend::await_armed(std::uint32_t slot, record& of, operation& op) noexcept {
    of.reads.push(op);
    if (!of.stopping()) disarm(slot, of);
}

// Stop, cancel, join, release: closing a descriptor that has a receive in the kernel would send no FIN
// (axboe/liburing#932), and its late completion would find the next owner of the number.
void uring_backend::begin_close(std::uint32_t slot, record& of, operation& op,
                                operation_queue& done) noexcept {
    bool late = of.life() == life::late;
    // Each by its name: to find what is on a descriptor the kernel looks at all that waits in the ring, with
    // 20,000 connections 0.7 ms for each close. Where the file is looked up later, that is the only way.
    intrusive_chain<operation> accepts;
    for (intrusive_chain<operation>* way : {&of.reads, &of.writes}) {
        while (operation* each = way->pop()) {
            if (each->kind == operation_kind::accept && of.armed()) {  // it may still get a connection
                each->state = operation_state::canceling;
                accepts.push(*each);
                continue;
            }
            if (uring::place_of(*each) != uring::place::waiting) {
                each->state = operation_state::canceling;  // its completion finds it by address
                const bool ends_by_itself = uring::place_of(*each) == uring::place::owed;
                if (!late && !ends_by_itself) put_cancel(*each);
                continue;
            }
            if (each->kind == operation_kind::send_file)
                end_send_file(static_cast<send_file_operation&>(*each));
            complete(*each, outcome::canceled, done);
        }
    }
    if (!accepts.empty()) late = true;  // the listener is to be asked once more
    of.reads = accepts;
    of.reads.push(op);
    of.to(late ? life::draining : life::finishing);
    if (!late || of.in_kernel == 0) {
        if (of.armed() && !of.stopping()) disarm(slot, of);
    } else if (of.kind == descriptor_kind::stream) {
        put_chain_cancel(slot, of);
    } else {
        put_cancel_all(of);
    }
    // In the same batch, behind the cancel: what is in flight holds the file open until it has ended, and the
    // slot stays taken until then, so the number may be given out again before. Not so where an operation
    // looks its file up, or opens it, when its turn comes: that close waits.
    const bool closes = op.kind == operation_kind::close && of.descriptor >= 0;
    if (closes && !late) {
        put_close(of, op);
    } else {
        finish_close_if_quiet(slot, of, done);
    }
}

void uring_backend::put_close(record& of, operation& op, uring::place as) noexcept {
    io_uring_sqe& submission = entry_for(op, of, IORING_OP_CLOSE, as);
    if (!of.direct) return is_being_closed(of.descriptor);
    submission.flags = 0;
    submission.fd = 0;
    submission.file_index = static_cast<std::uint32_t>(of.descriptor) + 1;
}

// What was received or accepted for nobody leaves with the handle. False without the memory for it.
bool uring_backend::hand_over_kept(record& of, received_ahead& to) noexcept try {
    if (of.kind == descriptor_kind::listener) {
        to.connections.reserve(to.connections.size() + of.kept);
        while (of.kept > 0) {
            const std::uint32_t first = drop_oldest(of);
            record& accepted = records_.at(first);
            int socket = std::exchange(accepted.descriptor, -1);
            if (accepted.direct) {
                const int place = socket;
                socket = install(place);
                close_direct(place);
                leave_place(accepted.kind, place);
            }
            records_.release(first);
            if (socket >= 0) to.connections.push_back(socket);
        }
        return true;
    }
    std::size_t bytes = 0;
    std::uint32_t each = of.kept_last;
    for (unsigned count = 0; count < of.kept; ++count)
        bytes += received_[each = received_[each].next].size;
    to.bytes.reserve(to.bytes.size() + bytes);
    for (unsigned count = 0; count < of.kept; ++count) {
        each = received_[each].next;
        const std::byte* const data = buffers_.at(each) + received_[each].offset;
        to.bytes.insert(to.bytes.end(), data, data + received_[each].size);
    }
    if (of.ended < 0 && of.ended != -ENOMEM) to.ended = of.ended;
    to.failed |= of.failed && of.ended == 0;
    return true;
} catch (const std::bad_alloc&) {
    return false;
}

// Something on a closing handle has ended: if it was the last, so does the close.
void uring_backend::finish_close_if_quiet(std::uint32_t slot, record& of, operation_queue& done) noexcept {
    if (of.in_kernel != 0 || of.armed()) return;
    while (of.reads.front()->kind == operation_kind::accept) {
        operation& accept = *of.reads.pop();
        std::int64_t result = outcome::canceled;
        if (of.kept > 0 || accept_now(slot, of)) take_kept(of, accept, result);
        complete(accept, result, done);
    }
    operation& op = *of.reads.front();
    if (of.life() == life::draining && op.kind == operation_kind::close && of.descriptor >= 0) {
        of.to(life::finishing);
        put_close(of, op);
        return;
    }
    of.reads.pop();
    if (op.kind == operation_kind::release && op.ahead != nullptr && !hand_over_kept(of, *op.ahead)) {
        of.to(life::open);                        // refused: the handle is as it was
        if (of.starved()) of.to(standing::none);  // the list of those has let it go
        complete(op, outcome::from_errno(ENOMEM), done);
        return;
    }
    // A cancel by the descriptor's number that has not been submitted would find whoever has the number next.
    if (op.kind == operation_kind::release && of.life() == life::draining && !of.direct) {
        while (ring_.unsubmitted() > 0)
            make_room();
    }
    drop_kept(of);
    int descriptor = std::exchange(of.descriptor, -1);
    if (of.direct) {
        const int place = descriptor;
        if (op.kind == operation_kind::release) {  // what leaves the loop must be a descriptor of the process
            descriptor = install(place);
            close_direct(place);
        }
        leave_place(of.kind, place);
    }
    // In the place of a direct one it is why there is none: EMFILE, or EBADF of a file that was never opened.
    const std::int64_t left = of.direct ? descriptor : released(descriptor);
    records_.release(slot);
    complete(op, op.kind == operation_kind::release ? left : 0, done);
}

}  // namespace naru
