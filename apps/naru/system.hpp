// What the program asks of the system itself, and how it is told to end.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

namespace naru::program {

/// The cores that this process may run on, and those that the machine has; at least one.
unsigned usable_cores();
unsigned configured_cores();

/// "Linux 6.1.0 (x86_64)"
std::string system_text();

/// Why no line can be appended to the file at this path, as far as that is seen without opening or making it.
/// Empty: nothing is seen. `by_this_user`: also what this process is not permitted. `follows_links`: whether
/// whoever opens it follows a symbolic link.
std::string why_not_appended_to(const std::string& path, bool by_this_user, bool follows_links);

/// Whether the system knows a user by this name. Where there are none to become: true.
bool is_user(const std::string& name);

/// The two ends of a connection within this process, non-blocking; both -1 if there is none to be had. They
/// are the caller's.
std::pair<int, int> connected_pair();

/// To be called first of all. Descriptors 0 to 2 are open from here on: what was closed can neither be read
/// nor written, and no socket or log ever gets its number. A write to a pipe that nobody reads, or past the
/// limit of a file's size, is an error and not the process's end; a program that this one starts is not
/// touched by that.
void begin_process() noexcept;

/// The request to end: SIGINT and SIGTERM; on Windows Ctrl-C, Ctrl-Break, a closed console, the end of the
/// session or of the system. One object, made before any thread, so that nothing else ever sees them.
class ending {
 public:
    ending();
    /// For a server: SIGQUIT is a request to end, too. SIGHUP and SIGUSR1 are requests to open logs anew:
    /// `reopen` is called within wait, on its thread. SIGUSR2 is nothing, nor does the terminal stop a
    /// process in the background that writes to it.
    explicit ending(std::function<void()> reopen);
    /// Before the first wait: SIGHUP calls `reload` instead.
    void on_reload(std::function<void()> reload) { reload_ = std::move(reload); }
    ~ending();
    ending(const ending&) = delete;
    ending& operator=(const ending&) = delete;

    /// Returns the request's name when there is one.
    std::string wait();
    /// The same; empty when there was none for so long.
    std::string wait_for(std::chrono::milliseconds at_most);
    /// A request of the process's own, which wait returns. `why` is a literal. Any thread.
    void request(const char* why) noexcept;
    /// What a shell says of a program that the last request has ended.
    int exit_status() const noexcept { return exit_status_; }
    /// From here on another request ends the process at once.
    void end_at_once_next_time();

 private:
    std::function<void()> reopen_;  // empty: not for a server
    std::function<void()> reload_;
    std::atomic<const char*> own_request_{nullptr};
    int exit_status_ = 0;
};

/// How a server is told to end, and what else it listens to, for its help.
const char* signals_text() noexcept;

}  // namespace naru::program
