#include <lab/machine_facts.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

std::string read_word_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

// "model name\t: X" of the first processor, "MemTotal: X".
std::string value_in(const char* path, std::string_view name) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        if (!line.starts_with(name)) continue;
        const std::size_t colon = line.find(':');
        if (colon == std::string::npos) continue;
        const std::size_t first = line.find_first_not_of(" \t", colon + 1);
        return first == std::string::npos ? std::string() : line.substr(first);
    }
    return {};
}

std::string siblings_of(int core) {
    return read_word_line(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", core));
}

std::string kernel_words() {
    utsname name{};
    return uname(&name) == 0 ? fmt::format("{} {}", name.sysname, name.release) : "unknown";
}

std::vector<int> read_usable_cores() {
    std::vector<int> cores;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return {0};
    for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(static_cast<unsigned>(core), &set)) cores.push_back(core);
    }
    return cores;
}

}  // namespace

const std::vector<int>& usable_cores() {
    static const std::vector<int> cores = read_usable_cores();
    return cores;
}

std::uint64_t available_memory() {
    return std::strtoull(value_in("/proc/meminfo", "MemAvailable").c_str(), nullptr, 10) * 1024;
}

std::string machine_words() {
    std::string processor = value_in("/proc/cpuinfo", "model name");
    if (processor.empty()) processor = "unknown processor";
    return fmt::format("{}, {} usable cores, {}", processor, usable_cores().size(), kernel_words());
}

std::vector<fact> machine_facts() {
    std::vector<fact> facts;
    const auto add = [&facts](std::string name, std::string value) {
        facts.push_back({std::move(name), value.empty() ? "unknown" : std::move(value)});
    };
    add("Processor", value_in("/proc/cpuinfo", "model name"));
    add("Usable cores", fmt::format("{}", usable_cores().size()));
    add("Hypervisor",
        value_in("/proc/cpuinfo", "flags").find("hypervisor") != std::string::npos ? "yes" : "none seen");
    add("Memory", value_in("/proc/meminfo", "MemTotal"));
    add("Kernel", kernel_words());
    add("Kernel build", read_word_line("/proc/sys/kernel/version"));
    add("Clock source", read_word_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) add("RLIMIT_NOFILE (hard)", fmt::format("{}", limit.rlim_max));
    for (const char* each :
         {"kernel/pid_max", "kernel/threads-max", "vm/max_map_count", "net/core/somaxconn",
          "net/ipv4/ip_local_port_range", "net/ipv4/tcp_congestion_control", "kernel/io_uring_disabled"})
        add(each, read_word_line(std::string("/proc/sys/") + each));
    return facts;
}

core_choice choose_cores() {
    const std::vector<int>& cores = usable_cores();
    core_choice chosen;
    chosen.server = {cores.front()};
    chosen.generator = {cores.back()};
    chosen.shared = cores.size() == 1;
    const std::string mine = siblings_of(cores.front());
    for (auto each = cores.rbegin(); each != cores.rend(); ++each) {
        if (*each == cores.front() || siblings_of(*each) == mine) continue;
        chosen.generator = {*each};
        break;
    }
    return chosen;
}

}  // namespace naru::lab
