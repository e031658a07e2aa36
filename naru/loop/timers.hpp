// One timer structure for every backend: a hierarchical wheel, with a resolution of one millisecond if not
// asked for another. Arming, re-arming and cancelling are O(1) and allocate nothing; a million idle deadlines
// cost only their own memory.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/core/intrusive.hpp>

#include <array>
#include <cstdint>

namespace naru {

/// A deadline with a function to call. Owned by the caller, pinned while armed, 32 bytes.
struct timer : list_node {
    using handler = void (*)(timer&) noexcept;
    explicit timer(handler on_expiry) noexcept : on_expire(on_expiry) {}
    ~timer() { NARU_ASSERT(!armed()); }

    bool armed() const noexcept { return linked(); }

    instant deadline = never;
    handler on_expire;  ///< the wheel's last touch: may re-arm or destroy its timer, or any other
};

class timer_wheel {
 public:
    explicit timer_wheel(instant start, duration resolution = std::chrono::milliseconds(1)) noexcept;
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;
    ~timer_wheel();

    /// Arms or re-arms. A timer never expires early; it expires at most the wheel's resolution after its
    /// deadline, plus the loop's own delay. `never` disarms.
    ///
    /// Re-arming to a later deadline is one store: the timer stays where it is and is moved on when the wheel
    /// comes by. A keep-alive deadline pushed back at every request costs nothing more than that.
    void arm(timer& each, instant deadline) noexcept;
    void disarm(timer& each) noexcept;

    /// Expires all that are due at `now`, in the order of their slots. Returns how many.
    std::size_t expire(instant now) noexcept;

    /// An instant no later than the earliest deadline (earlier when a timer was pushed back); `never` if
    /// nothing is armed.
    instant next() noexcept;

 private:
    using tick = std::uint64_t;  // resolutions since start_
    static constexpr unsigned slot_bits = 6;
    static constexpr unsigned slots = 1u << slot_bits;
    static constexpr unsigned levels = 6;  // 2^36 ms: two years; later deadlines wait in the top level

    struct level_slots {
        std::uint64_t occupied = 0;  // a bit stays set after disarm empties its slot, until next_slot looks
        std::array<list_head, slots> heads;
    };

    tick tick_of(instant deadline) const noexcept;
    void insert(timer& each) noexcept;
    bool next_slot(unsigned& level, unsigned& slot, tick& when) noexcept;
    std::size_t fire(list_head& due) noexcept;

    instant start_;
    std::int64_t resolution_ns_;
    tick now_ = 0;
    list_head due_;  // armed for a moment that has passed
    std::array<level_slots, levels> levels_;
};

}  // namespace naru
