// Time as the loop sees it: a monotonic instant in nanoseconds.
#pragma once

#include <naru/core/chrono.hpp>

#include <cstdint>

namespace naru {

using duration = std::chrono::nanoseconds;
using instant = std::chrono::time_point<std::chrono::steady_clock, duration>;

/// Where this thread's time comes from, if not from the system (see environment).
class time_source {
 public:
    virtual instant now() noexcept = 0;

 protected:
    ~time_source() = default;
};

namespace detail {

[[gnu::visibility("default")]] inline constinit thread_local time_source* current_time_source = nullptr;

}  // namespace detail

/// CLOCK_MONOTONIC on Linux; in a simulated world, that world's time. Its instants are steady_clock's.
struct clock {
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_steady = true;

    static time_point now() noexcept {
        if (time_source* const source = detail::current_time_source) [[unlikely]]
            return std::chrono::time_point_cast<duration>(source->now());
        return std::chrono::steady_clock::now();
    }
};

/// An instant that never comes: "no deadline".
inline constexpr instant never = instant::max();

/// A span of any unit in nanoseconds: what is longer than they can count is as long as they can.
template <class Rep, class Period>
constexpr duration saturate(std::chrono::duration<Rep, Period> span) noexcept {
    using wide = std::chrono::duration<long double, duration::period>;
    const wide exact(span);
    if (!(exact < wide(duration::max()))) return duration::max();  // also what is no number: it never ends
    if (exact <= wide(duration::min())) return duration::min();
    return std::chrono::duration_cast<duration>(span);
}
constexpr duration saturate(duration span) noexcept { return span; }

/// An instant of any unit: what is later than nanoseconds can say is `never`.
template <class Duration>
constexpr instant saturate(std::chrono::time_point<std::chrono::steady_clock, Duration> when) noexcept {
    return instant(saturate(when.time_since_epoch()));
}

/// `now + after`, without wrapping round at either end.
template <class Rep, class Period>
constexpr instant saturating_add(instant now, std::chrono::duration<Rep, Period> after) noexcept {
    const duration span = saturate(after);
    const duration since = now.time_since_epoch();
    if (span > duration::zero() && since > duration::max() - span) return never;
    if (span < duration::zero() && since < duration::min() - span) return instant::min();
    return now + span;
}

}  // namespace naru
