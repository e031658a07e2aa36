#include <naru/os/socket.hpp>

#include <naru/core/limits.hpp>
#include <naru/os/socket_options.hpp>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/filter.h>
#include <linux/sockios.h>
#endif

namespace naru {

void unique_descriptor::reset(int descriptor) noexcept {
    if (descriptor_ >= foreign_descriptors) {
        if (close_foreign_descriptor != nullptr) close_foreign_descriptor(descriptor_);
    } else if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
    descriptor_ = descriptor;
}

// A filter on the socket sees the packets that begin connections, from the TCP header on; those of
// connections under way pass. It is that of the listener alone: a connection that is accepted meanwhile has
// it, too, and never sees such a packet.
void refuse_connections(int listener) noexcept {
#if defined(__linux__)
    constexpr unsigned flags_offset = 13;
    constexpr unsigned syn = 0x02;
    sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, flags_offset), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, syn, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),            // dropped
        BPF_STMT(BPF_RET | BPF_K, 0xffff'ffff),  // whole
    };
    sock_fprog filter{};
    filter.len = static_cast<unsigned short>(std::size(program));
    filter.filter = program;
    (void)setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
#else
    (void)listener;
#endif
}

bool has_connection_waiting(int listener) noexcept {
    pollfd look{listener, POLLIN, 0};
    return ::poll(&look, 1, 0) == 1 && (look.revents & POLLIN) != 0;
}

result<void> shutdown_send(int socket) noexcept {
    if (::shutdown(socket, SHUT_WR) == 0) return {};
    return fail_errno(errno);
}

void reset_on_close(int socket) noexcept {
    linger at_once{};
    at_once.l_onoff = 1;
    (void)setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::uint64_t unacknowledged(int socket) noexcept {
#if defined(SIOCOUTQ)
    int bytes = 0;
    if (socket >= 0 && ioctl(socket, SIOCOUTQ, &bytes) == 0 && bytes > 0)
        return static_cast<std::uint64_t>(bytes);
#else
    (void)socket;
#endif
    return 0;
}

peer_end end_of_peer(int socket) noexcept {
#if defined(POLLRDHUP)
    pollfd look{.fd = socket, .events = POLLRDHUP, .revents = 0};
    if (socket < 0 || ::poll(&look, 1, 0) != 1) return peer_end::none;
    if ((look.revents & POLLERR) != 0) return peer_end::reset;
    return (look.revents & (POLLRDHUP | POLLHUP)) != 0 ? peer_end::in_order : peer_end::none;
#else
    (void)socket;
    return peer_end::none;
#endif
}

std::size_t descriptor_limit() noexcept {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, limits::handles));
}

namespace {

result<unique_descriptor> make_socket(int family, int type) noexcept {
    unique_descriptor made(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!made) return fail_errno(errno);
    return made;
}

}  // namespace

result<unique_descriptor> stream_socket_for(const address& peer) noexcept {
    return make_socket(peer.family(), SOCK_STREAM);
}

result<void> bind_before_connect(int socket, const address& from) noexcept {
#if defined(IP_BIND_ADDRESS_NO_PORT)
    if (from.port() == 0) {
        const int on = 1;
        (void)setsockopt(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    }
#endif
    if (::bind(socket, static_cast<const sockaddr*>(from.data()), from.size()) != 0) return fail_errno(errno);
    return {};
}

result<unique_descriptor> datagram_socket_for(const address& where) noexcept {
    return make_socket(where.family(), SOCK_DGRAM);
}

namespace {

result<unique_descriptor> listen_at(const address& where, const listen_options& options) noexcept {
    auto made = stream_socket_for(where);
    if (!made) return made;
    const int socket = made->get();
    if (where.family() == AF_INET6) {
        if (auto set = socket_options::set_ipv6_only(socket, options.ipv6_only); !set && options.ipv6_only)
            return fail(set.error());
    }
    if (auto set = socket_options::set_reuse_address(socket, true); !set) return fail(set.error());
    if (options.reuse_port) {
        if (auto set = socket_options::set_reuse_port(socket, true); !set) return fail(set.error());
    }
    if (options.no_delay) {
        if (auto set = socket_options::set_no_delay(socket, true); !set) return fail(set.error());
    }
    if (options.defer_accept.count() > 0) {
        if (auto set = socket_options::set_defer_accept(socket, options.defer_accept); !set)
            return fail(set.error());
    }
    // Linux hands these on to accepted connections, so that none of them costs a call of its own.
    if (options.keep_alive) {
        if (auto set = socket_options::set_keep_alive(socket, *options.keep_alive); !set)
            return fail(set.error());
    }
    if (options.user_timeout.count() > 0) {
        if (auto set = socket_options::set_user_timeout(socket, options.user_timeout); !set)
            return fail(set.error());
    }
    if (options.send_buffer > 0) {
        if (auto set = socket_options::set_send_buffer(socket, options.send_buffer); !set)
            return fail(set.error());
    }
    if (options.receive_buffer > 0) {
        if (auto set = socket_options::set_receive_buffer(socket, options.receive_buffer); !set)
            return fail(set.error());
    }
    if (::bind(socket, static_cast<const sockaddr*>(where.data()), where.size()) != 0)
        return fail_errno(errno);
    if (options.fast_open_queue > 0) {
        if (auto set = socket_options::set_fast_open(socket, options.fast_open_queue); !set)
            return fail(set.error());
    }
    if (::listen(socket, options.backlog) != 0) return fail_errno(errno);
    return made;
}

}  // namespace

result<unique_descriptor> listen_on(const address& where, const listen_options& options) noexcept {
    return bind_every(where, [&](const address& at) { return listen_at(at, options); });
}

}  // namespace naru
