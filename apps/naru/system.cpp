#include "system.hpp"

#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::program {

namespace {

struct named_signal {
    int number;
    const char* name;
    bool ends;        // else: logs are opened anew, or nothing
    bool of_servers;  // only
};
constexpr named_signal signals[] = {
    {SIGTERM, "SIGTERM", true, false}, {SIGINT, "SIGINT", true, false},   {SIGQUIT, "SIGQUIT", true, true},
    {SIGHUP, "SIGHUP", false, true},   {SIGUSR1, "SIGUSR1", false, true}, {SIGUSR2, "SIGUSR2", false, true},
    {SIGTTOU, "SIGTTOU", false, true},
};

sigset_t set_of_signals(bool of_server) {
    sigset_t set;
    sigemptyset(&set);
    for (const named_signal& each : signals) {
        if (of_server || !each.of_servers) sigaddset(&set, each.number);
    }
    return set;
}

const named_signal* find_signal(int number) {
    for (const named_signal& each : signals) {
        if (each.number == number) return &each;
    }
    return nullptr;
}

// For what was closed when the process began: a descriptor that fails like it, whose number nobody else gets.
void open_standard_descriptors() noexcept {
    for (int each = STDIN_FILENO; each <= STDERR_FILENO; ++each) {
        if (fcntl(each, F_GETFD) >= 0) continue;
        // The lowest free number is this one.
        int opened = ::open("/dev/null", each == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        if (opened < 0) opened = ::socket(AF_UNIX, SOCK_DGRAM, 0);  // no /dev here
        if (opened != each) _exit(1);
    }
}

// A handler and not SIG_IGN, which a program that is started would inherit.
void survive(int number) noexcept {
    struct sigaction nothing{};
    nothing.sa_handler = [](int) {};
    nothing.sa_flags = SA_RESTART;
    sigaction(number, &nothing, nullptr);
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

void begin_process() noexcept {
    open_standard_descriptors();
    system_calls::ignore_sigpipe();
    survive(SIGXFSZ);
}

ending::ending() : ending(std::function<void()>()) {}

ending::ending(std::function<void()> reopen) : reopen_(std::move(reopen)) {
    const sigset_t set = set_of_signals(static_cast<bool>(reopen_));
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

// Without a request, nobody looks for one any more.
ending::~ending() {
    if (exit_status_ != 0) return;
    const sigset_t set = set_of_signals(static_cast<bool>(reopen_));
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

std::string ending::wait() {
    std::string request;
    while (request.empty())
        request = wait_for(std::chrono::hours(1));
    return request;
}

std::string ending::wait_for(std::chrono::milliseconds at_most) {
    const sigset_t set = set_of_signals(static_cast<bool>(reopen_));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(at_most);
    const timespec limit{.tv_sec = seconds.count(), .tv_nsec = (at_most - seconds).count() * 1'000'000};
    const int which = sigtimedwait(&set, nullptr, &limit);
    const named_signal* const found = find_signal(which);
    if (found == nullptr) return {};
    if (!found->ends) {
        if (which == SIGHUP && reload_) {
            reload_();
        } else if (which == SIGHUP || which == SIGUSR1) {
            reopen_();
        }
        return {};
    }
    exit_status_ = 128 + which;
    const char* const own = own_request_.load(std::memory_order_acquire);
    return own != nullptr ? own : found->name;
}

void ending::request(const char* why) noexcept {
    own_request_.store(why, std::memory_order_release);
    ::kill(::getpid(), SIGTERM);
}

void ending::end_at_once_next_time() {
    std::thread([set = set_of_signals(static_cast<bool>(reopen_))] {
        while (true) {
            int again = 0;
            if (sigwait(&set, &again) != 0) return;
            const named_signal* const found = find_signal(again);
            if (found != nullptr && found->ends) _exit(128 + again);
        }
    }).detach();
}

std::string why_not_appended_to(const std::string& path, bool by_this_user, bool follows_links) {
    struct stat found{};
    if ((follows_links ? ::stat(path.c_str(), &found) : ::lstat(path.c_str(), &found)) == 0) {
        if (S_ISDIR(found.st_mode)) return "it is a directory, and a file is wanted";
        if (S_ISLNK(found.st_mode)) return "it is a symbolic link, and none is followed";
        if (!by_this_user || ::access(path.c_str(), W_OK) == 0) return {};
        return std::generic_category().message(errno);
    }
    if (errno != ENOENT && errno != ENOTDIR)
        return by_this_user ? std::generic_category().message(errno) : "";
    const std::size_t slash = path.rfind('/');
    const std::string directory =
        slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
    if (::stat(directory.c_str(), &found) != 0 || !S_ISDIR(found.st_mode))
        return fmt::format("there is no directory {}", directory);
    if (!by_this_user || ::access(directory.c_str(), W_OK | X_OK) == 0) return {};
    return fmt::format("no file can be made in {}: {}", directory, std::generic_category().message(errno));
}

bool is_user(const std::string& name) { return ::getpwnam(name.c_str()) != nullptr; }

const char* signals_text() noexcept {
    return "SIGTERM, SIGINT and SIGQUIT: finish what is in flight and end; a second one: end at once.\n"
           "SIGHUP: read the configuration again, and open the access log anew. SIGUSR1: the log alone. "
           "SIGUSR2: the program that is at its place by now takes over, with its sockets (naru upgrade); "
           "with --no-sandbox: nothing.";
}

}  // namespace naru::program
