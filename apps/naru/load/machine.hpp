// What else happened on this machine: processor time of threads and of the hypervisor, full listen queues.
// Sources: proc(5), netstat(8), clock_getres(2). Windows tells a thread's own processor time (GetThreadTimes,
// in ticks of its clock), and none of the rest.
#pragma once

#include <naru/core/clock.hpp>

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

/// Makes the soft limit of descriptors the hard one; the limit that holds then. There is none on Windows.
std::size_t raise_descriptor_limit() noexcept;

}  // namespace naru::load
