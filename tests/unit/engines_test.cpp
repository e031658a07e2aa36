// Names of engines, and how one is chosen.
#include <naru/backend/choose_backend.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>

namespace naru::testing {
namespace {

TEST(Engines, NamesGoThereAndBack) {
    for (const engine each : all_engines())
        EXPECT_EQ(engine_named(name_of(each)), each);
    EXPECT_EQ(engine_named("auto"), engine::automatic);
    EXPECT_EQ(name_of(engine::automatic), "auto");
    EXPECT_EQ(engine_named("no such engine"), std::nullopt);
    EXPECT_EQ(engine_named(""), std::nullopt);
}

TEST(Engines, AutomaticGivesAWorkingBackendAndSaysWhy) {
    const backend_choice choice = try_backend(engine::automatic);
    EXPECT_NE(choice.backend, nullptr);
    EXPECT_NE(choice.chosen, engine::automatic);
    EXPECT_FALSE(choice.reason.empty());
}

TEST(Engines, EachIsMadeOrSaysWhyNot) {
    for (const engine each : all_engines()) {
        const backend_choice choice = try_backend(each);
        EXPECT_EQ(choice.chosen, each);
        EXPECT_TRUE(choice.backend != nullptr || !choice.reason.empty()) << name_of(each);
    }
}

TEST(Engines, ThePoolsSizeHoldsForAllAndHasALimit) {
    for (const engine each : all_engines()) {
        backend_options options;
        options.pool_buffers = 8;
        const backend_choice small = try_backend(each, options);
        if (small.backend == nullptr) continue;
        EXPECT_EQ(small.backend->buffers().capacity(), 8u) << name_of(each);
        options.pool_buffers = limits::pool_buffers_max;
        EXPECT_NE(try_backend(each, options).backend, nullptr) << name_of(each);
        for (const std::size_t none : {std::size_t{0}, limits::pool_buffers_max + 1}) {
            options.pool_buffers = none;
            const backend_choice refused = try_backend(each, options);
            EXPECT_EQ(refused.backend, nullptr) << name_of(each);
            EXPECT_NE(refused.reason.find("65536"), std::string::npos) << refused.reason;
        }
    }
}

#if defined(__linux__)
TEST(Engines, ThatAPipeNobodyReadsIsNoDeathIsNotInherited) {
    ASSERT_NE(try_backend(engine::poll).backend, nullptr);
    struct sigaction here{};
    ASSERT_EQ(sigaction(SIGPIPE, nullptr, &here), 0);
    EXPECT_TRUE(here.sa_handler != SIG_DFL);
    std::FILE* const child = popen("sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status", "r");
    ASSERT_NE(child, nullptr);
    unsigned long long ignored = ~0ull;
    EXPECT_EQ(std::fscanf(child, "%llx", &ignored), 1);
    pclose(child);
    EXPECT_EQ(ignored & (1ull << (SIGPIPE - 1)), 0u);
}
#endif

}  // namespace
}  // namespace naru::testing
