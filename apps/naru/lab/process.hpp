// Child processes: started on cores of their own, never outliving the one that started them.
#pragma once

#include <naru/core/result.hpp>
#include <naru/os/socket.hpp>

#include <chrono>
#include <string>
#include <vector>

#include <sys/types.h>

namespace naru::lab {

/// One program with its arguments and the cores it may run on.
struct command {
    std::vector<std::string> words;
    std::vector<int> cores;  ///< empty: all
};

/// A running program: its own process group, so that its children are ended with it; told to end (SIGTERM) by
/// the kernel when the thread that started it dies (prctl(2), PR_SET_PDEATHSIG). Standard output comes
/// through a pipe, standard error goes to a file. Use from one thread.
class process {
 public:
    /// Starts it. Throws std::runtime_error when the program is not there or cannot be run.
    process(const command& what, const std::string& error_file);
    /// Ends it.
    ~process();
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    int number() const noexcept { return pid_; }

    /// The next line of its output. Empty: it has ended, or `at_most` has passed.
    std::string read_line(std::chrono::milliseconds at_most);

    /// Everything it still prints until it ends; it is ended when `at_most` has passed.
    std::string read_all(std::chrono::milliseconds at_most);

    /// Whether it is still running; takes note of its end.
    bool running();
    /// After its end: 0 to 255, or 128 and the signal.
    int exit_status() const noexcept { return status_; }

    /// Tells it and its children to end, and kills what is left after `patience`.
    void end(std::chrono::milliseconds patience = std::chrono::milliseconds(2000));

    /// The last lines that it wrote to standard error, at most `lines`.
    std::string last_words(std::size_t lines) const;

 private:
    bool fill(std::chrono::steady_clock::time_point until);
    bool wait_until(std::chrono::steady_clock::time_point until);

    pid_t pid_ = -1;
    unique_descriptor output_;
    std::string buffered_;
    std::string error_file_;
    bool reaped_ = false;
    int status_ = -1;
};

/// Where a program is, looked for as a shell does, and in the directories for servers; empty: nowhere.
std::string find_program(const std::string& name);

/// A port of 127.0.0.1 on which nothing listens at the moment.
std::uint16_t free_port();

/// Waits until something accepts connections there; false when `server` ends before, or after `at_most`.
bool wait_for_port(process& server, std::uint16_t port, std::chrono::milliseconds at_most);

}  // namespace naru::lab
