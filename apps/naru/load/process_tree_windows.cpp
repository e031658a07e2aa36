#include <load/process_tree.hpp>

#include <naru/os/windows_api.hpp>

#include <memory>
#include <type_traits>

#include <psapi.h>
#include <tlhelp32.h>

namespace naru::load {

namespace {

struct handle_closer {
    void operator()(HANDLE open) const noexcept { CloseHandle(open); }
};
using open_handle = std::unique_ptr<std::remove_pointer_t<HANDLE>, handle_closer>;

open_handle open_process(int number) noexcept {
    return open_handle(
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | PROCESS_VM_READ, FALSE, static_cast<DWORD>(number)));
}

struct process_times {
    duration began{0};  // on a scale of its own
    duration on_cpu{0};
};

std::optional<process_times> times_of(int number) noexcept {
    const open_handle process = open_process(number);
    FILETIME began;
    FILETIME ended;
    FILETIME kernel;
    FILETIME user;
    if (process == nullptr || !GetProcessTimes(process.get(), &began, &ended, &kernel, &user))
        return std::nullopt;
    return process_times{windows::duration_of(began),
                         windows::duration_of(kernel) + windows::duration_of(user)};
}

std::map<int, PROCESSENTRY32W> list_processes() {
    std::map<int, PROCESSENTRY32W> all;
    const HANDLE taken = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    if (taken == INVALID_HANDLE_VALUE) return all;
    const open_handle snapshot(taken);
    PROCESSENTRY32W entry{};
    entry.dwSize = sizeof entry;
    for (BOOL more = Process32FirstW(taken, &entry); more; more = Process32NextW(taken, &entry))
        all.emplace(static_cast<int>(entry.th32ProcessID), entry);
    return all;
}

}  // namespace

// A parent's number outlives it, and may be somebody else's by now: who began later is no parent.
std::vector<int> process_tree(int root) {
    const auto all = list_processes();
    if (!all.contains(root)) return {};
    std::multimap<int, int> children;
    for (const auto& [number, entry] : all) {
        const int parent = static_cast<int>(entry.th32ParentProcessID);
        const auto times = times_of(number);
        const auto parents = times_of(parent);
        if (times && parents && parent != number && parents->began <= times->began)
            children.emplace(parent, number);
    }
    return descend_from(root, children);
}

duration read_cpu_time(const std::vector<int>& tree) {
    duration all{0};
    for (const int number : tree)
        all += times_of(number).value_or(process_times()).on_cpu;
    return all;
}

process_memory read_memory(const std::vector<int>& tree) {
    process_memory all;
    for (const int number : tree) {
        PROCESS_MEMORY_COUNTERS used{};
        const open_handle process = open_process(number);
        if (process != nullptr && K32GetProcessMemoryInfo(process.get(), &used, sizeof used))
            all.user_bytes += used.PagefileUsage;  // its commit charge
    }
    return all;
}

std::uint64_t count_threads(const std::vector<int>& tree) {
    const auto processes = list_processes();
    std::uint64_t all = 0;
    for (const int number : tree) {
        if (const auto found = processes.find(number); found != processes.end())
            all += found->second.cntThreads;
    }
    return all;
}

}  // namespace naru::load
