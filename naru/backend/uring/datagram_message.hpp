// Datagram operations in the form that recvmsg(2) and sendmsg(2) take, and io_uring with them.
#pragma once

#include <naru/loop/datagram.hpp>

#include <algorithm>

#include <sys/socket.h>
#include <sys/uio.h>

namespace naru {

/// For one receive. Refers to the operation and to itself; the kernel writes to it until the receive has
/// ended.
struct datagram_message {
    explicit datagram_message(receive_from_operation& op) noexcept
        : memory{.iov_base = op.data, .iov_len = op.count} {
        header.msg_name = op.peer.data();
        header.msg_namelen = static_cast<socklen_t>(op.peer.size());
        header.msg_iov = &memory;
        header.msg_iovlen = 1;
    }
    datagram_message(const datagram_message&) = delete;
    datagram_message& operator=(const datagram_message&) = delete;

    /// After a receive that has not failed.
    void report_to(receive_from_operation& op) const noexcept {
        op.peer_size = std::min(header.msg_namelen, static_cast<socklen_t>(op.peer.size()));
        op.truncated = (header.msg_flags & MSG_TRUNC) != 0;
    }

    msghdr header{};
    iovec memory;
};

static_assert(sizeof(receive_from_operation::peer) == sizeof(sockaddr_storage));

/// Refers to the operation's slices and address, neither of which sendmsg(2) modifies.
inline msghdr message_of(const send_to_operation& op) noexcept {
    msghdr message{};
    message.msg_name = const_cast<void*>(op.peer);
    message.msg_namelen = op.peer_size;
    message.msg_iov = reinterpret_cast<iovec*>(op.slices);
    message.msg_iovlen = op.count;
    return message;
}

}  // namespace naru
