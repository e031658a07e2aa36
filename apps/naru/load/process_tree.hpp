// What a server on this machine uses while it is under load: the processor time and the memory of a process
// and of all its descendants (nginx and Apache work in children). Sources: proc(5), clock_getcpuclockid(3);
// on Windows the process list (CreateToolhelp32Snapshot), GetProcessTimes and GetProcessMemoryInfo.
#pragma once

#include <naru/core/clock.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

namespace naru::load {

struct process_memory {
    /// Anonymous and shared pages, shared ones in equal parts (Pss). Windows: what was committed for it
    /// alone.
    std::uint64_t user_bytes = 0;
    /// Of the machine: slabs, stacks, page tables and socket buffers. Not known on Windows.
    std::optional<std::uint64_t> kernel_bytes;
};

/// One line of /proc/PID/stat, as far as it is used. For tests, too; not on Windows.
struct process_line {
    int parent = 0;
    std::uint64_t child_ticks = 0;  ///< cutime and cstime
    std::uint64_t threads = 0;
};
std::optional<process_line> parse_process_line(std::string_view text);

/// `root` and those it has started, and theirs. Empty when it is gone.
std::vector<int> process_tree(int root);
/// The walk behind it, over `children` by their parents.
std::vector<int> descend_from(int root, const std::multimap<int, int>& children);

/// What the processes have used since their start, and what the first one's children had used when they
/// ended: the first to the nanosecond, the second in clock ticks. Microseconds for each process. Windows: in
/// clock ticks, and without what has ended.
duration read_cpu_time(const std::vector<int>& tree);

/// Milliseconds for a process with thousands of threads.
process_memory read_memory(const std::vector<int>& tree);
std::uint64_t count_threads(const std::vector<int>& tree);

}  // namespace naru::load
