// Wakes a loop at an instant, exactly. The loop's own timers are good to a millisecond, which is most of what
// a request takes; a schedule of 50,000 requests a second needs microseconds on every engine.
#pragma once

#include <naru/loop/loop.hpp>

namespace naru::load {

/// A timerfd(2) in a loop. What it wakes the loop for is done by whoever looks at the time in each tick:
/// there is no handler. Pinned; `close` must have been called and the loop have ended before it is destroyed.
class alarm {
 public:
    explicit alarm(loop& on) noexcept;
    alarm(const alarm&) = delete;
    alarm& operator=(const alarm&) = delete;

    /// Errors: the system's (EMFILE).
    result<void> open() noexcept;
    /// Ends the wait that comes next at `when`, or at once if that has passed.
    void set(instant when) noexcept;
    void close() noexcept;

 private:
    struct ring_operation : operation {
        explicit ring_operation(alarm& of) noexcept;
        alarm& owner;
    };
    void watch() noexcept;

    loop& loop_;
    handle timer_;
    int descriptor_ = -1;
    instant set_for_ = never;
    ring_operation ring_;
};

}  // namespace naru::load
