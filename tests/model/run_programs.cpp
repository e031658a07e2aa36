#include "model/run_programs.hpp"

#include "model/faults.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace naru::testing {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t steps_per_program = 70;
constexpr duration patience = 10s;
constexpr duration patience_while_shortening = 1s;
constexpr duration time_to_shorten = 30s;

std::optional<std::uint64_t> number_in(const char* variable) {
    const char* const text = std::getenv(variable);
    if (text == nullptr) return std::nullopt;
    return std::strtoull(text, nullptr, 10);
}

struct runner {
    const backend_variant& variant;
    std::uint64_t seed;
    const std::function<void(std::uint64_t seed, world& of)>& prepare;
    std::size_t ended = 0;
    std::uint64_t trace_hash = 0;  ///< of the simulated world

    /// On a loop and in a world of its own; what failed is left as it is, with what is pending in it.
    std::string run(const program& steps, duration at_most) {
        std::unique_ptr<sim::world> simulated;
        if (variant.world) simulated = variant.world(seed);
        auto on = std::make_unique<loop>(variant.make().backend);
        auto of = std::make_unique<world>(*on, variant, at_most);
        prepare(seed, *of);
        const bool held = of->carry_out(steps);
        faults::calm();
        ended += of->ended();
        std::string failure = of->failure();
        if (simulated != nullptr) trace_hash = simulated->trace_hash();
        if (!held) {
            (void)of.release();
            (void)on.release();
            if (simulated != nullptr) simulated.release()->abandon();
        }
        return failure;
    }

    /// Leaves out steps, many at first and few later, as long as the rest still fails.
    program shortened(program steps, std::string& failure) {
        const instant end = clock::now() + time_to_shorten;
        for (std::size_t piece = steps.size() / 2; piece > 0; piece /= 2) {
            for (std::size_t from = 0; from < steps.size() && clock::now() < end;) {
                program fewer = steps;
                const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(from);
                fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(piece, fewer.size() - from)));
                std::string its_failure = run(fewer, patience_while_shortening);
                if (its_failure.empty()) {
                    from += piece;
                } else {
                    steps = std::move(fewer);
                    failure = std::move(its_failure);
                }
            }
        }
        return steps;
    }
};

}  // namespace

void run_programs(const backend_variant& variant, std::uint64_t count,
                  const std::function<void(std::uint64_t seed, world& of)>& prepare) {
    if (!variant.world) {
        const backend_choice choice = variant.make();
        if (choice.backend == nullptr) GTEST_SKIP() << variant.name << ": " << choice.reason;
    }
    const auto only = number_in("NARU_MODEL_SEED");
    const std::uint64_t first = only.value_or(number_in("NARU_MODEL_FROM").value_or(1));
    const std::uint64_t last = only.value_or(first - 1 + number_in("NARU_MODEL_PROGRAMS").value_or(count));
    // Where no thread and no clock of the system's has a part in it.
    const bool twice = variant.name == late_variant().name && number_in("NARU_MODEL_TWICE").value_or(0) != 0;
    std::size_t ended = 0;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        runner each{variant, seed, prepare};
        const program steps = program_of(seed, steps_per_program);
        std::string failure = each.run(steps, patience);
        ended += each.ended;
        if (failure.empty() && twice) {
            const std::uint64_t before = each.trace_hash;
            failure = each.run(steps, patience);
            if (failure.empty() && each.trace_hash != before)
                FAIL() << "NARU_MODEL_SEED=" << seed << " on " << variant.name << " has gone another way";
        }
        if (failure.empty()) continue;
        const program shorter = each.shortened(steps, failure);
        FAIL() << "NARU_MODEL_SEED=" << seed << " on " << variant.name << ": " << failure
               << "\nthe shortest program that fails:\n"
               << text_of(shorter);
    }
    EXPECT_GT(ended, (last - first + 1) * 10) << "hardly anything happened in these programs";
}

}  // namespace naru::testing
