// Time as the loop sees it: a monotonic instant in nanoseconds.
#pragma once

#include <chrono>
#include <cstdint>

namespace naru {

using clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC on Linux
using duration = std::chrono::nanoseconds;
using instant = std::chrono::time_point<clock, duration>;

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
constexpr instant saturate(std::chrono::time_point<clock, Duration> when) noexcept {
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
