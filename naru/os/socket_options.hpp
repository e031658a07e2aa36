// Typed socket options: each is set, checked, and can be read back. Sources: socket(7), tcp(7), ip(7).
// What a system has no equivalent for is ENOTSUP there (docs/backends.md).
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/result.hpp>

#include <optional>

namespace naru::socket_options {

/// TCP_NODELAY: small writes go out at once instead of waiting for acknowledgements (Nagle's algorithm).
/// Accepted connections inherit it from their listener on Linux.
result<void> set_no_delay(int socket, bool on) noexcept;
result<bool> no_delay(int socket) noexcept;

/// SO_KEEPALIVE with TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT: probes to a silent peer, so that one that
/// has vanished is noticed. Whole seconds, at least one.
struct keep_alive_settings {
    std::chrono::seconds idle{60};
    std::chrono::seconds interval{10};
    int count = 6;
    bool operator==(const keep_alive_settings&) const = default;
};
result<void> set_keep_alive(int socket, const keep_alive_settings& settings) noexcept;
result<void> set_keep_alive_off(int socket) noexcept;
/// The settings, or nothing when probes are off.
result<std::optional<keep_alive_settings>> keep_alive(int socket) noexcept;

/// TCP_USER_TIMEOUT: how long sent data may stay unacknowledged before the connection fails. 0: the system's.
result<void> set_user_timeout(int socket, std::chrono::milliseconds limit) noexcept;
result<std::chrono::milliseconds> user_timeout(int socket) noexcept;

/// SO_SNDBUF and SO_RCVBUF in bytes. The kernel doubles what is set, to leave room for its own overhead, and
/// reports the doubled value; net.core.wmem_max and rmem_max bound it. Turns automatic sizing off.
result<void> set_send_buffer(int socket, int bytes) noexcept;
result<int> send_buffer(int socket) noexcept;
result<void> set_receive_buffer(int socket, int bytes) noexcept;
result<int> receive_buffer(int socket) noexcept;

/// IPV6_V6ONLY of a socket that is not bound yet: off, one that is bound to every address is for both
/// families, with IPv4 peers under their mapped addresses.
result<void> set_ipv6_only(int socket, bool on) noexcept;

/// SO_BROADCAST of a datagram socket: sends to a broadcast address are EACCES without it.
result<void> set_broadcast(int socket, bool on) noexcept;
result<bool> broadcast(int socket) noexcept;

/// TCP_FASTOPEN on a listener: data in the SYN of clients that have a cookie, `queue` of them at most. Needs
/// bit 2 of net.ipv4.tcp_fastopen.
result<void> set_fast_open(int listener, int queue) noexcept;
result<int> fast_open(int listener) noexcept;

/// TCP_DEFER_ACCEPT on a listener: a connection is handed over when its first data is there, or after about
/// `limit`. The kernel rounds to a number of retransmissions and reports that.
result<void> set_defer_accept(int listener, std::chrono::seconds limit) noexcept;
result<std::chrono::seconds> defer_accept(int listener) noexcept;

/// SO_REUSEADDR and SO_REUSEPORT, before bind: a restart is not kept waiting by old connections; several
/// listeners share a port and the kernel spreads connections over them.
result<void> set_reuse_address(int socket, bool on) noexcept;
result<void> set_reuse_port(int socket, bool on) noexcept;
result<bool> reuse_port(int socket) noexcept;

/// IP_BIND_ADDRESS_NO_PORT (Linux), before a bind to port 0: the port is chosen at connect. It then has to be
/// free only towards the peer, and looking for one stays cheap when tens of thousands are taken (ip(7)).
/// Elsewhere bind chooses it, and this does nothing.
result<void> bind_without_port(int socket) noexcept;

/// TCP_CORK (Linux) or TCP_NOPUSH (BSD) for the life of a scope: only full segments leave until its end, then
/// the rest goes at once.
class cork_scope {
 public:
    explicit cork_scope(int socket) noexcept;
    ~cork_scope();
    cork_scope(const cork_scope&) = delete;
    cork_scope& operator=(const cork_scope&) = delete;

    /// Whether the option could be set; if not, the scope has no effect.
    const result<void>& status() const noexcept { return status_; }

 private:
    int socket_;
    result<void> status_;
};
result<bool> corked(int socket) noexcept;

}  // namespace naru::socket_options
