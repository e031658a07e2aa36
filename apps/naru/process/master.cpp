#include "master.hpp"

#include "limits.hpp"
#include "notify.hpp"

#include <naru/http/limits.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <sys/fsuid.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

namespace naru::program {

namespace {

using clock_type = std::chrono::steady_clock;

// No link at the end of the path: who may write in the directory does not choose which file is written.
int open_log_file(const std::string& path, const std::optional<std::string>& user) noexcept {
    const int links = path.starts_with("/dev/") ? 0 : O_NOFOLLOW;
    const passwd* const found = user ? ::getpwnam(user->c_str()) : nullptr;
    const uid_t own_user = ::geteuid();
    const gid_t own_group = ::getegid();
    if (found != nullptr) {
        ::setfsgid(found->pw_gid);
        ::setfsuid(found->pw_uid);
    }
    const int opened =
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | links, 0644);
    const int error = errno;
    if (found != nullptr) {
        ::setfsuid(own_user);
        ::setfsgid(own_group);
    }
    errno = error;
    return opened;
}

}  // namespace

void say_or_lose(std::string_view line) noexcept try {
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    if (::poll(&room, 1, 0) != 1 || (room.revents & POLLOUT) == 0) return;
    const std::string text = fmt::format("naru: {}\n", line);
    (void)!::write(STDERR_FILENO, text.data(), text.size());
} catch (const std::bad_alloc&) {
    return;
}

std::string how_it_ended(int status) {
    if (WIFSIGNALED(status))
        return fmt::format("by signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
    return fmt::format("with status {}", WEXITSTATUS(status));
}

master::master(settings given) : settings_(std::move(given)), restart_delay_(limits::first_restart) {
    sigemptyset(&signals_);
    for (const int each : {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGTTOU, SIGCHLD})
        sigaddset(&signals_, each);
    sigprocmask(SIG_BLOCK, &signals_, nullptr);
    signal_descriptor_.reset(::signalfd(-1, &signals_, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signal_descriptor_) throw std::runtime_error("there is no descriptor left to begin with");
    watchdog_ = watchdog_interval();
}

master::~master() {
    if (!child_ && settings_.pid_file) (void)::unlink(settings_.pid_file->c_str());
}

void master::write_pid_file() {
    if (!settings_.pid_file) return;
    const std::string text = fmt::format("{}\n", ::getpid());
    {
        std::ifstream before(*settings_.pid_file);
        std::string line;
        if (std::getline(before, line) && line + '\n' == text) return;  // of the program before
    }
    const unique_descriptor file(
        ::open(settings_.pid_file->c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw std::runtime_error(
            fmt::format("cannot write {}: {}", *settings_.pid_file, std::generic_category().message(errno)));
}

std::pair<unique_descriptor, unique_descriptor> master::take_channels() noexcept {
    return std::move(*child_);
}

master::worker* master::current() noexcept {
    const auto found = std::ranges::find_if(
        workers_, [](const worker& each) { return each.is == state::starting || each.is == state::serving; });
    return found == workers_.end() ? nullptr : &*found;
}

// What serves goes on serving, whatever is wrong with the settings by now.
void master::resume(const inheritance& from) {
    was_ready_ = true;
    try {
        write_pid_file();
    } catch (const std::exception& wrong) {
        say_or_lose(wrong.what());
    }
    for (const inheritance::process& each : from.workers) {
        worker& known = workers_.emplace_back();
        known.id = each.id;
        known.orders.reset(each.orders);
        known.logs.reset(each.logs);
        known.is = each.retired ? state::retired : state::serving;
        known.log_paths = each.log_paths;
        known.names_logs = false;
        for (const int end : {each.orders, each.logs})
            (void)::fcntl(end, F_SETFD, FD_CLOEXEC);
    }
    // What runs in between, as a shell with a script about the program, may wait for children of its own and
    // get these.
    for (const inheritance::process& each : from.workers) {
        int status = 0;
        if (::waitpid(each.id, &status, WNOHANG) != 0) take_end(each.id, status);
    }
    if (worker* const serving = current()) retire_others(*serving);
    notify_manager("READY=1");
}

// True in the child.
bool master::start_worker() {
    start_at_.reset();
    auto orders = make_channel();
    auto logs = make_channel();
    const pid_t id = orders && logs ? ::fork() : -1;
    if (id == 0) {
        own_listeners().leave_files();
        child_.emplace(std::move(orders->second), std::move(logs->second));
        workers_.clear();
        signal_descriptor_.reset();
        return true;
    }
    if (id < 0) {
        if (!was_ready_) throw std::runtime_error("no worker process can be had: the limits of this machine");
        if (current() != nullptr) {  // which goes on, and is asked again later
            plans_->settle(false);
            renewing_ = true;
            renew_not_before_ = clock_type::now() + limits::longest_restart;
            return false;
        }
        start_at_ = clock_type::now() + limits::longest_restart;
        return false;
    }
    worker& made = workers_.emplace_back();
    made.id = id;
    made.orders = std::move(orders->first);
    made.logs = std::move(logs->first);
    return false;
}

// Whether a fresh worker is to be started: one that is asked for, of settings that are good.
bool master::renews() noexcept {
    if (!renewing_ || !may_renew()) return false;
    renewing_ = false;
    try {
        plans_->renew();
        return true;
    } catch (const std::exception& wrong) {
        say_or_lose(std::string(wrong.what()) + "; what was read before stays");
    }
    renew_not_before_ = clock_type::now() + limits::longest_restart;
    return false;
}

std::optional<int> master::run(plans& next) {
    plans_ = &next;
    if (current() == nullptr && start_worker()) return std::nullopt;
    reap();
    while (true) {
        if (workers_.empty() && !start_at_) return status_.value_or(ending_ == 0 ? 1 : 0);
        wait_for_events();
        watch();
        check_trial();
        if (upgrade_waits_) begin_upgrade();
        if (start_at_ && current() != nullptr) start_at_.reset();
        if (start_at_ && clock_type::now() >= *start_at_ && start_worker()) return std::nullopt;
        if (renews() && start_worker()) return std::nullopt;
    }
}

// One at a time, and not over and over.
bool master::may_renew() const noexcept {
    return clock_type::now() >= renew_not_before_ && std::ranges::none_of(workers_, [](const worker& each) {
               return each.is == state::starting || each.is == state::on_trial;
           });
}

void master::wait_for_events() {
    std::vector<pollfd> looked_at{{signal_descriptor_.get(), POLLIN, 0}};
    for (const worker& each : workers_) {
        looked_at.push_back({each.orders.get(), POLLIN, 0});
        looked_at.push_back({each.logs.get(), POLLIN, 0});
    }
    auto until = clock_type::now() + std::chrono::hours(1);
    if (start_at_) until = std::min(until, *start_at_);
    if (watchdog_) until = std::min(until, watch_at_);
    if (renewing_ && renew_not_before_ > clock_type::now()) until = std::min(until, renew_not_before_);
    for (const worker& each : workers_) {
        if (each.is == state::on_trial && !each.killed)
            until = std::min(until, each.started + limits::upgrade_time);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - clock_type::now()).count();
    if (::poll(looked_at.data(), looked_at.size(), static_cast<int>(std::max<long long>(left, 0))) <= 0)
        return;
    for (std::size_t index = 0; index < workers_.size(); ++index) {
        worker& from = workers_[index];
        if (looked_at[1 + 2 * index].revents != 0) {
            const auto got = receive_message(from.orders.get());
            got ? on_order(from, got->what) : from.orders.reset();
        }
        if (looked_at[2 + 2 * index].revents != 0) {
            const auto got = receive_message(from.logs.get());
            got ? give_log(from, got->text) : from.logs.reset();
        }
    }
    if (looked_at[0].revents == 0) return;
    signalfd_siginfo seen{};
    while (::read(signal_descriptor_.get(), &seen, sizeof seen) == static_cast<ssize_t>(sizeof seen))
        on_signal(static_cast<int>(seen.ssi_signo));
}

void master::on_signal(int which) {
    switch (which) {
        case SIGTERM:
        case SIGINT:
        case SIGQUIT:
            return ending_ != 0 ? end_at_once(which) : begin_end(which);
        case SIGHUP:
        case SIGUSR1:
            if (which == SIGHUP && current() != nullptr && ending_ == 0) {
                reloading_ = true;
                renew_not_before_ = {};  // somebody waits for it
                notify_reloading();
            }
            for (const worker& each : workers_) {
                if (each.is != state::on_trial)
                    (void)send_message(each.orders.get(), {message_kind::reopen, which});
            }
            return;
        case SIGUSR2:
            return begin_upgrade();
        case SIGCHLD:
            return reap();
        default:
            return;
    }
}

void master::begin_end(int which) {
    ending_ = which;
    start_at_.reset();
    renewing_ = false;
    notify_manager("STOPPING=1");
    for (const worker& each : workers_) {
        if (each.is == state::on_trial) {
            ::kill(each.id, SIGKILL);
        } else {
            (void)send_message(each.orders.get(), {message_kind::end, which});
        }
    }
    if (current() == nullptr) own_listeners().close();
}

void master::end_at_once(int which) {
    for (const worker& each : workers_)
        ::kill(each.id, SIGKILL);
    const auto until = clock_type::now() + limits::kill_time;
    std::size_t left = workers_.size();
    while (left > 0 && clock_type::now() < until) {
        int status = 0;
        const pid_t gone = ::waitpid(-1, &status, WNOHANG);
        if (gone < 0) break;
        if (gone > 0) {
            --left;
        } else {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    }
    own_listeners().close();  // and the files of those that were bound here
    if (settings_.pid_file) (void)::unlink(settings_.pid_file->c_str());
    ::_exit(128 + which);
}

void master::reap() {
    int status = 0;
    while (true) {
        const pid_t gone = ::waitpid(-1, &status, WNOHANG);
        if (gone <= 0) return;
        take_end(gone, status);
    }
}

void master::take_end(pid_t gone, int status) {
    const auto found = std::ranges::find(workers_, gone, &worker::id);
    if (found == workers_.end()) return;  // a child of another's, as of PID 1
    while (found->orders) {               // what it has said in the end
        const auto got = receive_message(found->orders.get());
        got ? on_order(*found, got->what) : found->orders.reset();
    }
    worker ended = std::move(*found);
    workers_.erase(found);
    on_end(ended, status);
}

void master::on_end(worker& ended, int status) {
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (ended.is == state::on_trial) {
        if (ending_ == 0)
            say_or_lose(fmt::format("the new program has ended {} instead of serving; this one goes on",
                                    how_it_ended(status)));
        return;
    }
    if (ended.is == state::retired) {
        if (code != 0)
            say_or_lose(fmt::format("a worker that had retired has ended {}", how_it_ended(status)));
        return;
    }
    if (ended.is == state::starting) plans_->settle(false);
    if (ended.is == state::starting && current() != nullptr) {
        renew_not_before_ = clock_type::now() + limits::longest_restart;
        if (ending_ == 0)
            say_or_lose(
                fmt::format("a fresh worker has ended {}; the one before goes on", how_it_ended(status)));
        return;
    }
    if (ending_ != 0 || ended.ends || !was_ready_) {
        status_ = code;
        if (ending_ == 0) begin_end(SIGTERM);
        return;
    }
    if (clock_type::now() - ended.started > limits::worker_is_well) restart_delay_ = limits::first_restart;
    say_or_lose(fmt::format("the worker has ended {}; the next one starts in {} s", how_it_ended(status),
                            static_cast<double>(restart_delay_.count()) / 1000));
    start_at_ = clock_type::now() + restart_delay_;
    restart_delay_ = std::min(restart_delay_ * 2, limits::longest_restart);
}

void master::on_order(worker& from, const message& what) {
    switch (what.kind) {
        case message_kind::sealed:
            from.names_logs = false;
            return;
        case message_kind::ready:
            from.names_logs = false;
            if (from.is == state::retired) return;
            if (from.is == state::on_trial) return finish_upgrade(from);
            if (from.is == state::starting) {
                from.is = state::serving;
                plans_->settle(true);
            }
            was_ready_ = true;
            retire_others(from);
            return notify_manager("READY=1");
        case message_kind::reloaded:
            if (std::exchange(reloading_, false)) notify_manager("READY=1");
            return;
        case message_kind::renew:
            renewing_ = renewing_ || (from.is == state::serving && ending_ == 0);
            return;
        case message_kind::drains:
            if (from.is == state::serving && (ending_ != 0 || from.ends)) own_listeners().close();
            return;
        case message_kind::ends:
            from.ends = what.value;
            return;
        case message_kind::alive:
            if (from.is == state::serving) notify_manager("WATCHDOG=1");
            return;
        default:
            return;
    }
}

// Nothing: none that is this worker's. One of a program before this says no path, and a master before this
// handed none on.
std::optional<std::string> master::allowed_log(worker& of, const std::string& path) const {
    if (path.empty() || path == settings_.access_log) return settings_.access_log;
    if (std::ranges::find(of.log_paths, path) != of.log_paths.end()) return path;
    if (!of.names_logs || of.log_paths.size() > http::limits::access_logs) return std::nullopt;
    return of.log_paths.emplace_back(path);
}

void master::give_log(worker& to, const std::string& asked) {
    const auto path = allowed_log(to, asked);
    const unique_descriptor opened(path ? open_log_file(*path, settings_.user) : -1);
    const int error = opened ? 0 : path ? errno : EACCES;
    (void)send_message(to.logs.get(), {message_kind::opened, error}, opened.get());
}

void master::retire_others(const worker& but) {
    std::size_t retired = 0;
    for (auto each = workers_.rbegin(); each != workers_.rend(); ++each) {
        if (&*each == &but || each->is == state::on_trial) continue;
        if (each->is != state::retired) (void)send_message(each->orders.get(), {message_kind::retire});
        each->is = state::retired;
        if (++retired > limits::retired_workers)
            (void)send_message(each->orders.get(), {message_kind::end, SIGTERM});
    }
}

// The manager hears of a worker that answers, not of a master that could.
void master::watch() {
    if (!watchdog_ || clock_type::now() < watch_at_) return;
    watch_at_ = clock_type::now() + *watchdog_ / 2;
    if (const worker* const serving = current())
        (void)send_message(serving->orders.get(), {message_kind::is_alive});
}

}  // namespace naru::program
