#include "system.hpp"

#include <csignal>
#include <thread>

#include <sched.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace naru::program {

namespace {

sigset_t ending_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

}  // namespace

unsigned usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    const int count = CPU_COUNT(&set);
    return count > 0 ? static_cast<unsigned>(count) : 1;
}

unsigned configured_cores() {
    const long count = sysconf(_SC_NPROCESSORS_CONF);
    return count > 0 ? static_cast<unsigned>(count) : 1;
}

std::string system_text() {
    utsname names{};
    uname(&names);
    return std::string(names.sysname) + " " + names.release + " (" + names.machine + ")";
}

std::pair<int, int> connected_pair() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0) return {-1, -1};
    return {ends[0], ends[1]};
}

ending::ending() {
    const sigset_t set = ending_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

ending::~ending() = default;

std::string ending::wait() {
    std::string request;
    while (request.empty())
        request = wait_for(std::chrono::hours(1));
    return request;
}

std::string ending::wait_for(std::chrono::milliseconds at_most) {
    const sigset_t set = ending_signals();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(at_most);
    const timespec limit{.tv_sec = seconds.count(), .tv_nsec = (at_most - seconds).count() * 1'000'000};
    const int which = sigtimedwait(&set, nullptr, &limit);
    if (which <= 0) return {};
    exit_status_ = 128 + which;
    return which == SIGINT ? "SIGINT" : "SIGTERM";
}

void ending::end_at_once_next_time() {
    std::thread([] {
        const sigset_t set = ending_signals();
        int again = 0;
        sigwait(&set, &again);
        _exit(128 + again);
    }).detach();
}

}  // namespace naru::program
