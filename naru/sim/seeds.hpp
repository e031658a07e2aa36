// Runs a test in many worlds, from one seed each, until it fails; then finds out how little it takes.
//
//     naru::sim::seed_options options;
//     options.world.faults = naru::sim::faults_of_all_kinds();
//     const auto found = naru::sim::run_seeds(options, [](naru::sim::world& world) {
//         ...
//         world.require(balance == deposits, "a deposit is lost");
//     });
//     EXPECT_TRUE(found.passed()) << found.text();
#pragma once

#include <naru/sim/world.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace naru::sim {

struct seed_options {
    world_options world;  ///< `seed` is the first
    std::uint64_t seeds = 100;
    bool twice = true;   ///< run the first seed a second time: it must go the same way
    bool shrink = true;  ///< of a failure, look for a world with less misfortune that still shows it
    /// Each kind of fault that has a rate, and each state that `sometimes` names, must come about in some
    /// world.
    bool demand_all = true;

    seed_options() noexcept = default;
};

struct seed_report {
    std::uint64_t runs = 0;             ///< worlds, those that shrinking took not included
    std::optional<std::uint64_t> seed;  ///< the one that fails
    std::string failure;                ///< how
    world_options
        smallest;  ///< one that fails with as little misfortune as it takes, perhaps from another seed
    std::vector<std::string> last;     ///< the last steps in it
    std::vector<std::string> missing;  ///< faults that never happened, states that were never reached
    fault_table happened;              ///< in all worlds

    bool passed() const noexcept { return !seed && failure.empty() && missing.empty(); }
    /// What there is to say of it, in lines.
    std::string text() const;
};

/// `body` fails by world::require or an exception. The world has NARU_SIM_SEED's seed, and no other is tried,
/// if that is in the process's environment. Its loops end before `body` does.
seed_report run_seeds(const seed_options& options, const std::function<void(world&)>& body);

}  // namespace naru::sim
