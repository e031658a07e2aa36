#include <load/machine.hpp>

#include <load/text_file.hpp>

#include <cstdio>
#include <ctime>
#include <string>

#include <sys/resource.h>

namespace naru::load {

thread_counters read_thread_counters() noexcept {
    thread_counters now;
    timespec used{};
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) == 0)
        now.on_cpu = std::chrono::seconds(used.tv_sec) + duration(used.tv_nsec);
    if (std::FILE* file = std::fopen("/proc/thread-self/schedstat", "re")) {
        unsigned long long on_cpu = 0;
        unsigned long long waiting = 0;
        if (std::fscanf(file, "%llu %llu", &on_cpu, &waiting) == 2)
            now.waiting_cpu = duration(static_cast<std::int64_t>(waiting));
        std::fclose(file);
    }
    return now;
}

machine_counters read_machine_counters() {
    machine_counters now;
    parse_netstat(read_whole("/proc/net/netstat"), now);
    parse_stat(read_whole("/proc/stat"), now);
    return now;
}

std::size_t raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    if (limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

}  // namespace naru::load
