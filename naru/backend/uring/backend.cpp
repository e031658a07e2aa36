#include <naru/backend/uring/backend.hpp>

#include <naru/backend/connection_failure.hpp>
#include <naru/backend/uring/quirks.hpp>
#include <naru/backend/uring/refusal.hpp>
#include <naru/core/check.hpp>
#include <naru/core/push.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/os/wake_descriptor.hpp>

#include <algorithm>
#include <cerrno>
#include <new>
#include <span>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace naru {

namespace {

// All that is ever submitted: the ring takes nothing else (IORING_REGISTER_RESTRICTIONS). Connecting, which
// is not for every ring, stands at the end.
constexpr std::uint8_t used_operations[] = {
    IORING_OP_ACCEPT,       IORING_OP_RECV,
    IORING_OP_SEND,         IORING_OP_SENDMSG,
    IORING_OP_SEND_ZC,      IORING_OP_SENDMSG_ZC,
    IORING_OP_POLL_ADD,     IORING_OP_CLOSE,
    IORING_OP_OPENAT,       IORING_OP_READ,
    IORING_OP_FILES_UPDATE, IORING_OP_ASYNC_CANCEL,
    IORING_OP_RECVMSG,      uring_abi::op_fixed_fd_install,
    IORING_OP_NOP,          IORING_OP_TIMEOUT,
    IORING_OP_WRITE,        IORING_OP_WRITEV,
    IORING_OP_FSYNC,        IORING_OP_CONNECT,
};

}  // namespace

uring_backend::uring_backend(const uring_options& options)
    : backend(options.pool_buffers, {operation_kind::open_file, operation_kind::read_file,
                                     operation_kind::write_file, operation_kind::sync_file}),
      options_(options),
      received_(options.pool_buffers),
      wake_descriptor_(make_wake_descriptor()),
      message_wakes_(options.message_wakes) {
    try {
        open_ring();
    } catch (...) {
        system_calls::close(wake_descriptor_);
        throw;
    }
}

void uring_backend::do_without(const std::string& what) {
    if (!given_up_.empty()) given_up_ += ", ";
    given_up_ += what;
}

void uring_backend::open_ring() {
    for (const uring_quirk& each : quirks_of_this_kernel()) {
        if (each.switches_off(options_)) do_without(each.text());
    }
    uring_setup setup;
    setup.entries = options_.entries;
    setup.completions = options_.completions;
    setup.single_issuer = options_.single_issuer;
    setup.sqpoll = options_.sqpoll;
    setup.sqpoll_idle_milliseconds = options_.sqpoll_idle_milliseconds;
    setup.sqpoll_cpu = options_.sqpoll_cpu;
    std::string steps;
    if (const std::error_code error = ring_.open(setup, steps)) throw std::system_error(error, steps);
    if (!steps.empty()) do_without(steps);
    messages_ = std::make_unique<msghdr[]>(ring_.entries());
    set_aside_.reserve(options_.completions);
    if (const std::error_code error = lent_.open(ring_)) {
        throw std::system_error(error, "no provided-buffer rings: " +
                                           explain_uring_refusal(uring_call::registration, error.value()));
    }
    if ((ring_.features() & uring_abi::feature_bundles) == 0) options_.bundles = false;
    if (!ring_.knows(IORING_OP_SENDMSG_ZC)) options_.zero_copy_from = limits::never_zero_copy;
    open_table();
    if (options_.restrictions) {
        const std::size_t used = std::size(used_operations) - (options_.connects ? 0 : 1);
        if (const std::error_code error = ring_.restrict_to(std::span(used_operations).first(used))) {
            do_without("no restrictions on the ring: " + error.message());
        }
    }
}

uring_backend::~uring_backend() {
    // A child made by fork has this object, but neither the ring nor its operations: they are the parent's.
    const bool ours = started_ && !ring_.is_inherited();
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        NARU_ASSERT(left.reads.empty() && left.writes.empty());
        if (left.descriptor >= 0 && !left.direct) system_calls::close(left.descriptor);
    }
    if (ours) {  // what is still armed must end before the memory it may write to goes away
        io_uring_sync_cancel_reg all{};
        all.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
        all.timeout.tv_sec = 1;
        (void)ring_.register_call(IORING_REGISTER_SYNC_CANCEL, &all, 1);
        // The ring itself may end much later, and direct descriptors with it: their peers want an end now.
        if (table_ > 0) (void)ring_.register_call(IORING_UNREGISTER_FILES, nullptr, 0);
    }
    system_calls::close(wake_descriptor_);
}

// The first wait decides which thread the ring belongs to: a loop may be made on one and run on another.
void uring_backend::start_ring() noexcept {
    started_ = true;
    if (const std::error_code error = ring_.start())
        fatal(("an io_uring ring could not be enabled: " + error.message()).c_str());
    lent_.publish();
    arm_wake();
}

result<handle> uring_backend::attach(int descriptor, descriptor_kind kind, ownership whose) noexcept {
    if (descriptor < 0) return fail_errno(EBADF);
    if (whose == ownership::shared) {
        const bool blocking = system_calls::is_blocking(descriptor);
        if (blocking && needs_non_blocking(kind)) {
            system_calls::close(descriptor);
            return fail(errc::blocking_descriptor);
        }
        const auto made = name_descriptor(descriptor, kind, false);
        if (made) records_.at(made->slot).blocking = blocking;
        return made;
    }
    // A ring that has not been started yet may belong to another thread later.
    const bool connection = kind == descriptor_kind::stream || kind == descriptor_kind::socket;
    if (connection && direct_now_ && started_) {
        const int index = register_direct(descriptor);
        if (index >= 0) {
            system_calls::close(descriptor);
            return name_descriptor(index, kind, true);
        }
    }
    return name_descriptor(descriptor, kind, false);
}

// Owns the descriptor from here on: closes it if there is no room for its name.
result<handle> uring_backend::name_descriptor(int descriptor, descriptor_kind kind, bool direct) noexcept {
    handle made;
    std::error_code refused = errc::handle_limit;
    try {
        made = records_.acquire();
    } catch (const std::bad_alloc&) {
        refused = {ENOMEM, std::system_category()};
    }
    if (!made) {
        if (direct) {
            close_direct(descriptor);
        } else if (descriptor >= 0) {
            system_calls::close(descriptor);
        }
        return fail(refused);
    }
    if (direct && kind != descriptor_kind::file) ++direct_used_;
    records_.at(made.slot) =
        record{.generation = made.generation, .descriptor = descriptor, .kind = kind, .direct = direct};
    return made;
}

std::optional<descriptor_kind> uring_backend::kind_of(handle of) noexcept {
    const record* found = records_.find(of);
    if (found == nullptr || found->closing) return std::nullopt;
    return found->kind;
}

int uring_backend::descriptor(handle of) noexcept {
    const record* found = records_.find(of);
    return found != nullptr && !found->closing && !found->direct ? found->descriptor : -1;
}

// ---------------------------------------------------------------------------------------- submission

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

io_uring_sqe& uring_backend::entry_for(operation& op, record& of, std::uint8_t opcode) noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = opcode;
    submission.fd = of.descriptor;
    if (of.direct) submission.flags = IOSQE_FIXED_FILE;
    submission.user_data = operation_word(op);
    op.backend_bits = static_cast<std::uint8_t>((op.backend_bits & ~state_mask) | in_kernel);
    ++of.in_kernel;
    return submission;
}

// An operation that the kernel has not let wait (EAGAIN). It waits by a poll and tries again.
void uring_backend::put_poll(operation& op, record& of) noexcept {
    const bool reads = direction_of(op.kind) == direction::read;
    entry_for(op, of, IORING_OP_POLL_ADD).poll32_events = reads ? POLLIN | POLLRDHUP : POLLOUT;
    op.backend_bits |= polls;
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

void uring_backend::arm_wake() noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = IORING_OP_POLL_ADD;
    submission.fd = wake_descriptor_;
    submission.len = IORING_POLL_ADD_MULTI;
    submission.poll32_events = POLLIN;
    submission.user_data = word(tag::wake, 0);
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
        if (reads && of != nullptr && !of->closing && of->reads.empty() &&
            accepts == (of->kind == descriptor_kind::listener)) {
            op.backend_bits = waiting;
            if (of->kept > 0) {
                take_kept(*of, op, result);
            } else if (accepts && of->armed) {
                await_armed(op.target.slot, *of, op);
                return;
            }
        }
        complete(op, result, done);
        return;
    }
    op.state = operation_state::pending;
    op.backend_bits = waiting;
    if (of == nullptr || of->closing) {
        complete(op, outcome::from_errno(EBADF), done);
        return;
    }
    if (const std::int64_t refusal = refusal_of(op, of->kind); refusal < 0) {
        complete(op, refusal, done);
        return;
    }
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

// ---------------------------------------------------------------------------------------- completions

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
    if (op.backend_bits == chained) {
        on_chained(op, completion.res, done);
        return;
    }
    if ((completion.flags & IORING_CQE_F_NOTIF) != 0) {  // of a zero-copy send: its memory is free
        left_kernel(of);
        op.backend_bits -= one_notice;
        if (op.backend_bits == owed) finish(slot, of, op, op.result, done);
        return;
    }
    const bool owes_notice = (completion.flags & IORING_CQE_F_MORE) != 0;
    if ((op.backend_bits & polls) != 0 && result > 0) result = -EINTR;  // no count of bytes: try again
    op.backend_bits =
        static_cast<std::uint8_t>((op.backend_bits & ~(state_mask | polls)) + (owes_notice ? one_notice : 0));
    if (!owes_notice) left_kernel(of);
    if (op.backend_bits == unconnected && direction_of(op.kind) == direction::read) {
        op.backend_bits = waiting;
        on_unconnected(slot, of, op, done);
        return;
    }
    switch (op.kind) {
        case operation_kind::close:
            finish_close_if_quiet(slot, of, done);
            return;
        case operation_kind::send:
            if (!on_sent(of, op, result)) return;
            if (op.backend_bits == waiting) break;
            op.backend_bits |= owed;  // the memory is lent until the last notification
            op.result = result;
            if (tells_failure(op, result)) of.failed = true;
            return;
        case operation_kind::send_file:
            if (!on_file_sent(of, static_cast<send_file_operation&>(op), static_cast<int>(result), result))
                return;
            break;
        case operation_kind::recv_into:
            if (result == 0 && op.count > 0) result = of.ended = static_cast<std::int32_t>(end_of(of.failed));
            if (tells_failure(op, result)) of.ended = static_cast<std::int32_t>(result);
            if ((result == -EAGAIN || result == -EINTR) &&
                (op.state == operation_state::canceling || of.closing))
                result = outcome::canceled;
            if (result == -EAGAIN) {
                wait_by_poll(slot, of);
                return;
            }
            if (result == -EINTR) {
                serve_reads(slot, of, done);
                return;
            }
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
            if (of.closing) finish_close_if_quiet(slot, of, done);
            return;
        default:
            if (result > 0) result = 0;  // poll's event mask
            break;
    }
    finish(slot, of, op, result, done);
}

void uring_backend::left_kernel(record& of) noexcept {
    if (--of.in_kernel == 0 && !of.closing) of.close_last = false;
}

// An operation has ended: it leaves its queue, and the next one has its turn.
void uring_backend::finish(std::uint32_t slot, record& of, operation& op, std::int64_t result,
                           operation_queue& done) noexcept {
    if (of.closing) {  // no longer in a queue
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

// Any thread. A completion put straight into the ring saves its loop the poll and the read of an eventfd.
// Where the kernel cannot (before Linux 6.13 it knows no such registration, and a filter may forbid it), it
// is asked once; a refusal for want of memory or of room is one for this time.
void uring_backend::wake() noexcept {
    if (message_wakes_.load(std::memory_order_relaxed)) {
        io_uring_sqe message{};
        message.opcode = IORING_OP_MSG_RING;
        message.fd = ring_.descriptor();
        message.off = word(tag::wake, 8);
        if (syscall(__NR_io_uring_register, -1, uring_abi::register_send_msg_ring, &message, 1) == 0) return;
        const bool for_this_time = errno == ENOMEM || errno == EAGAIN || errno == EINTR || errno == EOVERFLOW;
        if (!for_this_time) message_wakes_.store(false, std::memory_order_relaxed);
    }
    signal_wake_descriptor(wake_descriptor_);
}

}  // namespace naru
