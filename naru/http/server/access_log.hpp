// The access log: lines from every loop, written by a thread of its own, so that no disk ever stops a loop.
#pragma once

#include <naru/http/server/line_writer.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

namespace detail {
struct site_data;
}

class access_log {
 public:
    /// Appends to `path`; "-" is standard output. A path that has come to name another file, or none, is
    /// opened anew within limits::log_look_interval. `report` gets a line when lines were lost: see
    /// line_writer. `opener`: see line_writer::settings. Throws std::system_error.
    access_log(const std::string& path, std::function<void(std::string_view)> report,
               const line_writer::file_opener& opener = {});

    /// Adds lines (with their line feeds). Any thread; never waits for the disk. Past
    /// limits::access_log_bytes waiting, lines are dropped and counted.
    void append(std::string_view lines) noexcept { lines_.append(lines); }

    /// Counts a line that could not be made. Any thread.
    void lose() noexcept { lines_.lose(); }

    /// Opens the path anew. Any thread.
    void reopen() noexcept { lines_.reopen(); }

    /// See line_writer::finish. Any thread.
    void finish() noexcept { lines_.finish(); }
    bool has_ended() const noexcept { return lines_.has_ended(); }

    /// Lines that were lost since the beginning. Any thread.
    std::uint64_t lost() const noexcept { return lines_.lost(); }

 private:
    line_writer lines_;
};

/// The logs of a server: its own, and those of hosts. Any thread.
class access_logs {
 public:
    /// `report` and `opener`: see access_log.
    access_logs(std::function<void(std::string_view)> report, line_writer::file_opener opener);
    ~access_logs() { end(); }
    access_logs(const access_logs&) = delete;
    access_logs& operator=(const access_logs&) = delete;

    /// The log at this path, which is one for all that ask for it. When nobody has it any more, what is left
    /// of it is written and its file closed, and nobody waits for that. It is not used after this object's
    /// end. Throws std::system_error, and std::runtime_error past limits::access_logs.
    std::shared_ptr<access_log> open(const std::string& path);

    /// All of them.
    void reopen() noexcept;

    /// Lines that were lost since the beginning, also of logs that are no more.
    std::uint64_t lost() const noexcept;

    /// What is left is written: see line_writer's end. Then there is none.
    void end() noexcept;

 private:
    struct known {
        std::string path;
        std::unique_ptr<access_log> log;
        std::weak_ptr<access_log> users;
    };
    void forget_ended() noexcept;

    const std::function<void(std::string_view)> report_;
    const line_writer::file_opener opener_;
    mutable std::mutex mutex_;
    std::vector<known> all_;
    std::uint64_t lost_before_ = 0;  // by those that are no more
};

/// Opens what the hosts of `site` want. Throws as access_logs::open.
void open_logs_of(detail::site_data& site, access_logs& logs);

}  // namespace naru::http
