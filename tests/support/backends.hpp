// The table of backends that the conformance tests run on. A new backend, or a new way to set one up, is one
// line here.
#pragma once

#include "support/system.hpp"

#include <naru/backend/choose_backend.hpp>
#include <naru/backend/uring/options.hpp>
#include <naru/sim/world.hpp>
#if defined(__linux__)
#include <naru/backend/uring/backend.hpp>
#endif

#include <gtest/gtest.h>

#include <algorithm>
#include <exception>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

namespace naru::testing {

struct backend_variant {
    std::string name;  // letters, digits and underscores: --gtest_filter='*/NAME'
    std::function<backend_choice()> make;
    /// The world that `make` makes its backend in, if that is a simulated one.
    std::function<std::unique_ptr<sim::world>(std::uint64_t seed)> world = nullptr;
};

inline void PrintTo(const backend_variant& each, std::ostream* out) { *out << each.name; }

#if defined(__linux__)
inline backend_choice make_uring(const std::function<void(uring_options&)>& change) {
    static const backend_choice possible = [] {  // says why not, if not
        backend_choice tried = try_backend(engine::io_uring);
        if (tried.backend != nullptr) tried.reason.clear();
        tried.backend.reset();
        return tried;
    }();
    backend_choice choice;
    choice.chosen = possible.chosen;
    choice.reason = possible.reason;
    if (!choice.reason.empty()) return choice;
    uring_options options;
    options.pool_buffers = 1024;  // the pool of the engine itself, as large as it is, takes time to make
    change(options);
    try {
        choice.backend = std::make_unique<uring_backend>(options);
    } catch (const std::exception& refusal) {
        choice.reason = refusal.what();
    }
    return choice;
}
#endif

inline std::vector<backend_variant> backend_variants() {
    std::vector<backend_variant> all;
    for (const engine each : all_engines()) {
        std::string name(name_of(each));
        std::replace(name.begin(), name.end(), '-', '_');
        all.push_back({name, [each] {
                           uring_options options;
                           options.sqpoll_idle_milliseconds = 1;  // leave the cores to the tests
                           backend_choice choice = try_backend(each, options);
                           if (choice.chosen != each) choice.backend.reset();  // another would be tested
                           return choice;
                       }});
    }
#if defined(__linux__)
    const auto uring = [&all](const char* name, void (*change)(uring_options&)) {
        all.push_back({name, [change] { return make_uring(change); }});
    };
    uring("io_uring_single_accept", [](uring_options& options) { options.multishot_accept = false; });
    uring("io_uring_single_recv", [](uring_options& options) { options.multishot_recv = false; });
    uring("io_uring_single_shot",
          [](uring_options& options) { options.multishot_accept = options.multishot_recv = false; });
    uring("io_uring_many_issuers", [](uring_options& options) { options.single_issuer = false; });
    uring("io_uring_tiny_ring", [](uring_options& options) { options.entries = 4, options.completions = 8; });
    uring("io_uring_tiny_pool", [](uring_options& options) { options.pool_buffers = 8; });
    uring("io_uring_bare",
          [](uring_options& options) { options.message_wakes = options.restrictions = false; });
    uring("io_uring_unlinked", [](uring_options& options) { options.links = false; });
    uring("io_uring_bundles", [](uring_options& options) { options.bundles_from_the_start = true; });
    uring("io_uring_no_bundles", [](uring_options& options) { options.bundles = false; });
    uring("io_uring_zero_copy", [](uring_options& options) { options.zero_copy_from = 1; });
    uring("io_uring_direct",
          [](uring_options& options) { options.direct_descriptors = uring_options::direct::always; });
#endif
    return all;
}

/// A world of its own. While a test has threads its time is the test's.
inline backend_variant simulated_variant(const char* name, void (*change)(sim::world_options&)) {
    backend_variant made;
    made.name = name;
    made.make = [] { return try_backend(engine::automatic); };
    made.world = [change](std::uint64_t seed) {
        sim::world_options options;
        options.seed = seed;
        options.simulate_workers = false;
        // A child made by fork has none of its parent's threads.
        options.outside = [before = real::threads(), parent = process_number()] {
            return real::threads() > (process_number() == parent ? before : 1);
        };
        change(options);
        return std::make_unique<sim::world>(std::move(options));
    };
    return made;
}
/// Where everything is at once.
inline backend_variant sim_variant() {
    return simulated_variant("sim", [](sim::world_options&) {});
}
/// As a network and a completing kernel are, late, in pieces and in another order; for tests that do not
/// count on anything else.
inline backend_variant late_variant() {
    return simulated_variant("sim_late", [](sim::world_options& options) {
        options.loopback_latency = std::chrono::microseconds(150);
        options.short_counts = true;
        options.simulate_workers = true;
        options.outside = nullptr;
        options.backends = sim::manner::completion;
        for (const sim::fault each : {sim::fault::late_cancel, sim::fault::reordered,
                                      sim::fault::accepted_ahead, sim::fault::closed_before_completion})
            options.faults.one_in[each] = 3;
    });
}

/// For suites that speak to the system directly: the simulated ones are skipped, with that reason.
inline std::vector<backend_variant> variants_with_skipped_simulation() {
    std::vector<backend_variant> all = backend_variants();
    backend_variant skipped;
    skipped.name = "sim";
    skipped.make = [] {
        backend_choice none;
        none.reason = speaks_to_the_system;
        return none;
    };
    all.push_back(std::move(skipped));
    return all;
}

inline std::vector<backend_variant> variants_with_simulation() {
    std::vector<backend_variant> all = backend_variants();
#if !defined(_WIN32)  // the same there
    all.push_back(sim_variant());
#endif
    return all;
}

/// Variants whose pool is too small for a test that leases many buffers, or whose receiving ahead differs.
inline bool is_uring(const backend_variant& each) { return each.name.starts_with("io_uring"); }
inline bool is_sim(const backend_variant& each) { return each.world != nullptr; }
/// Submissions are taken by a thread of the kernel, at its own pace: what has happened after so many ticks is
/// not defined.
inline bool is_sqpoll(const backend_variant& each) { return each.name == "io_uring_sqpoll"; }
/// What is sent stays the kernel's, and its operation pending, until the peer has it or the connection is
/// reset.
inline bool is_zero_copy(const backend_variant& each) { return each.name == "io_uring_zero_copy"; }
/// Accepted connections take no descriptor of the process.
inline bool is_direct(const backend_variant& each) { return each.name == "io_uring_direct"; }

}  // namespace naru::testing

/// Runs the tests of a suite (a class derived from naru::testing::conformance) on every backend.
#define NARU_ON_EVERY_BACKEND(suite)                                                           \
    INSTANTIATE_TEST_SUITE_P(OnEveryBackend, suite,                                            \
                             ::testing::ValuesIn(::naru::testing::variants_with_simulation()), \
                             [](const auto& each) { return each.param.name; })
/// The same for suites whose tests make sockets, files or processes of the system's by themselves.
#define NARU_ON_EVERY_BACKEND_OF_THE_SYSTEM(suite)                                                     \
    INSTANTIATE_TEST_SUITE_P(OnEveryBackend, suite,                                                    \
                             ::testing::ValuesIn(::naru::testing::variants_with_skipped_simulation()), \
                             [](const auto& each) { return each.param.name; })
