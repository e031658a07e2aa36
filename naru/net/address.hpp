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

    /// "127.0.0.1:8080", "[::1]:8080", ":8080" or "*:8080" (every IPv4 and IPv6 address). Numbers only: names
    /// need a resolver. Errors: EINVAL.
    static result<address> parse(std::string_view text) noexcept;

    /// A copy of the system's form. Errors: EAFNOSUPPORT if it is not an IPv4 or IPv6 address.
    static result<address> of(const void* sockaddr_bytes, std::uint32_t size) noexcept;

    /// The local or the peer's address of a socket. Errors: the system's (ENOTCONN).
    static result<address> local_of(int socket) noexcept;
    static result<address> peer_of(int socket) noexcept;

    const void* data() const noexcept { return storage_.data(); }
    std::uint32_t size() const noexcept { return size_; }
    int family() const noexcept;
    std::uint16_t port() const noexcept;
    /// Whom it belongs to, as a number to count by: an IPv4 address (a mapped one, too), or the first 64 bits
    /// of an IPv6 address, because a single client has all that follow.
    std::uint64_t network() const noexcept;

    /// As parse takes it; the host alone, as an access log shows it.
    std::string text() const;
    std::string host_text() const;

 private:
    alignas(8) std::array<std::byte, 28> storage_{};  // sizeof(sockaddr_in6)
    std::uint32_t size_ = 0;
};

}  // namespace naru
