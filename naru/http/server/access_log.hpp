// The access log: lines from every loop, written by a thread of its own, so that no disk ever stops a loop.
#pragma once

#include <naru/http/server/line_writer.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace naru::http {

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

    /// Lines that were lost since the beginning. Any thread.
    std::uint64_t lost() const noexcept { return lines_.lost(); }

 private:
    line_writer lines_;
};

}  // namespace naru::http
