// Where a run goes to: whether that is this machine, and whether something is there.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>
#include <naru/net/address.hpp>

#include <cstdint>

namespace naru::load {

/// Binds to an address of this machine (a sockaddr with port 0). On Linux to no port yet: it then has to be
/// free only towards the target, and looking for one stays cheap when tens of thousands are taken (ip(7),
/// IP_BIND_ADDRESS_NO_PORT). 0, or an errno value.
int bind_source(int socket, const void* source, std::uint32_t size) noexcept;

/// Whether connecting to `target` stays on this machine: its address can be bound here.
bool is_local(const address& target) noexcept;
bool is_loopback(const address& target) noexcept;

/// Whether something accepts connections there: one attempt to connect, closed at once; blocks. Errors: the
/// system's (ECONNREFUSED, ETIMEDOUT after `limit`).
result<void> probe(const address& target, duration limit);

}  // namespace naru::load
