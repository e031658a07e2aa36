#include <lab/process.hpp>

#include <lab/machine_facts.hpp>
#include <load/target.hpp>
#include <load/text_file.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto poll_interval = 5ms;

// In the child, between fork and exec: calls that are safe there only (signal-safety(7)).
[[noreturn]] void become(char* const* words, const cpu_set_t& cores, int output, int errors, pid_t parent) {
    setpgid(0, 0);
    // Before the next line: a signal that came to this process's inherited handler would be lost with execv.
    // And the last one may be ignored since before this program began, which execv hands on.
    for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGPIPE})
        ::signal(each, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127);  // it died before the line above
    sched_setaffinity(0, sizeof cores, &cores);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(output, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    execv(words[0], words);
    _exit(127);
}

}  // namespace

process::process(const command& what, const std::string& error_file) : error_file_(error_file) {
    if (access(what.words.front().c_str(), X_OK) != 0)
        throw std::runtime_error(
            fmt::format("cannot run {}: {}", what.words.front(), std::generic_category().message(errno)));
    std::vector<char*> words;
    words.reserve(what.words.size() + 1);
    for (const std::string& each : what.words)
        words.push_back(const_cast<char*>(each.c_str()));
    words.push_back(nullptr);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (const int each : what.cores.empty() ? usable_cores() : what.cores)
        CPU_SET(static_cast<unsigned>(each), &cores);
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot make a pipe");
    output_.reset(ends[0]);
    const unique_descriptor write_end(ends[1]);
    const unique_descriptor errors(
        ::open(error_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    if (!errors) throw std::runtime_error(fmt::format("cannot write {}", error_file));
    const pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot start a process");
    if (pid_ == 0) become(words.data(), cores, write_end.get(), errors.get(), parent);
    setpgid(pid_, pid_);  // here, too: whoever is first
}

process::~process() { end(); }

bool process::fill(steady::time_point until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady::now());
    pollfd readable{output_.get(), POLLIN, 0};
    const int ready = ::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) return true;
    if (ready <= 0) return false;
    std::array<char, 4096> bytes;
    const ssize_t size = ::read(output_.get(), bytes.data(), bytes.size());
    if (size <= 0) return false;
    buffered_.append(bytes.data(), static_cast<std::size_t>(size));
    return true;
}

std::string process::read_line(std::chrono::milliseconds at_most) {
    const auto until = steady::now() + at_most;
    std::size_t end = 0;
    while ((end = buffered_.find('\n')) == std::string::npos) {
        if (!fill(until)) return {};
    }
    std::string line = buffered_.substr(0, end);
    buffered_.erase(0, end + 1);
    return line;
}

std::string process::read_all(std::chrono::milliseconds at_most) {
    const auto until = steady::now() + at_most;
    while (fill(until)) {
    }
    if (!wait_until(until)) end();
    return std::exchange(buffered_, {});
}

bool process::running() {
    if (reaped_) return false;
    int status = 0;
    const pid_t ended = waitpid(pid_, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno != ECHILD)) return true;
    reaped_ = true;
    if (ended < 0) return false;  // SIGCHLD is ignored: its status is lost
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return false;
}

bool process::wait_until(steady::time_point until) {
    while (running()) {
        if (steady::now() >= until) return false;
        (void)::poll(nullptr, 0, static_cast<int>(poll_interval.count()));
    }
    return true;
}

void process::end(std::chrono::milliseconds patience) {
    if (running()) {
        ::kill(pid_, SIGTERM);
        if (!wait_until(steady::now() + patience)) ::kill(pid_, SIGKILL);
        (void)wait_until(steady::now() + 5s);
    }
    // Children that it has left behind: the group is its own.
    ::kill(-pid_, SIGKILL);
    const auto until = steady::now() + 2s;
    while (::kill(-pid_, 0) == 0 && steady::now() < until)
        (void)::poll(nullptr, 0, static_cast<int>(poll_interval.count()));
}

std::string process::last_words(std::size_t lines) const {
    const std::string text = load::read_whole(error_file_);
    std::string_view rest = text;
    while (rest.ends_with('\n'))
        rest.remove_suffix(1);
    std::size_t first = rest.size();
    for (std::size_t line = 0; line < lines && first != std::string_view::npos && first > 0; ++line)
        first = rest.rfind('\n', first - 1);
    return std::string(first == std::string_view::npos || first == 0 ? rest : rest.substr(first + 1));
}

std::string find_program(const std::string& name) {
    const char* const path = std::getenv("PATH");
    std::string places = fmt::format("{}:/usr/local/sbin:/usr/sbin:/usr/bin", path == nullptr ? "" : path);
    std::string_view rest = places;
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(':'), rest.size());
        const std::string candidate = fmt::format("{}/{}", rest.substr(0, end), name);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (candidate.front() == '/' && candidate[1] != '/' && access(candidate.c_str(), X_OK) == 0)
            return candidate;
    }
    return {};
}

std::uint16_t free_port() {
    const auto loopback = address::parse("127.0.0.1:0");
    const auto listening = listen_on(*loopback, {});
    if (!listening) throw std::system_error(listening.error(), "no port of 127.0.0.1 can be had");
    return address::local_of(listening->get())->port();
}

bool wait_for_port(process& server, std::uint16_t port, std::chrono::milliseconds at_most) {
    const auto there = address::parse(fmt::format("127.0.0.1:{}", port));
    const auto until = steady::now() + at_most;
    while (server.running() && steady::now() < until) {
        if (load::probe(*there, 200ms)) return true;
        (void)::poll(nullptr, 0, static_cast<int>(poll_interval.count()));
    }
    return false;
}

}  // namespace naru::lab
