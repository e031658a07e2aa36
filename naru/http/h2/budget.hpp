// What an HTTP/2 client may make us do without asking for anything.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/http/limits.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace naru::http::h2 {

/// So many at once, and so many a second: what is not used comes back, up to that.
class budget {
 public:
    constexpr explicit budget(limits::h2_allowance of) noexcept : of_(of), left_(of.at_once) {}

    /// False if nothing is left.
    bool spend(instant now) noexcept {
        if (left_ == 0) {
            const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - refilled_).count();
            const auto back =
                static_cast<std::uint64_t>(std::max<std::int64_t>(since, 0)) * of_.per_second / 1000;
            left_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(back, of_.at_once));
            if (left_ == 0) return false;
            refilled_ = now;
        }
        if (left_ == of_.at_once) refilled_ = now;
        --left_;
        return true;
    }
    /// So many more may come, for something of use.
    void earn(std::uint32_t more) noexcept { left_ = std::min(left_ + more, of_.at_once); }

 private:
    limits::h2_allowance of_;
    std::uint32_t left_;
    instant refilled_{};
};

struct budgets {
    budget resets{limits::h2_resets};
    budget made_resets{limits::h2_made_resets};
    budget settings{limits::h2_settings};
    budget pings{limits::h2_pings};
    budget empty_frames{limits::h2_empty_frames};
    budget priorities{limits::h2_priorities};
    budget window_updates{limits::h2_window_updates};
    unsigned continuations = 0;  // of the head that is being received
};

}  // namespace naru::http::h2
