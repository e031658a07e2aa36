// What a server is to whoever started it: a process of its own, or the worker of a master.
#pragma once

#include <naru/http/server/server.hpp>
#include <naru/http/server/server_options.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace naru::program {

struct serve_plan;
struct serve_settings;

class surroundings {
 public:
    surroundings() = default;
    virtual ~surroundings() = default;
    surroundings(const surroundings&) = delete;
    surroundings& operator=(const surroundings&) = delete;

    /// Before any thread is made. `reopen` is called within wait, on its thread, when logs and certificates
    /// are to be read anew.
    virtual void begin(std::function<void()> reopen) = 0;

    /// Before wait: SIGHUP calls `reload` instead.
    virtual void on_reload(std::function<void()> reload) = 0;

    /// Whether what this process may read is too little for the plan (nullptr: for reading one), and another
    /// process that may reads it and serves it soon, or says what is wrong.
    virtual bool serves_elsewhere(const serve_plan* /*next*/) { return false; }

    /// The endpoints with the sockets that are there for them already. Throws std::runtime_error.
    virtual std::vector<http::endpoint> adopt(std::vector<http::endpoint> wanted) = 0;

    /// Who opens the access log, if it is not the server itself: for server_options::open_log.
    virtual http::log_opener log_opener() { return {}; }

    /// The server has its engines, and nobody from outside has been listened to yet.
    virtual void before_start() {}

    /// The server answers from here on.
    virtual void is_ready() = 0;

    /// Returns the request to end by its name. Empty: the server was told to retire, `on_retire` was called,
    /// and it has ended.
    virtual std::string wait(http::server& serving, const std::function<void()>& on_retire) = 0;

    /// A request of the server's own, which wait returns. `why` is a literal. Any thread.
    virtual void request(const char* why) noexcept = 0;

    /// Before the drain: returns after so long. Another request ends the process at once.
    virtual void delay(std::chrono::milliseconds span) = 0;

    /// The server drains from here on, and another request ends the process at once.
    virtual void is_draining() = 0;

    /// http::server::wait, behind which nothing of the server runs.
    virtual void wait_for_end(http::server& serving) { serving.wait(); }
};

/// What becomes of settings that were read.
using settings_filter = std::function<serve_settings(serve_settings)>;
/// Reads the settings, and makes a plan of what the filter has left of them. May throw.
using plan_reader = std::function<serve_plan(const settings_filter&)>;
using serve_body = std::function<int(const serve_plan&, surroundings&)>;

/// Runs `serve` in this process, which is told to end by signals (system.hpp).
int serve_alone(const serve_plan& plan, const serve_body& serve);

/// Runs `serve` as the settings want it: in a worker process of this one, which is its master and is told by
/// signals, or alone. `read` reads the settings, in each worker anew. Returns the exit status.
int serve_in_processes(const plan_reader& read, const serve_body& serve);

}  // namespace naru::program
