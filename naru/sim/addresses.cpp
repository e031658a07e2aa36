#include <naru/sim/addresses.hpp>

#include <naru/os/os_sockets.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>

namespace naru::sim {

namespace {

// sockaddr_in and sockaddr_in6 have the port at the same place on every system.
constexpr std::size_t port_offset = 2;

std::span<const std::byte> host_bytes(const address& of) noexcept {
    const auto* const all = static_cast<const std::byte*>(of.data());
    if (is_ipv4(of)) return {all + 4, 4};
    return {all + 8, 16};
}

bool is_zero(std::byte each) noexcept { return each == std::byte{0}; }

}  // namespace

bool is_ipv4(const address& of) noexcept { return of.family() == AF_INET; }

bool is_wildcard(const address& of) noexcept { return std::ranges::all_of(host_bytes(of), is_zero); }

bool is_loopback(const address& of) noexcept {
    const auto bytes = host_bytes(of);
    if (is_ipv4(of)) return bytes.front() == std::byte{127};
    return std::ranges::all_of(bytes.first(15), is_zero) && bytes.back() == std::byte{1};
}

bool same_host(const address& one, const address& other) noexcept {
    return std::ranges::equal(host_bytes(one), host_bytes(other));
}

address with_port(const address& of, std::uint16_t port) noexcept {
    std::array<std::byte, 28> changed{};
    std::memcpy(changed.data(), of.data(), of.size());
    changed[port_offset] = static_cast<std::byte>(port >> 8);
    changed[port_offset + 1] = static_cast<std::byte>(port & 0xffu);
    return address::of(changed.data(), of.size()).value_or(of);
}

}  // namespace naru::sim
