#include <lab/core_watch.hpp>

#include <load/process_tree.hpp>
#include <load/text_file.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

core_watch::core_watch(std::vector<int> cores, int process) : cores_(std::move(cores)), process_(process) {
    busy_before_ = busy();
    used_before_ = used();
    from_ = std::chrono::steady_clock::now();
}

double core_watch::others() const {
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - from_).count() *
                           static_cast<double>(cores_.size());
    const double seconds = std::chrono::duration<double>(used() - used_before_).count();
    return elapsed > 0 ? std::max(0.0, busy() - busy_before_ - seconds) / elapsed : 0;
}

duration core_watch::used() const {
    std::vector<int> tree = load::process_tree(process_);
    if (process_ != getpid() || tree.empty()) return load::read_cpu_time(tree);
    // Of this process's own children those that have ended are known to the microsecond, and elsewhere in
    // ticks.
    tree.erase(tree.begin());
    duration all = load::read_cpu_time(tree);
    for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
        rusage spent{};
        getrusage(who, &spent);
        for (const timeval& part : {spent.ru_utime, spent.ru_stime})
            all += std::chrono::seconds(part.tv_sec) + std::chrono::microseconds(part.tv_usec);
    }
    return all;
}

// proc_stat(5)
double core_watch::busy() const {
    const std::string text = load::read_whole("/proc/stat");
    double ticks = 0;
    for (const int core : cores_) {
        const std::size_t line = text.find(fmt::format("cpu{} ", core));
        unsigned long long user = 0;
        unsigned long long nice = 0;
        unsigned long long system = 0;
        if (line == std::string::npos ||
            std::sscanf(text.c_str() + line, "%*s %llu %llu %llu", &user, &nice, &system) != 3)
            return 0;
        ticks += static_cast<double>(user + nice + system);
    }
    return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace naru::lab
