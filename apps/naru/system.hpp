// What the program asks of the system itself, and how it is told to end.
#pragma once

#include <chrono>
#include <string>
#include <utility>

namespace naru::program {

/// The cores that this process may run on, and those that the machine has; at least one.
unsigned usable_cores();
unsigned configured_cores();

/// "Linux 6.1.0 (x86_64)"
std::string system_text();

/// The two ends of a connection within this process, non-blocking; both -1 if there is none to be had. They
/// are the caller's.
std::pair<int, int> connected_pair();

/// The request to end: SIGINT and SIGTERM; on Windows Ctrl-C, Ctrl-Break, a closed console, the end of the
/// session or of the system. One object, made before any thread, so that nothing else ever sees them.
class ending {
 public:
    ending();
    ~ending();
    ending(const ending&) = delete;
    ending& operator=(const ending&) = delete;

    /// Returns the request's name when there is one.
    std::string wait();
    /// The same; empty when there was none for so long.
    std::string wait_for(std::chrono::milliseconds at_most);
    /// What a shell says of a program that the last request has ended.
    int exit_status() const noexcept { return exit_status_; }
    /// From here on another request ends the process at once.
    void end_at_once_next_time();

 private:
    int exit_status_ = 0;
};

}  // namespace naru::program
