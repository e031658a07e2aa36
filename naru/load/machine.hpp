// What else happened on this machine: processor time of threads and of the hypervisor, full listen queues.
// Sources: proc(5), netstat(8), clock_getres(2).
#pragma once

#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>
#include <naru/net/address.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace naru::load {

/// Of the calling thread since its start.
struct thread_counters {
    duration on_cpu{0};                   ///< CLOCK_THREAD_CPUTIME_ID
    std::optional<duration> waiting_cpu;  ///< runnable without a core (/proc/thread-self/schedstat)
};
thread_counters read_thread_counters() noexcept;

/// Of the machine (or this container) since its start.
struct machine_counters {
    std::optional<std::uint64_t> listen_overflows;  ///< TcpExt ListenOverflows in /proc/net/netstat
    std::optional<std::uint64_t> listen_drops;
    std::optional<std::uint64_t> steal_ticks;  ///< /proc/stat, all cores
    std::optional<std::uint64_t> all_ticks;
};
machine_counters read_machine_counters();

/// For tests: the parsers of the two files' text.
void parse_netstat(std::string_view text, machine_counters& into);
void parse_stat(std::string_view text, machine_counters& into);

/// Makes the soft limit of descriptors the hard one; the limit that holds then.
std::size_t raise_descriptor_limit() noexcept;

/// Whether connecting to `target` stays on this machine: its address can be bound here.
bool is_local(const address& target) noexcept;
bool is_loopback(const address& target) noexcept;

/// Whether something accepts connections there: a blocking connection attempt, closed at once. Errors: the
/// system's (ECONNREFUSED, ETIMEDOUT after `limit`).
result<void> probe(const address& target, duration limit) noexcept;

}  // namespace naru::load
