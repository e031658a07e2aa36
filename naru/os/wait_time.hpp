// How long a wait for the system may last, in its milliseconds.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/clock.hpp>

#include <algorithm>
#include <cstdint>

namespace naru {

/// Rounded up, so that nobody wakes before `until` only to wait again; -1 for never. At most a minute: a wait
/// may end early.
inline int milliseconds_until(instant until) noexcept {
    if (until == never) return -1;
    const instant now = clock::now();
    if (until <= now) return 0;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
    return static_cast<int>(std::min<std::int64_t>(left, 60'000));
}

}  // namespace naru
