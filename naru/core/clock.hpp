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

/// `now + after`, without wrapping round for durations near the maximum.
constexpr instant saturating_add(instant now, duration after) noexcept {
    return after > never - now ? never : now + after;
}

}  // namespace naru
