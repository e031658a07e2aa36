#include <naru/os/socket.hpp>

#include <naru/core/limits.hpp>
#include <naru/os/os_sockets.hpp>
#include <naru/os/socket_options.hpp>
#include <naru/os/system_calls.hpp>

#include <cerrno>

namespace naru {

using windows::socket_of;

namespace {

result<unique_descriptor> make_socket(int family, int type) noexcept {
    const SOCKET made = windows::make_socket(family, type);
    if (made == INVALID_SOCKET) return fail_errno(last_socket_error());
    return unique_descriptor(windows::descriptor_of(made));
}

// Without it another process may take the port from us (SO_REUSEADDR means that here).
result<void> keep_port(int socket) noexcept {
    const DWORD on = 1;
    if (setsockopt(socket_of(socket), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, reinterpret_cast<const char*>(&on),
                   sizeof on) == 0)
        return {};
    return fail_errno(last_socket_error());
}

// mingw-w64's headers have no name for it: from the Windows SDK's mstcpip.h.
constexpr DWORD sio_udp_netreset = _WSAIOW(IOC_VENDOR, 15);

// Otherwise the next receive fails with what became of an earlier datagram. Systems without the switch: see
// system_calls::receive_from.
void silence_reports(int socket, DWORD control_code) noexcept {
    BOOL off = FALSE;
    DWORD bytes = 0;
    (void)WSAIoctl(socket_of(socket), control_code, &off, sizeof off, nullptr, 0, &bytes, nullptr, nullptr);
}

}  // namespace

void unique_descriptor::reset(int descriptor) noexcept {
    if (descriptor_ >= foreign_descriptors) {
        if (close_foreign_descriptor != nullptr) close_foreign_descriptor(descriptor_);
    } else if (descriptor_ >= 0) {
        system_calls::close(descriptor_);
    }
    descriptor_ = descriptor;
}

void refuse_connections(int /*listener*/) noexcept {}

bool has_connection_waiting(int listener) noexcept {
    WSAPOLLFD look{socket_of(listener), POLLRDNORM, 0};
    return WSAPoll(&look, 1, 0) == 1 && (look.revents & POLLRDNORM) != 0;
}

result<void> shutdown_send(int socket) noexcept {
    if (socket < 0) return fail_errno(EBADF);
    if (::shutdown(socket_of(socket), SD_SEND) == 0) return {};
    return fail_errno(last_socket_error());
}

void reset_on_close(int socket) noexcept {
    linger at_once{};
    at_once.l_onoff = 1;
    (void)setsockopt(socket_of(socket), SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once),
                     sizeof at_once);
}

std::uint64_t unacknowledged(int /*socket*/) noexcept { return 0; }

peer_end end_of_peer(int /*socket*/) noexcept { return peer_end::none; }
std::size_t descriptor_limit() noexcept { return limits::handles; }

result<unique_descriptor> stream_socket_for(const address& peer) noexcept {
    return make_socket(peer.family(), SOCK_STREAM);
}

result<void> bind_before_connect(int socket, const address& from) noexcept {
    if (::bind(socket_of(socket), static_cast<const sockaddr*>(from.data()), static_cast<int>(from.size())) ==
        0)
        return {};
    return fail_errno(last_socket_error());
}

result<unique_descriptor> datagram_socket_for(const address& where) noexcept {
    auto made = make_socket(where.family(), SOCK_DGRAM);
    if (!made) return made;
    silence_reports(made->get(), SIO_UDP_CONNRESET);
    silence_reports(made->get(), sio_udp_netreset);
    if (auto kept = keep_port(made->get()); !kept) return fail(kept.error());
    return made;
}

namespace {

result<unique_descriptor> listen_at(const address& where, const listen_options& options) noexcept {
    if (options.reuse_port) return fail_errno(ENOTSUP);
    auto made = stream_socket_for(where);
    if (!made) return made;
    const int socket = made->get();
    if (where.family() == AF_INET6) {
        if (auto set = socket_options::set_ipv6_only(socket, options.ipv6_only); !set && options.ipv6_only)
            return fail(set.error());
    }
    // A port whose old connections are in TIME_WAIT can be bound all the same.
    if (auto kept = keep_port(socket); !kept) return fail(kept.error());
    // Accepted connections inherit these by SO_UPDATE_ACCEPT_CONTEXT. defer_accept: see listen_options.
    if (options.no_delay) {
        if (auto set = socket_options::set_no_delay(socket, true); !set) return fail(set.error());
    }
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
    if (::bind(socket_of(socket), static_cast<const sockaddr*>(where.data()),
               static_cast<int>(where.size())) != 0)
        return fail_errno(last_socket_error());
    if (options.fast_open_queue > 0) {
        if (auto set = socket_options::set_fast_open(socket, options.fast_open_queue); !set)
            return fail(set.error());
    }
    if (::listen(socket_of(socket), options.backlog) != 0) return fail_errno(last_socket_error());
    return made;
}

}  // namespace

result<unique_descriptor> listen_on(const address& where, const listen_options& options) noexcept {
    return bind_every(where, [&](const address& at) { return listen_at(at, options); });
}

}  // namespace naru
