// Wakes a loop at an instant, exactly. The loop's own timers are good to a millisecond, which is most of what
// a request takes; a schedule of 50,000 requests a second needs microseconds on every engine.
#pragma once

#include <naru/loop/loop.hpp>

#include <memory>

namespace naru::load {

/// A timer of the system's finest kind: a timerfd(2) in the loop; on Windows a high-resolution waitable
/// timer, good to half a millisecond. What it wakes the loop for is done by whoever looks at the time in each
/// tick: there is no handler. Pinned; `close` must have been called and the loop have ended before it is
/// destroyed.
class alarm {
 public:
    explicit alarm(loop& on) noexcept;
    ~alarm();
    alarm(const alarm&) = delete;
    alarm& operator=(const alarm&) = delete;

    /// Errors: the system's (EMFILE).
    result<void> open();
    /// Ends a wait at `when`, or the next one at once if that has passed. It rings once: until it is set
    /// again the loop sleeps for as long as nothing else happens.
    void set(instant when) noexcept;
    void close() noexcept;

 private:
    struct source;  // the system's timer

    loop& loop_;
    std::unique_ptr<source> source_;
    instant set_for_ = never;
};

}  // namespace naru::load
