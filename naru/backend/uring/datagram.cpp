// Datagrams: a receive and a send at a time are in the kernel, so that their order is kept. Both wait there.
#include <naru/backend/uring/backend.hpp>
#include <naru/backend/uring/datagram_message.hpp>

#include <cerrno>
#include <new>

#include <sys/socket.h>

namespace naru {

static_assert(sizeof(datagram_message) <= sizeof(receive_from_operation::backend_space));

namespace {

datagram_message& message_in(receive_from_operation& op) noexcept {
    return *std::launder(reinterpret_cast<datagram_message*>(op.backend_space.data()));
}

}  // namespace

// The kernel writes the sender's length and the flags to the header when the receive ends: until then the
// header lives in the operation.
void uring_backend::put_receive_from(record& of, receive_from_operation& op) noexcept {
    const auto* const message = ::new (op.backend_space.data()) datagram_message(op);
    io_uring_sqe& submission = entry_for(op, of, IORING_OP_RECVMSG);
    submission.addr = reinterpret_cast<std::uint64_t>(&message->header);
    submission.len = 1;
}

// The header is copied when the kernel takes the entry, as in put_send.
void uring_backend::put_send_to(record& of, send_to_operation& op) noexcept {
    io_uring_sqe& submission = entry_for(op, of, IORING_OP_SENDMSG);
    msghdr& message = messages_[ring_.last_place()];
    message = message_of(op);
    submission.msg_flags = MSG_NOSIGNAL;
    submission.addr = reinterpret_cast<std::uint64_t>(&message);
    submission.len = 1;
}

// True if the operation has ended, with `result`. Otherwise it was interrupted, or the kernel did not wait,
// and goes on.
bool uring_backend::on_datagram(record& of, operation& op, std::int64_t& result) noexcept {
    const bool receives = op.kind == operation_kind::receive_from;
    if (result != -EINTR && result != -EAGAIN) {
        if (receives && result >= 0) {
            auto& receiving = static_cast<receive_from_operation&>(op);
            message_in(receiving).report_to(receiving);
        }
        return true;
    }
    if (op.state == operation_state::canceling) {
        result = outcome::canceled;
        return true;
    }
    if (result == -EAGAIN) {
        put_poll(op, of);
    } else if (receives) {
        put_receive_from(of, static_cast<receive_from_operation&>(op));
    } else {
        put_send_to(of, static_cast<send_to_operation&>(op));
    }
    return false;
}

}  // namespace naru
