// A run: generators on their threads, from the first connection to the report.
#pragma once

#include <load/options.hpp>
#include <load/report.hpp>

#include <chrono>
#include <memory>

namespace naru::load {

/// What a watcher sees of a run under way.
struct live_view {
    bool opening = true;
    bool warming_up = false;
    double measured_seconds = 0;  ///< since the end of the warm-up
    std::uint64_t completed = 0;
    std::uint64_t errors = 0;
    std::uint64_t connections = 0;
    std::uint64_t backlog = 0;
    bool has_second = false;  ///< whether `last` is there
    std::size_t second_index = 0;
    second last;  ///< the last second that is over
};

class run {
 public:
    /// Makes the engines and checks the limits. Throws std::runtime_error with one sentence that says what is
    /// wrong and what to do (descriptors, an engine that does not work here).
    explicit run(run_options options);
    /// Ends the run if it is still going on.
    ~run();
    run(const run&) = delete;
    run& operator=(const run&) = delete;

    /// Starts the threads. Throws std::system_error if there can be none.
    void start();
    /// True when all threads have ended; false after `at_most`.
    bool wait_for(std::chrono::milliseconds at_most);
    /// Ends the measurement now; what is under way still has a moment. Thread-safe.
    void stop();
    live_view look() const;

    /// After all threads have ended: the figures.
    report finish();

    const run_options& options() const noexcept;

 private:
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace naru::load
