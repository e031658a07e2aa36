// Networks as they are written with a prefix's length (CIDR, RFC 4632 and RFC 4291), and tables of them.
#pragma once

#include <naru/core/result.hpp>
#include <naru/os/address.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace naru {

/// The bits of a host's address, most significant first; IPv4 in the first four bytes. An IPv4 address that
/// is mapped into IPv6 is the IPv4 address.
struct host_bits {
    std::array<std::uint8_t, 16> bytes{};
    bool ipv4 = false;

    static host_bits of(const address& from) noexcept;
    std::strong_ordering operator<=>(const host_bits&) const = default;
};

class network {
 public:
    network() noexcept = default;

    /// "10.0.0.0/8", "2001:db8::/32", or one address without a length. Errors: EINVAL, also for bits that are
    /// set behind the prefix (10.0.0.1/8): a network was probably not meant.
    static result<network> parse(std::string_view text) noexcept;

    bool contains(const address& of) const noexcept;
    const host_bits& first() const noexcept { return first_; }
    host_bits last() const noexcept;
    unsigned length() const noexcept { return length_; }
    bool is_ipv4() const noexcept { return first_.ipv4; }
    bool operator==(const network&) const = default;

    std::string text() const;

 private:
    host_bits first_;
    unsigned length_ = 0;  // bits
};

/// What networks say, the most specific first; of two that are the same the later one. Immutable once made;
/// any thread. A look-up is a binary search, and allocates nothing.
class network_table {
 public:
    struct entry {
        network of;
        std::uint8_t says;
    };

    network_table() noexcept = default;
    explicit network_table(std::span<const entry> entries);

    bool empty() const noexcept { return ranges_.empty(); }
    /// What the most specific network with that address says; `otherwise` if there is none.
    std::uint8_t at(const address& of, std::uint8_t otherwise) const noexcept;

 private:
    struct range {  // up to the next one's first
        host_bits first;
        std::uint16_t says;
    };
    static constexpr std::uint16_t nothing = 256;

    std::vector<range> ranges_;  // by their first
};

}  // namespace naru
