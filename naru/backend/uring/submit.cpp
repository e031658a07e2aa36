// The way in: a batch of operations becomes entries of the submission queue, or ends at once.
#include <naru/backend/attempt.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/core/check.hpp>
#include <naru/core/push.hpp>

#include <cerrno>

#include <poll.h>

namespace naru {

// A ring belongs to one process, and one for a single issuer to one thread of it: all others are refused.
// There is no going on: what is submitted would be lost without a word.
int uring_backend::enter(bool events, bool wait, instant until) noexcept {
    const int failed = ring_.enter(events, wait, until);
    if (failed == -EEXIST || failed == -EOWNERDEAD || failed == -EBADF || failed == -ENXIO) {
        fatal(
            "an io_uring loop was used outside the thread that runs it, or in a child made by fork; "
            "make the loop where it is used, and let a child exec or make its own");
    }
    if (failed == -EPERM || failed == -EACCES || failed == -ENOSYS) {
        fatal(
            "the system refuses io_uring_enter to a process whose loop it has served until then: a seccomp "
            "filter "
            "was set after the start; allow the call in it, or take another engine (epoll)");
    }
    return failed;
}

// Room in the submission queue: when it is full, what is in it is submitted now. If the kernel first wants
// its completions read (CQ overflow, no memory), they are set aside for the next wait.
void uring_backend::make_room() noexcept {
    if (enter(false, false, never) == 0) return;
    (void)enter(true, false, never);
    set_aside_completions();
}

void uring_backend::set_aside_completions() noexcept {
    while (const io_uring_cqe* completion = ring_.peek()) {
        push_or_end(set_aside_, *completion);
        ring_.consume();
    }
}

io_uring_sqe& uring_backend::entry() noexcept {
    if (!started_) start_ring();
    while (true) {
        if (io_uring_sqe* free = ring_.next_entry()) return *free;
        make_room();
    }
}

io_uring_sqe& uring_backend::entry_for(operation& op, record& of, std::uint8_t opcode,
                                       uring::place as) noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = opcode;
    submission.fd = of.descriptor;
    if (of.direct) submission.flags = IOSQE_FIXED_FILE;
    submission.user_data = operation_word(op);
    uring::to(op, as);
    ++of.in_kernel;
    return submission;
}

// An operation that the kernel has not let wait (EAGAIN). It waits by a poll and tries again.
void uring_backend::put_poll(operation& op, record& of) noexcept {
    const bool reads = direction_of(op.kind) == direction::read;
    io_uring_sqe& submission = entry_for(op, of, IORING_OP_POLL_ADD, uring::place::polling);
    submission.poll32_events = reads ? POLLIN | POLLRDHUP : POLLOUT;
}

// Submits one operation that never waits for anything outside, and returns its result. What else completes
// meanwhile is set aside.
int uring_backend::command(const io_uring_sqe& prepared) noexcept {
    io_uring_sqe& submission = entry();
    submission = prepared;
    submission.user_data = word(tag::command, 0);
    bool wait = false;
    while (true) {
        (void)enter(true, wait, never);
        wait = true;  // with SQPOLL another thread does it
        while (const io_uring_cqe* completion = ring_.peek()) {
            const io_uring_cqe copy = *completion;
            ring_.consume();
            if (copy.user_data == word(tag::command, 0)) return copy.res;
            push_or_end(set_aside_, copy);
        }
    }
}

void uring_backend::submit(operation_queue& batch, operation_queue& done) noexcept {
    while (operation* op = batch.pop())
        start(*op, done);
}

void uring_backend::start(operation& op, operation_queue& done) noexcept {
    const bool closes = op.kind == operation_kind::close || op.kind == operation_kind::release;
    record* of = records_.find(op.target);
    if (op.state == operation_state::canceling && !closes) {
        // What has been received or accepted already is not lost to a cancel: it belongs to the first read.
        std::int64_t result = outcome::canceled;
        const bool accepts = op.kind == operation_kind::accept;
        const bool reads = op.kind == operation_kind::recv || op.kind == operation_kind::recv_into || accepts;
        if (reads && of != nullptr && !of->closing() && of->reads.empty() &&
            accepts == (of->kind == descriptor_kind::listener)) {
            uring::begin(op);
            if (of->kept > 0) {
                take_kept(*of, op, result);
            } else if (accepts && of->armed()) {
                await_armed(op.target.slot, *of, op);
                return;
            }
        }
        complete(op, result, done);
        return;
    }
    const bool is_open = of != nullptr && !of->closing();
    if (is_refused(op, is_open ? &of->kind : nullptr, done)) return;
    if (op.link != nullptr && start_chain(op)) return;
    switch (op.kind) {
        case operation_kind::close:
        case operation_kind::release:
            begin_close(op.target.slot, *of, op, done);
            return;
        case operation_kind::connect:
        case operation_kind::send:
        case operation_kind::send_file:
        case operation_kind::send_to:
        case operation_kind::writable:
        case operation_kind::shutdown: {
            const bool first = of->writes.empty();
            of->writes.push(op);
            if (first) start_write(*of, done);
            return;
        }
        case operation_kind::accept:
        case operation_kind::recv:
        case operation_kind::recv_into:
        case operation_kind::receive_from:
        case operation_kind::readable: {
            const bool first = of->reads.empty();
            of->reads.push(op);
            if (first) serve_reads(op.target.slot, *of, done);
            return;
        }
        case operation_kind::open_file:
        case operation_kind::read_file:
        case operation_kind::write_file:
        case operation_kind::sync_file:
            start_file(*of, op, done);
            return;
        case operation_kind::file_status:
        case operation_kind::work:
        case operation_kind::buffer:
            break;
    }
    complete(op, outcome::from_errno(EINVAL), done);
}

}  // namespace naru
