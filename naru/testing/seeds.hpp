// A fixture for GoogleTest, for programs that have it.
#pragma once

#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <functional>

namespace naru::sim {

/// Tests that run in many worlds. Change `options` in the constructor or the test.
///
///     class Bank : public naru::sim::seeds_test {};
///     TEST_F(Bank, LosesNoDeposit) {
///         options.world.faults = naru::sim::faults_of_all_kinds();
///         in_each_world([](naru::sim::world& world) { ... world.require(...); });
///     }
class seeds_test : public ::testing::Test {
 protected:
    /// Fails the test with the seed, how it failed, and the last steps.
    void in_each_world(const std::function<void(world&)>& body) {
        const seed_report found = run_seeds(options, body);
        if (!found.passed()) ADD_FAILURE() << found.text();
    }
    seed_options options;
};

}  // namespace naru::sim
