// The signals that ask a program to end.
#pragma once

#include <memory>

namespace naru {

/// While it exists SIGINT and SIGTERM (on Windows: the console's requests to end) are taken by `wait`, and do
/// not end the process: of its thread, and of threads that are made meanwhile.
class ending_signals {
 public:
    ending_signals();
    ~ending_signals();
    ending_signals(const ending_signals&) = delete;
    ending_signals& operator=(const ending_signals&) = delete;

    /// Returns when there was one, or after `wake`. Once; on the thread that made this.
    void wait() noexcept;
    /// Any thread.
    void wake() noexcept;
    /// The next one ends the process at once.
    void end_at_the_next() noexcept;

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace naru
