#include "channel.hpp"

#include "limits.hpp"

#include <cerrno>
#include <cstring>
#include <new>

#include <sys/socket.h>
#include <sys/uio.h>

namespace naru::program {

result<std::pair<unique_descriptor, unique_descriptor>> make_channel() noexcept {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return fail_errno(errno);
    return std::pair{unique_descriptor(ends[0]), unique_descriptor(ends[1])};
}

bool send_message(int channel, message what, int descriptor, std::string_view text) noexcept {
    if (text.size() > limits::log_path_bytes) return false;
    iovec parts[] = {{&what, sizeof what}, {const_cast<char*>(text.data()), text.size()}};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr packet{};
    packet.msg_iov = parts;
    packet.msg_iovlen = text.empty() ? 1 : 2;
    if (descriptor >= 0) {
        packet.msg_control = control;
        packet.msg_controllen = sizeof control;
        cmsghdr* const with = CMSG_FIRSTHDR(&packet);
        with->cmsg_level = SOL_SOCKET;
        with->cmsg_type = SCM_RIGHTS;
        with->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(with), &descriptor, sizeof descriptor);
    }
    while (true) {
        const ssize_t sent = ::sendmsg(channel, &packet, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) continue;
        return sent == static_cast<ssize_t>(sizeof what + text.size());
    }
}

std::optional<received_message> receive_message(int channel) noexcept try {
    received_message got;
    char text[limits::log_path_bytes];
    iovec parts[] = {{&got.what, sizeof got.what}, {text, sizeof text}};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr packet{};
    packet.msg_iov = parts;
    packet.msg_iovlen = 2;
    packet.msg_control = control;
    packet.msg_controllen = sizeof control;
    ssize_t size = 0;
    do
        size = ::recvmsg(channel, &packet, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    for (cmsghdr* with = CMSG_FIRSTHDR(&packet); size > 0 && with != nullptr;
         with = CMSG_NXTHDR(&packet, with)) {
        if (with->cmsg_level != SOL_SOCKET || with->cmsg_type != SCM_RIGHTS) continue;
        int descriptor = -1;
        std::memcpy(&descriptor, CMSG_DATA(with), sizeof descriptor);
        got.descriptor.reset(descriptor);
    }
    if (size < static_cast<ssize_t>(sizeof got.what) || (packet.msg_flags & MSG_TRUNC) != 0)
        return std::nullopt;
    got.text.assign(text, static_cast<std::size_t>(size) - sizeof got.what);
    return got;
} catch (const std::bad_alloc&) {
    return std::nullopt;
}

}  // namespace naru::program
