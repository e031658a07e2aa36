// Making sockets: the blocking-free calls that come before a handle.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/result.hpp>
#include <naru/os/address.hpp>
#include <naru/os/lent_descriptor.hpp>
#include <naru/os/socket_options.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

namespace naru {

/// Numbers from here on are no descriptors of any system: worlds that are not the system's (naru/sim) name
/// what they hand out by them.
inline constexpr int foreign_descriptors = 1 << 30;
/// What closes one of those; set by who hands them out.
using descriptor_closer = void (*)(int) noexcept;
[[gnu::visibility("default")]] inline constinit thread_local descriptor_closer close_foreign_descriptor =
    nullptr;

/// A descriptor with one owner, closed at the end of its life. For descriptors that are not in a loop yet,
/// and for files.
class unique_descriptor {
 public:
    unique_descriptor() noexcept = default;
    explicit unique_descriptor(int descriptor) noexcept : descriptor_(descriptor) {}
    unique_descriptor(unique_descriptor&& other) noexcept : descriptor_(other.release()) {}
    unique_descriptor& operator=(unique_descriptor&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~unique_descriptor() { reset(); }

    int get() const noexcept { return descriptor_; }
    operator lent_descriptor() const& noexcept { return lent_descriptor(descriptor_); }
    operator lent_descriptor() const&& = delete;  // it would be closed before it is used
    explicit operator bool() const noexcept { return descriptor_ >= 0; }
    int release() noexcept { return std::exchange(descriptor_, -1); }
    void reset(int descriptor = -1) noexcept;

 private:
    int descriptor_ = -1;
};

struct listen_options {
    int backlog = 4096;                    ///< bounded by net.core.somaxconn
    bool reuse_port = false;               ///< one of several listeners of the port; ENOTSUP on Windows
    bool ipv6_only = false;                ///< an IPv6 listener takes no IPv4: 0.0.0.0 may have the same port
    bool no_delay = true;                  ///< inherited by the accepted connections
    int fast_open_queue = 0;               ///< 0: off
    std::chrono::seconds defer_accept{0};  ///< accept when data has come, or after this; 0: off. A
                                           ///< hint: without effect where the system cannot (Windows)
    std::optional<socket_options::keep_alive_settings> keep_alive;  ///< inherited, like the rest
    std::chrono::milliseconds user_timeout{0};
    int send_buffer = 0;  ///< bytes; 0: the system's default
    int receive_buffer = 0;

    listen_options() noexcept = default;
};

/// A bound, listening, non-blocking socket. One that is bound to every address is for IPv4, too, unless
/// ipv6_only says otherwise; on a system without IPv6 "*" is every IPv4 address. Errors: EADDRINUSE, EACCES,
/// EADDRNOTAVAIL and the rest of bind(2).
result<unique_descriptor> listen_on(const address& where, const listen_options& options) noexcept;

/// Calls `bind` with `where`, and again with every IPv4 address if that is what "*" means on this system.
template <class Bind>
result<unique_descriptor> bind_every(const address& where, Bind bind) noexcept {
    auto made = bind(where);
    if (made || !where.is_every() || made.error() != std::errc::address_family_not_supported) return made;
    return bind(where.every_ipv4());
}

/// From here on nobody can connect any more, and what has connected is still there to be accepted: to a
/// client it is as if its first packet were lost. Without effect where the system cannot do that (Windows).
void refuse_connections(int listener) noexcept;

/// Whether accept would return a connection now.
bool has_connection_waiting(int listener) noexcept;

/// shutdown(2) of our direction: the peer reads end of stream after what was sent.
result<void> shutdown_send(int socket) noexcept;

/// Makes close drop what is unsent and reset the connection (SO_LINGER with zero): for peers that do not
/// read.
void reset_on_close(int socket) noexcept;

/// Bytes that a connection's sends have handed over and its peer's system has not acknowledged (SIOCOUTQ,
/// tcp(7)). 0 where the system does not tell (Windows, and other kinds of socket).
std::uint64_t unacknowledged(int socket) noexcept;

/// Whether the peer of a stream socket has ended its direction, or the connection, however much that was
/// received before it has not been read (POLLRDHUP). none where the system does not tell (Windows), and of
/// what is no socket.
enum class peer_end : std::uint8_t { none, in_order, reset };
peer_end end_of_peer(int socket) noexcept;

/// Descriptors that this process may have (RLIMIT_NOFILE); limits::handles where there is no such limit.
std::size_t descriptor_limit() noexcept;

/// A non-blocking stream socket for the family of `peer`, to be attached as descriptor_kind::socket.
result<unique_descriptor> stream_socket_for(const address& peer) noexcept;

/// Gives a socket that is to be connected its own address; with port 0, the port is chosen when it connects,
/// where the system can wait so long (IP_BIND_ADDRESS_NO_PORT: a search among many connections would be
/// slow). Errors: EADDRINUSE, EADDRNOTAVAIL and the rest of bind(2).
result<void> bind_before_connect(int socket, const address& from) noexcept;

/// A non-blocking datagram socket for the family of `where`, not bound yet. On Windows it is not told of
/// datagrams that had no taker, and shares its port with nobody.
result<unique_descriptor> datagram_socket_for(const address& where) noexcept;

struct udp_options {
    bool reuse_port = false;  ///< one of several sockets of the port; ENOTSUP on Windows
    bool ipv6_only = false;   ///< as in listen_options
    bool broadcast = false;   ///< may send to broadcast addresses
    int send_buffer = 0;      ///< bytes; 0: the system's default
    int receive_buffer = 0;   ///< what arrives while it is full is lost

    udp_options() noexcept = default;
};

/// A bound, non-blocking socket, to be attached as descriptor_kind::datagram. Bound to every address, it is
/// for IPv4 and IPv6 (see ipv6_only; "*" as with listen_on), and IPv4 peers have their mapped addresses.
/// Errors: EADDRINUSE, EACCES, EADDRNOTAVAIL and the rest of bind(2).
result<unique_descriptor> bind_datagram(const address& where, const udp_options& options = {}) noexcept;

}  // namespace naru
