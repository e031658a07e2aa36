// One program follows another: it serves as this one's child first, and then this one becomes it.
#include "limits.hpp"
#include "master.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::program {

namespace {

constexpr const char* variable = "NARU_HAND_OVER";

std::vector<std::string> own_arguments() {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    std::vector<std::string> all;
    for (std::string each; std::getline(file, each, '\0');)
        all.push_back(each);
    return all;
}

// As a shell would find it, so that what has been put in its place is found; never what a link led to then.
std::string program_of(const std::string& called) {
    if (called.find('/') != std::string::npos) return called;
    const char* const path = std::getenv("PATH");
    std::string_view left = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
    while (!left.empty()) {
        const std::size_t end = std::min(left.find(':'), left.size());
        std::string candidate = std::string(left.substr(0, end)) + "/" + called;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    return called;
}

int execute(const std::string& program, std::vector<std::string>& arguments) noexcept try {
    std::vector<char*> words;
    for (std::string& each : arguments)
        words.push_back(each.data());
    words.push_back(nullptr);
    ::execv(program.c_str(), words.data());
    return errno;
} catch (const std::bad_alloc&) {
    return ENOMEM;
}

int number_in(std::string_view& text) {
    const std::size_t end = std::min(text.find(' '), text.size());
    int value = -1;
    (void)std::from_chars(text.data(), text.data() + end, value);
    text.remove_prefix(std::min(end + 1, text.size()));
    return value;
}

}  // namespace

inheritance inheritance::take() {
    inheritance found;
    const char* const given = std::getenv(variable);
    if (given == nullptr) return found;
    const std::string text = given;
    ::unsetenv(variable);
    std::string_view left = text;
    while (!left.empty()) {
        const std::size_t end = std::min(left.find('\n'), left.size());
        std::string_view line = left.substr(0, end);
        left.remove_prefix(std::min(end + 1, left.size()));
        if (line == "worker") {
            found.as = role::worker;
        } else if (line == "master") {
            found.as = role::master;
        } else if (line.starts_with("process ")) {
            line.remove_prefix(8);
            process& known = found.workers.emplace_back();
            known.id = number_in(line);
            known.orders = number_in(line);
            known.logs = number_in(line);
            known.retired = number_in(line) == 1;
        } else if (line.starts_with("log ") && !found.workers.empty()) {
            found.workers.back().log_paths.emplace_back(line.substr(4));
        } else {
            own_listeners().add(line);
        }
    }
    own_listeners().close_on_exec(true);
    if (found.as == role::worker) own_listeners().leave_files();
    for (const process& each : found.workers) {
        for (const int channel : {each.orders, each.logs})
            (void)::fcntl(channel, F_SETFD, FD_CLOEXEC);
    }
    return found;
}

void master::begin_upgrade() {
    if (ending_ != 0) return;
    for (const worker& each : workers_) {
        if (each.is != state::on_trial) continue;
        return say_or_lose("SIGUSR2: a new program is being started already");
    }
    const bool starts =
        std::ranges::any_of(workers_, [](const worker& each) { return each.is == state::starting; });
    upgrade_waits_ = current() == nullptr || starts;  // until it serves
    if (upgrade_waits_) return;
    arguments_ = own_arguments();
    auto orders = make_channel();
    auto logs = make_channel();
    if (arguments_.empty() || !orders || !logs)
        return say_or_lose("SIGUSR2: the new program cannot be started: there is no descriptor left for it");
    program_ = program_of(arguments_.front());
    const pid_t id = ::fork();
    if (id == 0) become_trial(orders->second.get(), logs->second.get());
    if (id < 0)
        return say_or_lose(fmt::format("SIGUSR2: the new program cannot be started: {}",
                                       std::generic_category().message(errno)));
    worker& made = workers_.emplace_back();
    made.id = id;
    made.orders = std::move(orders->first);
    made.logs = std::move(logs->first);
    made.is = state::on_trial;
}

void master::become_trial(int orders, int logs) noexcept try {
    for (const int each : {orders, logs})
        (void)::fcntl(each, F_SETFD, 0);
    own_listeners().close_on_exec(false);
    const std::string text =
        fmt::format("worker\nprocess 0 {} {} 0\n{}", orders, logs, own_listeners().text());
    ::setenv(variable, text.c_str(), 1);
    const int error = execute(program_, arguments_);
    say_or_lose(fmt::format("cannot execute {}: {}", program_, std::generic_category().message(error)));
    ::_exit(127);
} catch (const std::bad_alloc&) {
    ::_exit(127);
}

void master::check_trial() {
    for (worker& each : workers_) {
        if (each.is != state::on_trial || each.killed ||
            std::chrono::steady_clock::now() - each.started < limits::upgrade_time)
            continue;
        say_or_lose(fmt::format("the new program does not serve after {} s", limits::upgrade_time.count()));
        ::kill(each.id, SIGKILL);
        each.killed = true;
    }
}

// The same process, as the service manager and PID 1 must have it.
void master::finish_upgrade(worker& tried) {
    if (ending_ != 0) return;
    std::string text = "master\n";
    const auto keep = [this](bool close) {
        own_listeners().close_on_exec(close);
        for (const worker& each : workers_) {
            for (const int channel : {each.orders.get(), each.logs.get()}) {
                if (channel >= 0) (void)::fcntl(channel, F_SETFD, close ? FD_CLOEXEC : 0);
            }
        }
    };
    const auto add = [&text](const worker& each, bool retired) {
        text += fmt::format("process {} {} {} {}\n", each.id, each.orders.get(), each.logs.get(),
                            retired ? 1 : 0);
        std::string logs;
        for (const std::string& path : each.log_paths)
            logs += fmt::format("log {}\n", path);
        if (!retired || text.size() + logs.size() <= limits::told_logs_bytes) text += logs;
    };
    for (const worker& each : workers_) {
        if (&each == &tried) continue;
        // It says so once it is told by the next master, which takes it for one that is.
        if (each.is != state::retired) (void)send_message(each.orders.get(), {message_kind::retire});
        add(each, true);
    }
    add(tried, false);
    text += own_listeners().text();
    keep(false);
    ::setenv(variable, text.c_str(), 1);
    const int error = execute(program_, arguments_);
    ::unsetenv(variable);
    keep(true);
    say_or_lose(
        fmt::format("cannot execute {}: {}; it serves, and the process that watches it is the old one",
                    program_, std::generic_category().message(error)));
    tried.is = state::serving;
    retire_others(tried);
}

}  // namespace naru::program
