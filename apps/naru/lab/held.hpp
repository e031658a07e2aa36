// The answer of the scenario "held": what idle connections cost those that ask.
#pragma once

#include <lab/results.hpp>

#include <string>

namespace naru::lab {

/// p99 of the active connections beside the idle ones may be so many times what it is without them.
inline constexpr double held_ratio_allowed = 1.5;

struct held_answer {
    enum class verdict : std::uint8_t { holds, does_not_hold, not_decided };
    verdict is = verdict::not_decided;
    std::optional<estimate> ratio;  ///< of the medians, with and without; nothing: one of them has no run
    double with = -1;               ///< microseconds: the medians of p99
    double without = -1;
    std::size_t runs_with = 0;  ///< undisturbed ones
    std::size_t runs_without = 0;
    double set_aside = 0;  ///< runs that were disturbed
    std::string why;       ///< not decided: a clause
};

/// Of all rounds together: the runs alone are those before and those after. Decided only with runs_needed
/// undisturbed ones on each side, when the machine was the same before and after, and when the interval lies
/// on one side of held_ratio_allowed.
held_answer answer_held(const results& all, double x);

/// The same in a sentence.
std::string held_words(const held_answer& answer, double active);

}  // namespace naru::lab
