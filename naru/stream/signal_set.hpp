// The process's signals, awaited in a loop. ENOTSUP on Windows.
//
//     auto signals = naru::signal_set::take(home, {SIGINT, SIGTERM});
//     if (!signals) throw std::system_error(signals.error());
//     (void)co_await signals->next();
//     signals->give_back();         // the next Ctrl-C ends the process
//     co_await server.drained();
#pragma once

#include <naru/coro/sync.hpp>
#include <naru/coro/task.hpp>
#include <naru/os/signal_pipe.hpp>
#include <naru/stream/pipe_stream.hpp>

#include <csignal>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

namespace naru {

/// While it lives its signals do nothing but tell it, on whichever thread they come. Several sets, on several
/// loops, may have the same: each is told. With the last one's end a signal does again what it did before.
/// Move-only; belongs to its loop's thread. Signals that a thread blocks do not come by it, so a program has
/// either this or ending_signals (server_options::signals).
class signal_set {
 public:
    /// Errors: EINVAL if there are none, or one that cannot be taken: SIGKILL, SIGSTOP, SIGSEGV and what else
    /// cannot be returned from; EAGAIN past limits::signal_pipes; EMFILE. In a simulated world no signal
    /// comes.
    [[nodiscard]] static result<signal_set> take(loop& on, std::span<const int> signals) noexcept;
    [[nodiscard]] static result<signal_set> take(loop& on, std::initializer_list<int> signals) noexcept {
        return take(on, std::span(signals.begin(), signals.size()));
    }

    /// result<int>: the number of the next one, in their order. What comes while nobody waits is kept. One
    /// that is stopped loses nothing. Errors: EBADF after give_back.
    task<result<int>> next();

    /// The signals do again what they did before, at once.
    void give_back() noexcept;

 private:
    signal_set() noexcept = default;

    std::optional<signal_pipe> pipe_;
    pipe_stream reader_;
    std::unique_ptr<async_event> none_come_;  // in a simulated world
};

}  // namespace naru
