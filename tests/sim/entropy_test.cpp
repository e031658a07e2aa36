// What nobody can guess outside follows from a world's seed.
#include <naru/http/websocket/random.hpp>
#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#ifndef _WIN32
#include <naru/stream/tls/tls_entropy.hpp>

#include <openssl/rand.h>
#endif

namespace naru::testing {
namespace {

sim::world_options of_seed(std::uint64_t seed) {
    sim::world_options options;
    options.seed = seed;
    return options;
}

// Masks are drawn in portions: what one world has left over is not the next one's.
TEST(SimulatedEntropy, MasksOfAWorldAreItsOwn) {
    const auto masks = [](std::uint64_t seed) {
        const sim::world world(of_seed(seed));
        std::vector<websocket::mask_key> made;
        for (int each = 0; each < 70; ++each)
            made.push_back(websocket::random_key());
        return made;
    };
    (void)websocket::random_key();  // of the system's
    const auto first = masks(5);
    EXPECT_EQ(masks(5), first);
    EXPECT_NE(masks(6), first);
}

#ifndef _WIN32
TEST(SimulatedEntropy, TlsBytesFollowFromTheSeedInAWorldOnly) {
    const auto bytes = [] {
        std::array<unsigned char, 61> made{};
        EXPECT_EQ(RAND_bytes(made.data(), static_cast<int>(made.size())), 1);
        return made;
    };
    const auto in_a_world = [&](std::uint64_t seed) {
        const sim::world world(of_seed(seed));
        return bytes();
    };
    const tls_entropy_of_environment seeded;
    const auto first = in_a_world(5);
    EXPECT_EQ(in_a_world(5), first);
    EXPECT_NE(in_a_world(6), first);
    EXPECT_NE(bytes(), bytes());  // OpenSSL's own
}
#endif

}  // namespace
}  // namespace naru::testing
