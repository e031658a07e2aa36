// The io_uring engine over the fake kernel: many runs that chance decides, and in them everything that can
// happen.
#include "completions/judge.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace naru::testing {
namespace {

std::vector<std::uint8_t> chance(unsigned seed) {
    std::mt19937 from(seed);
    std::vector<std::uint8_t> bytes(100 + from() % 3000);
    for (std::uint8_t& each : bytes)
        each = static_cast<std::uint8_t>(from());
    return bytes;
}

// What breaks a promise ends the process, and says which.
TEST(Completions, InAnyOrderAndWithAnyOutcomeLeaveNothing) {
    for (unsigned seed = 1; seed <= 250; ++seed)
        judge_completions(chance(seed));
}

// The fuzzer's corpus, and in it what has been a mistake once.
TEST(Completions, ThatHaveBeenLookedForGoWell) {
    unsigned count = 0;
    for (const auto& each : std::filesystem::directory_iterator(COMPLETIONS)) {
        std::ifstream file(each.path(), std::ios::binary);
        const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
        judge_completions({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
        ++count;
    }
    EXPECT_GT(count, 0u);
}

TEST(Completions, OfEveryKindAreSeen) {
    fake_kernel::happened = {};
    for (unsigned seed = 5000; seed < 5100; ++seed)
        judge_completions(chance(seed));
    for (std::size_t each = 0; each < fake_kernel::happened.size(); ++each)
        EXPECT_GT(fake_kernel::happened[each], 0u) << "happening " << each;
}

}  // namespace
}  // namespace naru::testing
