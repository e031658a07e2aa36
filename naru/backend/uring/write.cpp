// Writing: one operation of a handle at a time is in the kernel, so that short sends go on where they
// stopped and the order is kept.
#include <naru/backend/attempt.hpp>
#include <naru/backend/connection_failure.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/core/check.hpp>
#include <naru/core/push.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <span>

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace naru {

namespace {

// What send_file_operation::backend_word holds while a file goes out through a direct descriptor: a
// descriptor installed for sendfile(2), or where there was none left, a buffer to copy through.
bool is_installed(std::uint64_t word) noexcept { return (word & 1) != 0; }
std::uint64_t installed_word(int descriptor) noexcept {
    return static_cast<std::uint64_t>(descriptor) << 1 | 1;
}
int installed_in(std::uint64_t word) noexcept { return static_cast<int>(word >> 1); }

}  // namespace

void uring_backend::start_write(record& of, operation_queue& done) noexcept {
    while (operation* op = of.writes.front()) {
        if (uring::place_of(*op) != uring::place::waiting) return;
        std::int64_t result = 0;
        if (!put_write(of, *op, result)) return;
        of.writes.pop();
        if (tells_failure(*op, result)) of.failed = true;
        complete(*op, result, done);
    }
}

// True if the operation has ended here; otherwise its completion comes from the kernel (or a later turn).
bool uring_backend::put_write(record& of, operation& op, std::int64_t& result) noexcept {
    switch (op.kind) {
        case operation_kind::send:
            if (of.zero_copy() == uring::zero_copy::not_now) of.to(uring::zero_copy::possible);
            if (const std::uint64_t whole = total_size(unsent(op)); whole > limits::buffer_bytes) {
                if (bytes_left_ == 0) {
                    push_or_end(paused_, op.target);
                    return false;
                }
                // How much the kernel takes is not known yet: no more than an eighth of the tick's is
                // charged.
                bytes_left_ -=
                    std::min<std::uint64_t>({bytes_left_, whole, limits::send_file_bytes_per_tick / 8});
            }
            if (put_send(of, op)) return false;
            result = static_cast<std::int64_t>(op.progress);
            return true;
        case operation_kind::send_file: {
            auto& file = static_cast<send_file_operation&>(op);
            if (!step_send_file(of, file, result)) return false;
            end_send_file(file);
            return true;
        }
        case operation_kind::send_to:
            put_send_to(of, static_cast<send_to_operation&>(op));
            return false;
        case operation_kind::connect: {
            put_connect(of, op);
            return false;
        }
        case operation_kind::shutdown: {
            const borrowed_descriptor socket = borrow(op.target);
            result = socket ? system_calls::shutdown_send(socket.get()) : outcome::from_errno(EMFILE);
            return true;
        }
        default: {
            io_uring_sqe& submission = entry_for(op, of, IORING_OP_POLL_ADD);
            submission.poll32_events = POLLOUT;
            return false;
        }
    }
}

// ---------------------------------------------------------------------------------------- memory

// False if there is nothing left to send.
bool uring_backend::put_send(record& of, operation& op) noexcept {
    const std::span<slice> left = unsent(op);
    if (left.empty()) return false;
    const bool one = left.size() == 1;
    if (of.kind == descriptor_kind::pipe) {
        io_uring_sqe& submission = entry_for(op, of, one ? IORING_OP_WRITE : IORING_OP_WRITEV);
        submission.off = static_cast<std::uint64_t>(-1);
        submission.addr = reinterpret_cast<std::uint64_t>(one ? static_cast<const void*>(left.front().data)
                                                              : static_cast<const void*>(left.data()));
        submission.len = static_cast<std::uint32_t>(one ? std::min(left.front().size, limits::bytes_per_call)
                                                        : std::min(left.size(), limits::slices_per_send));
        return true;
    }
    using uring::zero_copy;
    const bool uncopied = of.zero_copy() <= zero_copy::used && uring::counted_of(op) < uring::most_notices &&
                          options_.zero_copy_from != limits::never_zero_copy &&
                          total_size(left) >= options_.zero_copy_from;
    if (uncopied != (of.zero_copy() == zero_copy::used))
        of.to(uncopied ? zero_copy::used : zero_copy::possible);
    const std::uint8_t opcode = one ? (uncopied ? IORING_OP_SEND_ZC : IORING_OP_SEND)
                                    : (uncopied ? IORING_OP_SENDMSG_ZC : IORING_OP_SENDMSG);
    io_uring_sqe& submission = entry_for(op, of, opcode);
    submission.msg_flags = MSG_NOSIGNAL | ((op.flags & operation_flags::more) != 0 ? MSG_MORE : 0);
    if (one) {
        submission.addr = reinterpret_cast<std::uint64_t>(left.front().data);
        submission.len = static_cast<std::uint32_t>(std::min(left.front().size, limits::bytes_per_call));
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

// `result` is what the kernel has sent, and becomes the operation's. False if the rest is on its way.
bool uring_backend::on_sent(record& of, operation& op, std::int64_t& result) noexcept {
    const bool must_wait = result == -EAGAIN;
    if (must_wait || result == -EINTR) result = 0;
    using uring::zero_copy;
    const bool uncopied = of.zero_copy() == zero_copy::used;
    if (uncopied && result == -EOPNOTSUPP) {  // none on this kind of socket
        of.to(zero_copy::never);
        result = 0;
    }
    // What is sent without a copy counts against RLIMIT_MEMLOCK until its notification (not with
    // CAP_IPC_LOCK): past the limit, or without memory for the notification, a copy is what can still be
    // sent.
    if (uncopied && (result == -ENOMEM || result == -ENOBUFS)) {
        of.to(zero_copy::not_now);
        result = 0;
    }
    if (result < 0) return true;
    op.progress += static_cast<std::uint64_t>(result);
    naru::advance(std::span(op.slices, op.count), static_cast<std::size_t>(result));
    result = static_cast<std::int64_t>(op.progress);
    if (unsent(op).empty()) return true;
    if (op.progress > 0 && (op.flags & operation_flags::some) != 0) return true;
    if (op.state == operation_state::canceling) {
        result = outcome::canceled;
        return true;
    }
    if (must_wait) {
        put_poll(op, of);
        return false;
    }
    return !put_send(of, op);
}

// ---------------------------------------------------------------------------------------- files

// sendfile(2) by the loop's thread, and a poll when the send buffer is full: io_uring's own way, splice
// through a pipe, goes through a worker thread of the kernel and is slower (netty/netty#15747).
// True if the operation has ended, with `result`.
bool uring_backend::step_send_file(record& of, send_file_operation& op, std::int64_t& result) noexcept {
    if (op.progress == 0 && op.backend_word == 0) {
        int socket = of.descriptor;
        if (of.blocking) return step_copied_file(of, op, result);
        if (of.direct) {
            socket = install(of.descriptor);
            if (socket < 0) return step_copied_file(of, op, result);
            op.backend_word = installed_word(socket);
        }
    }
    if (op.backend_word != 0 && !is_installed(op.backend_word)) return step_copied_file(of, op, result);
    const int socket = op.backend_word != 0 ? installed_in(op.backend_word) : of.descriptor;
    const std::uint64_t before = op.progress;
    const attempt outcome = send_file_turn(socket, op, bytes_left_ > 0 ? limits::send_file_turn : 0, result);
    bytes_left_ -= std::min(bytes_left_, op.progress - before);
    if (outcome == attempt::paused) push_or_end(paused_, op.target);
    if (outcome == attempt::blocked) entry_for(op, of, IORING_OP_POLL_ADD).poll32_events = POLLOUT;
    return outcome == attempt::finished;
}

// Without a descriptor for sendfile: read a buffer, send it, and so on.
bool uring_backend::step_copied_file(record& of, send_file_operation& op, std::int64_t& result) noexcept {
    result = static_cast<std::int64_t>(op.progress);
    if (op.remaining == 0) return true;
    if (op.backend_word == 0) op.backend_word = reinterpret_cast<std::uint64_t>(buffers_.acquire());
    if (op.backend_word == 0) {
        result = outcome::from_errno(ENOBUFS);
        return true;
    }
    auto* const buffer = reinterpret_cast<std::byte*>(op.backend_word);
    const auto wanted = std::min<std::uint64_t>(op.remaining, limits::buffer_bytes);
    const std::int64_t read = system_calls::read_file(op.file.get(), {buffer, wanted}, op.offset);
    if (read <= 0) {
        result = read == 0 ? outcome::end_of_file : read;
        return true;
    }
    io_uring_sqe& submission = entry_for(op, of, IORING_OP_SEND);
    submission.msg_flags = MSG_NOSIGNAL;
    submission.addr = op.backend_word;
    submission.len = static_cast<std::uint32_t>(read);
    return false;
}

bool uring_backend::on_file_sent(record& of, send_file_operation& op, int outcome,
                                 std::int64_t& result) noexcept {
    const bool copied = op.backend_word != 0 && !is_installed(op.backend_word);
    if (outcome == -EAGAIN && copied && op.state != operation_state::canceling) {
        put_poll(op, of);
        return false;
    }
    if (outcome == -EAGAIN || outcome == -EINTR) outcome = 0;
    if (outcome > 0 && copied) op.advance(static_cast<std::uint64_t>(outcome));
    result = outcome;
    // A failure is told to one call only: a cancel does not hide it.
    if (outcome >= 0 && op.state == operation_state::canceling)
        result = op.remaining == 0 ? static_cast<std::int64_t>(op.progress) : outcome::canceled;
    else if (outcome >= 0 && !step_send_file(of, op, result))
        return false;
    end_send_file(op);
    return true;
}

void uring_backend::end_send_file(send_file_operation& op) noexcept {
    const std::uint64_t word = std::exchange(op.backend_word, 0);
    if (word == 0) return;
    if (is_installed(word)) {
        system_calls::close(installed_in(word));
    } else {
        buffers_.release(reinterpret_cast<const std::byte*>(word));
    }
}

// Large sends that had their turn, or none, have the next one, who has waited for longest first.
void uring_backend::resume_paused(operation_queue& done) noexcept {
    bytes_left_ = limits::send_file_bytes_per_tick;
    for (std::size_t due = std::min(paused_.size(), limits::send_files_per_tick); due > 0 && bytes_left_ > 0;
         --due) {
        const handle next = paused_.front();
        paused_.erase(paused_.begin());
        record* of = records_.find(next);
        if (of == nullptr || of->closing()) continue;
        operation* op = of->writes.front();
        const bool is_paused = op != nullptr && uring::place_of(*op) == uring::place::waiting &&
                               (op->kind == operation_kind::send_file || op->kind == operation_kind::send);
        if (is_paused) start_write(*of, done);
    }
}

}  // namespace naru
