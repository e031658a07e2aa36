// The contract's random programs while the kernel has a bad day: one to ten calls in a hundred are
// interrupted, not ready after all, short, or out of memory, buffers or descriptors. Nothing is lost,
// repeated or left pending.
#include "model/faults.hpp"
#include "model/run_programs.hpp"

namespace naru::testing {
namespace {

class Faults : public ::testing::TestWithParam<backend_variant> {};
NARU_ON_EVERY_BACKEND(Faults);

TEST_P(Faults, RandomProgramsKeepTheContract) {
    if (is_sim(GetParam())) GTEST_SKIP() << "a simulated world makes no system calls that could fail";
    if (!faults::possible()) GTEST_SKIP() << "there is no way here to make system calls fail";
    const auto before = faults::happened();
    run_programs(GetParam(), 60, [](std::uint64_t seed, world& of) {
        of.expect_faults();
        faults::begin(seed, 1 + static_cast<unsigned>(seed % 10), true);
    });
    if (IsSkipped()) return;
    // A fault that never came to pass has proved nothing.
    const auto after = faults::happened();
    for (const faults::kind each : faults::possible_on(is_uring(GetParam()), is_sqpoll(GetParam()))) {
        const auto which = static_cast<std::size_t>(each);
        EXPECT_GT(after[which], before[which]) << faults::name_of(each) << " never came to pass";
    }
}

}  // namespace
}  // namespace naru::testing
