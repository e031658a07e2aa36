// The access log: lines from every loop, written by a thread of its own, so that no disk ever stops a loop.
#pragma once

#include <naru/core/result.hpp>
#include <naru/net/socket.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

namespace naru::http {

class access_log {
 public:
    /// Appends to `path`; "-" is standard output. `report` gets a line when lines were lost, at most one in
    /// limits::access_log_report_interval, from the log's thread. Throws std::system_error.
    access_log(const std::string& path, std::function<void(std::string_view)> report);
    /// Writes what is left.
    ~access_log();
    access_log(const access_log&) = delete;
    access_log& operator=(const access_log&) = delete;

    /// Adds a line (with its line feed). Any thread; never waits for the disk. Past
    /// limits::access_log_bytes waiting, lines are dropped and counted.
    void append(std::string_view line) noexcept;

 private:
    void write_all() noexcept;
    void write(std::string& batch) noexcept;
    void report_lost(bool at_once) noexcept;

    std::function<void(std::string_view)> report_;
    unique_descriptor file_;
    // The writer's.
    bool line_is_open_ = false;  // a write failed within a line
    std::uint64_t lost_ = 0;     // and not reported yet
    std::error_code reason_;
    std::chrono::steady_clock::time_point report_at_;

    std::mutex mutex_;
    std::condition_variable wake_;
    std::string waiting_;
    std::uint64_t dropped_ = 0;
    bool ending_ = false;
    std::thread writer_;
};

/// What a line of the combined format says.
struct access_entry {
    std::string_view host;
    std::int64_t unix_seconds = 0;
    std::string_view request_line;
    unsigned status = 0;
    std::uint64_t bytes = 0;
    std::string_view referer;
    std::string_view user_agent;
};

/// `host - - [time] "request" status bytes "referer" "user agent"`, quotes and control characters escaped.
std::string combined_line(const access_entry& entry);

}  // namespace naru::http
