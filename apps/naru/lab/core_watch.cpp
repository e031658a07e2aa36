#include <lab/core_watch.hpp>

#include <load/process_tree.hpp>
#include <load/text_file.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

core_watch::core_watch(std::vector<int> cores, int process) : cores_(std::move(cores)), process_(process) {
    busy_before_ = busy();
    used_before_ = load::read_cpu_time(load::process_tree(process_));
    from_ = std::chrono::steady_clock::now();
}

double core_watch::others() const {
    const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - from_).count() *
                           static_cast<double>(cores_.size());
    const duration used = load::read_cpu_time(load::process_tree(process_)) - used_before_;
    const double seconds = std::chrono::duration<double>(used).count();
    return elapsed > 0 ? std::max(0.0, busy() - busy_before_ - seconds) / elapsed : 0;
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
