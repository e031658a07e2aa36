// What one tick of a server's loop may spend on clients that have had an answer in it.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/http/limits.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace naru::http {

/// Pipelined answers, bytes of answers in memory and units of HTTP/2's frames (limits::pipelined_per_tick,
/// answer_bytes_per_tick, h2_units_per_tick), and what is left of them in this tick; they begin anew when
/// they are first asked for in the next one. While turns are given to those who wait, each has answers of its
/// own instead. Used by one worker, on its loop's thread; nothing fails, and who gets nothing waits for a
/// turn.
class tick_budget {
 public:
    /// As many answers as there are of `wanted`: of the turn that is being given, or of the tick `now`, in
    /// which there are none any more once its bytes are spent.
    unsigned take_answers(instant now, unsigned wanted) noexcept {
        if (!gives_turns_) {
            if (now != tick_) renew(now);
            if (bytes_ <= 0) return 0;
        }
        unsigned& left = gives_turns_ ? answers_of_turn_ : answers_;
        const unsigned taken = std::min(wanted, left);
        left -= taken;
        return taken;
    }
    /// Answers that were taken in this tick, or turn, and not made.
    void give_back_answers(unsigned unused) noexcept {
        (gives_turns_ ? answers_of_turn_ : answers_) += unused;
    }
    /// Bytes of answers that leave in any case: what is left may get below zero.
    void take_bytes(std::uint32_t bytes) noexcept { bytes_ -= bytes; }
    /// All of these units of HTTP/2's frames, or none of them.
    bool take_units(instant now, std::size_t wanted) noexcept {
        if (now != tick_) renew(now);
        if (wanted > units_) return false;
        units_ -= wanted;
        return true;
    }

    /// Something was received of a connection: its first answer takes its time, too.
    void note_arrival() noexcept { ++arrivals_; }
    /// Turns are given from here on; returned is how many there are in this tick, which are fewer while
    /// others arrive.
    unsigned begin_turns(instant now) noexcept {
        renew(now);
        gives_turns_ = true;
        const unsigned arrivals = std::min(std::exchange(arrivals_, 0), limits::turns_per_tick);
        return std::max(limits::turns_per_tick - arrivals, limits::least_turns_per_tick);
    }
    /// The next turn: the first of its answers is taken.
    void begin_turn() noexcept { answers_of_turn_ = limits::pipelined_per_turn - 1; }
    void end_turns() noexcept { gives_turns_ = false; }
    bool gives_turns() const noexcept { return gives_turns_; }

 private:
    void renew(instant tick) noexcept {
        tick_ = tick;
        answers_ = limits::pipelined_per_tick;
        bytes_ = limits::answer_bytes_per_tick;
        units_ = limits::h2_units_per_tick;
    }

    instant tick_ = instant::min();  // for which the next three are left
    std::size_t units_ = 0;
    std::int64_t bytes_ = 0;
    unsigned answers_ = 0;
    unsigned answers_of_turn_ = 0;  // left of the turn that is being given
    unsigned arrivals_ = 0;         // since turns were given
    bool gives_turns_ = false;
};

}  // namespace naru::http
