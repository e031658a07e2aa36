// The process that is known by its PID: it binds, opens logs, and keeps a worker that serves. No loops, no
// threads, nothing from the network.
#pragma once

#include "channel.hpp"
#include "listeners.hpp"
#include "surroundings.hpp"

#include <chrono>
#include <csignal>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace naru::program {

/// What a program finds that takes over from another: as the worker that is on trial, or as the master.
struct inheritance {
    enum class role : std::uint8_t { none, worker, master };
    struct process {
        pid_t id = -1;
        int orders = -1;
        int logs = -1;
        bool retired = false;
        std::vector<std::string> log_paths;  ///< that it may ask for
    };
    role as = role::none;
    std::vector<process> workers;  ///< of a worker: its own ends, without an id

    /// From the environment, out of which it is taken; the sockets become own_listeners().
    static inheritance take();
};

/// What the next worker is to serve. A crash is no reason to read the settings again.
class plans {
 public:
    virtual ~plans() = default;
    /// Reads it anew, for a worker that is to take over from the one that serves. Throws std::exception, and
    /// nothing has changed.
    virtual void renew() = 0;
    /// That worker serves; or it has ended before it did, and what was served before is the next one's again.
    virtual void settle(bool serves) noexcept = 0;
};

class master {
 public:
    struct settings {
        std::optional<std::string> access_log;
        std::optional<std::string> pid_file;
        std::optional<std::string> user;  ///< whose the log is
    };

    /// Throws std::runtime_error.
    explicit master(settings given);
    /// Before run, unless it goes on with workers of the program before. Throws std::runtime_error.
    void write_pid_file();
    ~master();
    master(const master&) = delete;
    master& operator=(const master&) = delete;

    /// Goes on with workers of the program before.
    void resume(const inheritance& from);

    /// Other settings, from here on; but for the PID file, which has been written.
    void use(settings given) {
        given.pid_file = std::move(settings_.pid_file);
        settings_ = std::move(given);
    }

    /// The exit status; or nothing, in a child that is to be the worker: see take_channels.
    std::optional<int> run(plans& next);

    /// In that child.
    std::pair<unique_descriptor, unique_descriptor> take_channels() noexcept;

 private:
    using time_point = std::chrono::steady_clock::time_point;
    enum class state : std::uint8_t { starting, serving, on_trial, retired };
    struct worker {
        pid_t id = -1;
        unique_descriptor orders;
        unique_descriptor logs;
        state is = state::starting;
        std::optional<int> ends = std::nullopt;  // by itself, with this status
        time_point started = std::chrono::steady_clock::now();
        bool killed = false;  // of a trial that took too long
        // Paths that it has asked for, and may again. It names them before it listens: what it is told to
        // read is the master's own until then.
        std::vector<std::string> log_paths;
        bool names_logs = true;
    };

    worker* current() noexcept;
    bool start_worker();
    bool may_renew() const noexcept;
    bool renews() noexcept;
    void wait_for_events();
    void on_signal(int which);
    void begin_end(int which);
    [[noreturn]] void end_at_once(int which);
    void reap();
    void take_end(pid_t gone, int status);
    void on_end(worker& ended, int status);
    void on_order(worker& from, const message& what);
    void give_log(worker& to, const std::string& path);
    std::optional<std::string> allowed_log(worker& of, const std::string& path) const;
    void retire_others(const worker& but);
    void watch();

    // upgrade.cpp
    void begin_upgrade();
    [[noreturn]] void become_trial(int orders, int logs) noexcept;
    void finish_upgrade(worker& tried);
    void check_trial();

    settings settings_;
    plans* plans_ = nullptr;
    sigset_t signals_{};
    unique_descriptor signal_descriptor_;
    std::deque<worker> workers_;
    std::vector<std::string> arguments_;
    std::string program_;
    bool was_ready_ = false;
    bool reloading_ = false;
    int ending_ = 0;  // the signal
    std::optional<int> status_;
    std::optional<time_point> start_at_;
    bool renewing_ = false;
    bool upgrade_waits_ = false;
    time_point renew_not_before_{};
    std::chrono::milliseconds restart_delay_;
    std::optional<std::chrono::microseconds> watchdog_;
    time_point watch_at_{};
    std::optional<std::pair<unique_descriptor, unique_descriptor>> child_;
};

/// "naru: LINE" on standard error, unless who reads it stands still: a master waits for nobody.
void say_or_lose(std::string_view line) noexcept;

/// "with status 1", "by signal 11 (Segmentation fault)"
std::string how_it_ended(int status);

}  // namespace naru::program
