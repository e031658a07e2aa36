// Where a socket is: an IPv4 or IPv6 address with a port.
#pragma once

#include <naru/core/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace naru {

/// A `sockaddr` by value.
class address {
 public:
    address() noexcept = default;

    /// "127.0.0.1:8080", "[::1]:8080", "[fe80::1%eth0]:8080" (a zone by its interface's name or number, on
    /// Windows its number: RFC 4007), ":8080" or "*:8080" (every IPv4 and IPv6 address: see is_every).
    /// Numbers only: names need a resolver. Errors: EINVAL; ENODEV if there is no interface of that name.
    static result<address> parse(std::string_view text) noexcept;

    /// A copy of the system's form. Errors: EAFNOSUPPORT if it is not an IPv4 or IPv6 address.
    static result<address> of(const void* sockaddr_bytes, std::uint32_t size) noexcept;

    /// The local or the peer's address of a socket. Errors: the system's (ENOTCONN); EAFNOSUPPORT if it is
    /// neither an IPv4 nor an IPv6 address.
    static result<address> local_of(int socket) noexcept;
    static result<address> peer_of(int socket) noexcept;

    const void* data() const noexcept { return storage_.data(); }
    /// At most 28 bytes.
    std::uint32_t size() const noexcept { return size_; }
    /// Whether it was written as "*" or without a host: what is bound to it serves IPv4 alone on a system
    /// without IPv6.
    bool is_every() const noexcept { return every_; }
    /// 0.0.0.0 with the same port.
    address every_ipv4() const noexcept;
    int family() const noexcept;
    std::uint16_t port() const noexcept;
    /// Whom it belongs to, as a number to count by: an IPv4 address (a mapped one, too), or the first 64 bits
    /// of an IPv6 address, because a single client has all that follow.
    std::uint64_t network() const noexcept;

    /// The same host (with its zone) and port: a flow label does not count, nor how `*` was written.
    bool operator==(const address& other) const noexcept;

    /// As parse takes it; the host alone, as an access log shows it. With the zone, if there is one.
    std::string text() const;
    std::string host_text() const;

 private:
    alignas(8) std::array<std::byte, 28> storage_{};  // sizeof(sockaddr_in6)
    std::uint8_t size_ = 0;
    bool every_ = false;
};

}  // namespace naru

/// For tables by peer: what is equal has the same.
template <>
struct std::hash<naru::address> {
    std::size_t operator()(const naru::address& of) const noexcept;
};
