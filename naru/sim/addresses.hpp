// What the simulated network asks of an address.
#pragma once

#include <naru/os/address.hpp>

#include <cstdint>

namespace naru::sim {

bool is_ipv4(const address& of) noexcept;
/// 0.0.0.0 or [::].
bool is_wildcard(const address& of) noexcept;
/// 127.0.0.0/8 or [::1].
bool is_loopback(const address& of) noexcept;
bool same_host(const address& one, const address& other) noexcept;
address with_port(const address& of, std::uint16_t port) noexcept;

}  // namespace naru::sim
