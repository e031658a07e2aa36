// Where a run goes to: whether that is this machine, and whether something is there.
#pragma once

#include <load/tls.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>
#include <naru/os/address.hpp>

namespace naru::load {

/// Binds to an address of this machine with port 0: which one is left to the connect where the system can
/// (socket_options::bind_without_port). 0, or an errno value.
int bind_source(int socket, const address& source) noexcept;

/// Whether connecting to `target` stays on this machine: its address can be bound here.
bool is_local(const address& target) noexcept;
bool is_loopback(const address& target) noexcept;

/// Whether something accepts connections there: one attempt to connect, closed at once; blocks. Errors: the
/// system's (ECONNREFUSED, ETIMEDOUT after `limit`).
result<void> probe(const address& target, duration limit);

/// The same with a TLS handshake behind it. The error says in words what it has failed for.
or_words<void> probe_tls(const address& target, const tls_options& with, duration limit);

}  // namespace naru::load
