// Lines for a log, from any thread, written by a thread of its own: no disk, pipe or reader ever stops those
// who append, nor holds up the end. In a simulated world they are written in turns of its own.
#pragma once

#include <naru/core/result.hpp>
#include <naru/os/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>

namespace naru::http {

class line_writer {
 public:
    using file_opener = std::function<result<unique_descriptor>(const std::string& path)>;

    struct settings {
        /// Where the file is, to be opened anew when it is asked for (reopen) or when the path has come to
        /// name another file. Empty: the descriptor stays what it is.
        std::string path;
        /// Bytes that wait at most; lines past them are lost.
        std::size_t most_waiting = 0;
        /// One line, without its line feed, on lines that were lost. `why` is 0: they came faster than they
        /// are written.
        std::function<std::string(std::uint64_t lines, std::error_code why)> describe;
        /// Who is told of lost lines, and that the path cannot be opened anew: at most once in
        /// limits::access_log_report_interval, and at the end. Called from the writer's thread, from those
        /// that append and from the destructor; must not wait for anything. Empty: lost lines are told in the
        /// log itself, before the next line that can be written.
        std::function<void(std::string_view)> report;
        /// Opens the path anew, on the writer's thread. Empty: by open_log.
        file_opener open = {};
    };

    /// Takes over `file`; one that cannot be written, or is none, loses its lines. Throws std::system_error
    /// if there can be no thread.
    line_writer(unique_descriptor file, settings chosen);
    /// Writes what is left, for limits::log_end_time at most, counted from the last byte that was taken: what
    /// stands still by then is lost. A thread that the system still holds ends by itself later.
    ~line_writer();
    line_writer(const line_writer&) = delete;
    line_writer& operator=(const line_writer&) = delete;

    /// Adds lines (with their line feeds), all of them or none. Any thread; waits for nobody.
    void append(std::string_view lines) noexcept;

    /// Counts a line that could not be made. Any thread; waits for nobody.
    void lose() noexcept;

    /// Opens the path anew before the next line is written. Any thread.
    void reopen() noexcept;

    /// Writes what is left, closes the file and ends its thread, and waits for none of that. Nothing is
    /// appended behind it. Any thread.
    void finish() noexcept;
    /// Whether that has been done.
    bool has_ended() const noexcept;

    /// Lines that were lost since the beginning. Any thread.
    std::uint64_t lost() const noexcept;

 private:
    struct state;
    std::shared_ptr<state> state_;
    std::thread thread_;
};

}  // namespace naru::http
