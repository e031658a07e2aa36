#include <naru/backend/uring_backend.hpp>

#include <naru/backend/system_calls.hpp>
#include <naru/backend/wake_descriptor.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

namespace naru {

namespace {

constexpr std::uint8_t in_kernel = 1;  // operation::backend_bits: its completion will come from the kernel

// io_uring waits for readiness itself only on descriptors in blocking mode: on others it reports EAGAIN.
void set_blocking(int descriptor, bool blocking) noexcept {
    const int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0) return;
    (void)fcntl(descriptor, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

}  // namespace

uring_backend::uring_backend(const uring_options& options)
    : backend(options.pool_buffers),
      options_(options),
      received_(options.pool_buffers),
      wake_descriptor_(make_wake_descriptor()) {
    uring_setup setup;
    setup.entries = options.entries;
    setup.completions = options.completions;
    setup.single_issuer = options.single_issuer;
    setup.sqpoll = options.sqpoll;
    std::error_code error = ring_.open(setup, given_up_);
    if (!error) {
        messages_ = std::make_unique<msghdr[]>(ring_.entries());
        set_aside_.reserve(ring_.entries());
        error = lent_.open(ring_);
        if (error) given_up_ = "no provided-buffer rings: Linux 5.19 or newer is needed";
    }
    if (error) {
        system_calls::close(wake_descriptor_);
        throw std::system_error(error, given_up_);
    }
}

uring_backend::~uring_backend() {
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        NARU_ASSERT(left.reads.empty() && left.writes.empty());
        if (left.descriptor >= 0) system_calls::close(left.descriptor);
    }
    if (started_) {  // what is still armed must end before the memory it may write to goes away
        io_uring_sync_cancel_reg all{};
        all.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
        all.timeout.tv_sec = 1;
        (void)ring_.register_call(IORING_REGISTER_SYNC_CANCEL, &all, 1);
    }
    system_calls::close(wake_descriptor_);
}

// The first wait decides which thread the ring belongs to: a loop may be made on one and run on another.
void uring_backend::start_ring() noexcept {
    started_ = true;
    const std::error_code error = ring_.start();
    NARU_ASSERT(!error);
    lent_.publish();
    arm_wake();
}

result<handle> uring_backend::attach(int descriptor, descriptor_kind kind) noexcept {
    handle made;
    try {
        made = records_.acquire();
    } catch (const std::bad_alloc&) {
        system_calls::close(descriptor);
        return fail_errno(ENOMEM);
    }
    if (!made) {
        system_calls::close(descriptor);
        return fail(errc::handle_limit);
    }
    record& fresh = records_.at(made.slot);
    fresh.descriptor = descriptor;
    fresh.kind = kind;
    fresh.armed = fresh.stopping = fresh.starved = fresh.polled = fresh.closing = false;
    fresh.in_kernel = fresh.kept = 0;
    fresh.kept_first = fresh.kept_last = none;
    fresh.ended = 0;
    if (kind != descriptor_kind::other) set_blocking(descriptor, true);
    return made;
}

int uring_backend::descriptor(handle of) noexcept {
    const record* found = records_.find(of);
    return found != nullptr && !found->closing ? found->descriptor : -1;
}

// ---------------------------------------------------------------------------------------- submission

// Room in the submission queue: when it is full, what is in it is submitted now. If the kernel first wants
// its completions read (CQ overflow, no memory), they are set aside for the next wait.
io_uring_sqe& uring_backend::entry() noexcept {
    if (!started_) start_ring();
    while (true) {
        if (io_uring_sqe* free = ring_.next_entry()) return *free;
        const int failed = ring_.enter(false, false, never);
        if (failed == 0) continue;
        (void)ring_.enter(true, false, never);
        while (const io_uring_cqe* completion = ring_.peek()) {
            set_aside_.push_back(*completion);
            ring_.consume();
        }
    }
}

io_uring_sqe& uring_backend::entry_for(operation& op, record& of, std::uint8_t opcode) noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = opcode;
    submission.fd = of.descriptor;
    submission.user_data = word(tag::operation, reinterpret_cast<std::uint64_t>(&op));
    op.backend_bits = in_kernel;
    ++of.in_kernel;
    return submission;
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
        // What has been received already is not lost to a cancel: it belongs to the first read.
        std::int64_t result = outcome::canceled;
        const bool reads = op.kind == operation_kind::recv || op.kind == operation_kind::recv_into;
        if (reads && of != nullptr && !of->closing && of->kept > 0 && of->reads.empty())
            take_kept(*of, op, result);
        complete(op, result, done);
        return;
    }
    op.state = operation_state::pending;
    op.backend_bits = 0;
    if (of == nullptr || of->closing) {
        complete(op, outcome::from_errno(EBADF), done);
        return;
    }
    switch (op.kind) {
        case operation_kind::close:
        case operation_kind::release:
            begin_close(op.target.slot, *of, op, done);
            return;
        case operation_kind::connect:
        case operation_kind::send:
        case operation_kind::send_file:
        case operation_kind::writable: {
            const bool first = of->writes.empty();
            of->writes.push(op);
            if (first) start_write(*of, done);
            return;
        }
        case operation_kind::accept:
        case operation_kind::recv:
        case operation_kind::recv_into:
        case operation_kind::readable: {
            const bool accepts = op.kind == operation_kind::accept;
            if (op.kind != operation_kind::readable && accepts != (of->kind == descriptor_kind::listener))
                break;
            const bool first = of->reads.empty();
            of->reads.push(op);
            if (first) serve_reads(op.target.slot, *of, done);
            return;
        }
        case operation_kind::work:
            break;
    }
    complete(op, outcome::from_errno(EINVAL), done);
}

// ---------------------------------------------------------------------------------------- reading

// Serves waiting reads, in order, from what has been kept; then sees to it that more comes.
void uring_backend::serve_reads(std::uint32_t slot, record& of, operation_queue& done) noexcept {
    while (operation* op = of.reads.front()) {
        if (op->backend_bits == in_kernel) return;
        std::int64_t result = 0;
        if (!serve_read(slot, of, *op, result)) return;
        of.reads.pop();
        complete(*op, result, done);
    }
}

bool uring_backend::serve_read(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept {
    if (of.kept > 0) {
        take_kept(of, op, result);
        return true;
    }
    if (of.ended < 0) {
        result = op.kind == operation_kind::readable ? 0 : of.ended;
        // An accept that failed (EMFILE) may be tried again; a stream that ended stays ended.
        if (of.kind == descriptor_kind::listener) of.ended = 0;
        return true;
    }
    if (op.kind == operation_kind::readable && of.armed) {
        // Whoever asks for readiness reads by himself: nothing may be received ahead of him any more.
        if (!of.stopping) disarm(slot, of);
    } else if (op.kind == operation_kind::readable) {
        io_uring_sqe& submission = entry_for(op, of, IORING_OP_POLL_ADD);
        submission.poll32_events = POLLIN | POLLRDHUP;
    } else if (op.kind == operation_kind::recv_into && !of.armed) {
        io_uring_sqe& submission = entry_for(op, of, IORING_OP_RECV);
        submission.addr = reinterpret_cast<std::uint64_t>(op.data);
        submission.len = op.count;
    } else if (!of.armed && !of.starved) {
        arm(slot, of);
    }
    return false;
}

void uring_backend::take_kept(record& of, operation& op, std::int64_t& result) noexcept {
    if (op.kind == operation_kind::readable) {
        result = 0;
        return;
    }
    const std::uint32_t first = of.kept_first;
    if (of.kind == descriptor_kind::listener) {
        record& accepted = records_.at(first);
        of.kept_first = accepted.next_free;
        --of.kept;
        handle made;
        made.slot = first;
        made.generation = accepted.generation;
        result = made.pack();
        return;
    }
    received& piece = received_[first];
    std::byte* data = buffers_.at(first) + piece.offset;
    if (op.kind == operation_kind::recv_into && op.count < piece.size) {
        std::memcpy(op.data, data, op.count);
        piece.offset = static_cast<std::uint16_t>(piece.offset + op.count);
        piece.size = static_cast<std::uint16_t>(piece.size - op.count);
        result = op.count;
        return;
    }
    of.kept_first = piece.next;
    --of.kept;
    result = piece.size;
    if (op.kind == operation_kind::recv_into) {
        std::memcpy(op.data, data, piece.size);
        buffers_.release(data);
    } else {
        op.data = data;
    }
}

void uring_backend::arm(std::uint32_t slot, record& of) noexcept {
    of.armed = true;
    of.stopping = false;
    io_uring_sqe& submission = entry();
    submission.fd = of.descriptor;
    submission.user_data = armed_word(slot, of);
    if (of.kind == descriptor_kind::listener) {
        submission.opcode = IORING_OP_ACCEPT;
        submission.accept_flags = SOCK_CLOEXEC;
        if (options_.multishot_accept) submission.ioprio = IORING_ACCEPT_MULTISHOT;
        return;
    }
    if (of.polled) {
        submission.opcode = IORING_OP_POLL_ADD;
        submission.poll32_events = POLLIN | POLLRDHUP;
        return;
    }
    submission.opcode = IORING_OP_RECV;
    submission.flags = IOSQE_BUFFER_SELECT;
    submission.buf_group = uring_buffers::group;
    if (options_.multishot_recv) submission.ioprio = IORING_RECV_MULTISHOT;
}

void uring_backend::disarm(std::uint32_t slot, record& of) noexcept {
    of.stopping = true;
    io_uring_sqe& submission = entry();
    submission.opcode = IORING_OP_ASYNC_CANCEL;
    submission.flags = IOSQE_CQE_SKIP_SUCCESS;
    submission.addr = armed_word(slot, of);
    submission.user_data = word(tag::ignored, 0);
}

// ---------------------------------------------------------------------------------------- writing

void uring_backend::start_write(record& of, operation_queue& done) noexcept {
    while (operation* op = of.writes.front()) {
        std::int64_t result = 0;
        if (!put_write(of, *op, result)) return;
        of.writes.pop();
        complete(*op, result, done);
    }
}

// True if the operation has ended here; otherwise its completion comes from the kernel (or a later turn).
bool uring_backend::put_write(record& of, operation& op, std::int64_t& result) noexcept {
    switch (op.kind) {
        case operation_kind::send:
            if (put_send(of, op)) return false;
            result = static_cast<std::int64_t>(op.progress);
            return true;
        case operation_kind::send_file:
            if (op.progress == 0) set_blocking(of.descriptor, false);  // sendfile(2) has no other way
            if (!step_send_file(of, static_cast<send_file_operation&>(op), result)) return false;
            set_blocking(of.descriptor, true);
            return true;
        case operation_kind::connect: {
            io_uring_sqe& submission = entry_for(op, of, IORING_OP_CONNECT);
            submission.addr = reinterpret_cast<std::uint64_t>(op.address);
            submission.off = op.count;
            return false;
        }
        default: {
            io_uring_sqe& submission = entry_for(op, of, IORING_OP_POLL_ADD);
            submission.poll32_events = POLLOUT;
            return false;
        }
    }
}

// False if there is nothing left to send.
bool uring_backend::put_send(record& of, operation& op) noexcept {
    std::span<slice> left(op.slices, op.count);
    while (!left.empty() && left.front().size == 0)
        left = left.subspan(1);
    if (left.empty()) return false;
    const bool one = left.size() == 1;
    io_uring_sqe& submission = entry_for(op, of, one ? IORING_OP_SEND : IORING_OP_SENDMSG);
    submission.msg_flags = MSG_NOSIGNAL | ((op.flags & operation_flags::more) != 0 ? MSG_MORE : 0);
    if (one) {
        submission.addr = reinterpret_cast<std::uint64_t>(left.front().data);
        submission.len = static_cast<std::uint32_t>(std::min<std::size_t>(left.front().size, 0x7ffff000));
        return true;
    }
    // The kernel copies the header when it takes the entry (IORING_FEAT_SUBMIT_STABLE): until then it lives
    // beside its entry. The slices are the operation's and live until completion.
    msghdr& message = messages_[ring_.last_place()];
    message = {};
    message.msg_iov = reinterpret_cast<iovec*>(left.data());
    message.msg_iovlen = std::min(left.size(), limits::slices_per_send);
    submission.addr = reinterpret_cast<std::uint64_t>(&message);
    submission.len = 1;
    return true;
}

// sendfile(2) by the loop's thread, and a poll when the send buffer is full: io_uring's own way, splice
// through a pipe, goes through a worker thread of the kernel and is slower (netty/netty#15747).
bool uring_backend::step_send_file(record& of, send_file_operation& op, std::int64_t& result) noexcept {
    std::uint64_t turn = limits::send_file_turn;
    while (op.remaining > 0) {
        if (turn == 0) {
            paused_.push_back(op.target);
            return false;
        }
        result = system_calls::send_file(of.descriptor, op.file, op.offset, std::min(op.remaining, turn));
        if (result == system_calls::would_block) {
            io_uring_sqe& submission = entry_for(op, of, IORING_OP_POLL_ADD);
            submission.poll32_events = POLLOUT;
            return false;
        }
        if (result < 0) return true;
        const auto sent = static_cast<std::uint64_t>(result);
        op.offset += sent;
        op.remaining -= sent;
        op.progress += sent;
        turn -= sent;
    }
    result = static_cast<std::int64_t>(op.progress);
    return true;
}

void uring_backend::finish_write(record& of, operation& op, std::int64_t result,
                                 operation_queue& done) noexcept {
    of.writes.pop();
    complete(op, result, done);
    if (!of.closing) start_write(of, done);
}

// ---------------------------------------------------------------------------------------- ending

void uring_backend::cancel(operation& op, operation_queue& done) noexcept {
    record* of = records_.find(op.target);
    NARU_ASSERT(of != nullptr);
    if (op.kind == operation_kind::close || op.kind == operation_kind::release) return;
    if (op.backend_bits == in_kernel) {
        io_uring_sqe& submission = entry();
        submission.opcode = IORING_OP_ASYNC_CANCEL;
        submission.flags = IOSQE_CQE_SKIP_SUCCESS;
        submission.addr = word(tag::operation, reinterpret_cast<std::uint64_t>(&op));
        submission.user_data = word(tag::ignored, 0);
        return;
    }
    if (of->reads.remove(op)) {
        complete(op, outcome::canceled, done);
        serve_reads(op.target.slot, *of, done);
    } else if (of->writes.remove(op)) {
        if (op.kind == operation_kind::send_file && op.progress > 0) set_blocking(of->descriptor, true);
        complete(op, outcome::canceled, done);
        start_write(*of, done);
    }
}

// Stop, cancel, join, release: closing a descriptor that has a receive in the kernel would send no FIN
// (axboe/liburing#932), and its late completion would find the next owner of the number.
void uring_backend::begin_close(std::uint32_t slot, record& of, operation& op,
                                operation_queue& done) noexcept {
    of.closing = true;
    intrusive_chain<operation> joining;
    for (intrusive_chain<operation>* way : {&of.reads, &of.writes}) {
        while (operation* waiting = way->pop()) {
            if (waiting->backend_bits == in_kernel) {
                waiting->state = operation_state::canceling;
                joining.push(*waiting);  // its completion finds it by address
            } else {
                complete(*waiting, outcome::canceled, done);
            }
        }
    }
    while (joining.pop() != nullptr) {
    }
    of.reads.push(op);
    const bool quiet = of.in_kernel == 0 && !of.armed;
    if (!quiet) {
        io_uring_sqe& submission = entry();
        submission.opcode = IORING_OP_ASYNC_CANCEL;
        submission.flags = IOSQE_CQE_SKIP_SUCCESS;
        submission.fd = of.descriptor;
        submission.cancel_flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL;
        submission.user_data = word(tag::ignored, 0);
    }
    // In the same batch, behind the cancel: what is in flight holds the file open until it has ended, and the
    // slot stays taken until then, so the number may be given out again before.
    if (op.kind == operation_kind::close) {
        entry_for(op, of, IORING_OP_CLOSE);
    } else if (quiet) {
        finish_close(slot, of, done);
    }
}

void uring_backend::finish_close(std::uint32_t slot, record& of, operation_queue& done) noexcept {
    operation& op = *of.reads.pop();
    drop_kept(of);
    const int descriptor = of.descriptor;
    of.descriptor = -1;
    records_.release(slot);
    if (op.kind == operation_kind::release) set_blocking(descriptor, false);
    complete(op, op.kind == operation_kind::release ? descriptor : 0, done);
}

void uring_backend::drop_kept(record& of) noexcept {
    while (of.kept > 0) {
        const std::uint32_t first = of.kept_first;
        --of.kept;
        if (of.kind == descriptor_kind::listener) {
            record& accepted = records_.at(first);
            of.kept_first = accepted.next_free;
            system_calls::close(accepted.descriptor);
            accepted.descriptor = -1;
            records_.release(first);
        } else {
            of.kept_first = received_[first].next;
            buffers_.release(buffers_.at(first));
        }
    }
}

// ---------------------------------------------------------------------------------------- completions

void uring_backend::wait(instant until, operation_queue& done) noexcept {
    if (!started_) start_ring();
    resume_waiting(done);
    lent_.publish();
    const bool busy = !done.empty() || !paused_.empty() || !set_aside_.empty();
    // The wait may end early (a signal, a short queue): the loop looks at its timers and comes back.
    (void)ring_.enter(true, !busy && until > clock::now(), until);
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
            on_operation(*reinterpret_cast<operation*>(completion.user_data), completion.res, done);
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
            drain_wake_descriptor(wake_descriptor_);
            if ((completion.flags & IORING_CQE_F_MORE) == 0) arm_wake();
            return;
        case tag::ignored:
            return;
    }
}

// The completion of an operation that was itself in the kernel.
void uring_backend::on_operation(operation& op, int outcome, operation_queue& done) noexcept {
    record& of = records_.at(op.target.slot);
    const std::uint32_t slot = op.target.slot;
    op.backend_bits = 0;
    --of.in_kernel;
    const bool joined = of.closing;  // no longer in a chain
    if (op.kind == operation_kind::close) {
        if (of.in_kernel == 0 && !of.armed) finish_close(slot, of, done);
        return;
    }
    const bool canceling = op.state == operation_state::canceling;
    std::int64_t result = outcome;
    bool ended = true;
    switch (op.kind) {
        case operation_kind::send:
            if (outcome == -EAGAIN || outcome == -EINTR) outcome = 0;
            if (outcome >= 0) {
                op.progress += static_cast<std::uint64_t>(outcome);
                naru::advance(std::span(op.slices, op.count), static_cast<std::size_t>(outcome));
                result = static_cast<std::int64_t>(op.progress);
                const bool rest = total_size({op.slices, op.count}) > 0;
                if (rest && canceling) result = outcome::canceled;
                ended = !rest || canceling || !put_send(of, op);
            }
            break;
        case operation_kind::send_file:
            if (canceling) {
                result = outcome::canceled;
            } else if (outcome >= 0) {
                ended = step_send_file(of, static_cast<send_file_operation&>(op), result);
            }
            if (ended && !joined) set_blocking(of.descriptor, true);
            break;
        case operation_kind::recv_into:
            if (outcome == 0 && op.count > 0)
                result = of.ended = static_cast<std::int32_t>(outcome::end_of_stream);
            if (outcome == -EAGAIN && canceling) result = outcome::canceled;
            if (outcome == -EAGAIN && !canceling) {  // a send_file has made the descriptor non-blocking
                of.polled = true;
                arm(slot, of);
                return;
            }
            break;
        case operation_kind::connect:
            if (outcome == 0) of.kind = descriptor_kind::stream;
            break;
        default:
            if (outcome > 0) result = 0;  // poll's event mask
            break;
    }
    if (!ended) return;
    if (joined) {
        complete(op, result, done);
        if (of.in_kernel == 0 && !of.armed) finish_close(slot, of, done);
    } else if (of.reads.front() == &op) {
        of.reads.pop();
        complete(op, result, done);
        serve_reads(slot, of, done);
    } else {
        finish_write(of, op, result, done);
    }
}

// A completion of the armed accept or receive of a handle.
void uring_backend::on_armed(std::uint32_t slot, record& of, const io_uring_cqe& completion,
                             operation_queue& done) noexcept {
    if ((completion.flags & IORING_CQE_F_MORE) == 0) of.armed = of.stopping = false;
    const bool has_buffer = (completion.flags & IORING_CQE_F_BUFFER) != 0;
    const std::uint32_t index = completion.flags >> IORING_CQE_BUFFER_SHIFT;
    if (has_buffer) lent_.taken();
    if (of.kind == descriptor_kind::listener) {
        if (completion.res >= 0) {
            keep_accepted(of, completion.res);
        } else if (completion.res != -ECANCELED && completion.res != -EINTR) {
            of.ended = completion.res;
        }
    } else if (of.polled) {
        of.polled = false;  // worth a receive now
    } else if (completion.res > 0) {
        keep_buffer(of, index, completion.res);
    } else {
        if (has_buffer) lent_.lend(index);
        if (completion.res == 0) {
            of.ended = static_cast<std::int32_t>(outcome::end_of_stream);
        } else if (completion.res == -ENOBUFS) {
            starve(slot, of);
        } else if (completion.res == -EAGAIN) {  // a send_file has made the descriptor non-blocking
            of.polled = true;
        } else if (completion.res != -ECANCELED && completion.res != -EINTR) {
            of.ended = completion.res;
        }
    }
    if (of.closing) {
        if (of.in_kernel == 0 && !of.armed) finish_close(slot, of, done);
        return;
    }
    serve_reads(slot, of, done);
    const unsigned ahead =
        of.kind == descriptor_kind::listener ? limits::accepts_ahead : limits::buffers_ahead;
    if (of.armed && !of.stopping && of.kept >= ahead) disarm(slot, of);
}

void uring_backend::keep_buffer(record& of, std::uint32_t index, int size) noexcept {
    received& piece = received_[index];
    piece.next = none;
    piece.offset = 0;
    piece.size = static_cast<std::uint16_t>(size);
    if (of.kept > 0) {
        received_[of.kept_last].next = index;
    } else {
        of.kept_first = index;
    }
    of.kept_last = index;
    ++of.kept;
}

void uring_backend::keep_accepted(record& of, int descriptor) noexcept {
    handle made;
    try {
        made = records_.acquire();
    } catch (const std::bad_alloc&) {
        made = {};
    }
    if (!made) {
        system_calls::close(descriptor);
        of.ended = -ENOMEM;
        return;
    }
    record& fresh = records_.at(made.slot);
    fresh = record{.generation = made.generation, .descriptor = descriptor, .kind = descriptor_kind::stream};
    if (of.kept > 0) {
        records_.at(of.kept_last).next_free = made.slot;
    } else {
        of.kept_first = made.slot;
    }
    of.kept_last = made.slot;
    ++of.kept;
}

// ---------------------------------------------------------------------------------------- waiting for room

// Out of buffers: more are lent if the pool has any; otherwise the handle waits until some come back.
void uring_backend::starve(std::uint32_t slot, record& of) noexcept {
    of.starved = true;
    handle name;
    name.slot = slot;
    name.generation = of.generation;
    starved_.push_back(name);
}

void uring_backend::resume_waiting(operation_queue& done) noexcept {
    if (!paused_.empty()) {
        resumed_.swap(paused_);
        for (const handle each : resumed_) {
            record* of = records_.find(each);
            if (of == nullptr || of->closing) continue;
            operation* op = of->writes.front();
            if (op != nullptr && op->kind == operation_kind::send_file && op->backend_bits != in_kernel) {
                start_write(*of, done);
            }
        }
        resumed_.clear();
    }
    if (starved_.empty()) return;
    if (lent_.lent() < starved_.size()) lent_.grow();
    // No more are armed than there are buffers: each would only be told ENOBUFS again.
    std::size_t room = lent_.lent();
    resumed_.swap(starved_);
    for (const handle each : resumed_) {
        record* of = records_.find(each);
        if (of == nullptr || of->closing) continue;
        if (room == 0) {
            starved_.push_back(each);
            continue;
        }
        --room;
        of->starved = false;
        serve_reads(each.slot, *of, done);
    }
    resumed_.clear();
}

void uring_backend::wake() noexcept { signal_wake_descriptor(wake_descriptor_); }

}  // namespace naru
