// Timers of a loop. (The wheel alone is compared with a model in unit/timers_test.cpp.)
#include "support/conformance.hpp"

#include <random>
#include <vector>

namespace naru::testing {
namespace {

class Timer : public conformance {};
NARU_ON_EVERY_BACKEND(Timer);

struct noting_timer : timer {
    noting_timer() : timer(&noting_timer::expired) {}
    static void expired(timer& self) noexcept {
        auto& each = static_cast<noting_timer&>(self);
        ++each.expiries;
        each.at = clock::now();
        if (const auto call = each.then) call();
    }
    int expiries = 0;
    instant at{};
    std::function<void()> then;
};

TEST_P(Timer, ADeadlineThatCannotBeCountedIsNever) {
    using coarse = std::chrono::time_point<std::chrono::steady_clock, std::chrono::seconds>;
    noting_timer late;
    loop().arm(late, coarse::max());
    EXPECT_FALSE(late.armed());
    loop().arm(late, saturating_add(clock::now(), std::chrono::hours::max()));
    EXPECT_FALSE(late.armed());
    loop().arm(late, instant::max() - 1ns);
    ticks(5);
    EXPECT_EQ(late.expiries, 0);
    loop().arm(late, coarse::min());
    ASSERT_TRUE(run_until([&] { return late.expiries == 1; }));
    // A tick of any length ends with what happens.
    bool ran = false;
    loop().post([&] { ran = true; });
    loop().run_for_one_tick(std::chrono::hours::max());
    EXPECT_TRUE(ran);
}

TEST_P(Timer, NeverEarlyAndInOrder) {
    std::vector<int> order;
    noting_timer timers[5];
    const instant start = clock::now();
    const int delays[5] = {30, 5, 18, 0, 11};
    for (int each = 0; each < 5; ++each) {
        timers[each].then = [&order, each] { order.push_back(each); };
        loop().arm(timers[each], start + std::chrono::milliseconds(delays[each]));
    }
    ASSERT_TRUE(run_until([&] { return order.size() == 5; }));
    EXPECT_EQ(order, (std::vector<int>{3, 1, 4, 2, 0}));
    for (int each = 0; each < 5; ++each) {
        EXPECT_GE(timers[each].at, start + std::chrono::milliseconds(delays[each]));
        EXPECT_EQ(timers[each].expiries, 1);
        EXPECT_FALSE(timers[each].armed());
    }
}

TEST_P(Timer, ArmingAgainMovesItBothWays) {
    noting_timer later;
    noting_timer earlier;
    const instant start = clock::now();
    loop().arm(later, start + 5ms);
    loop().arm(later, start + 40ms);
    loop().arm(earlier, start + 1h);
    loop().arm(earlier, start + 10ms);
    ASSERT_TRUE(run_until([&] { return later.expiries > 0; }));
    EXPECT_EQ(earlier.expiries, 1);
    EXPECT_GE(later.at, start + 40ms);
    EXPECT_GE(earlier.at, start + 10ms);
    EXPECT_LE(earlier.at, later.at);
    loop().run_for_one_tick(5ms);
    EXPECT_EQ(later.expiries, 1);
}

TEST_P(Timer, DisarmedItDoesNotExpire) {
    noting_timer disarmed;
    noting_timer marker;
    loop().arm(disarmed, clock::now() + 5ms);
    loop().arm(marker, clock::now() + 20ms);
    loop().disarm(disarmed);
    loop().disarm(disarmed);
    EXPECT_FALSE(disarmed.armed());
    ASSERT_TRUE(run_until([&] { return marker.expiries > 0; }));
    EXPECT_EQ(disarmed.expiries, 0);
    loop().arm(disarmed, never);
    EXPECT_FALSE(disarmed.armed());
}

TEST_P(Timer, AHandlerMayDestroyOthersThatAreDueWithIt) {
    std::vector<std::unique_ptr<noting_timer>> timers;
    int calls = 0;
    const instant due = clock::now() + 5ms;
    for (int each = 0; each < 10; ++each) {
        timers.push_back(std::make_unique<noting_timer>());
        timers.back()->then = [&] {
            ++calls;
            for (auto& other : timers) {
                if (other->armed()) loop().disarm(*other);
            }
            timers.clear();
        };
        loop().arm(*timers.back(), due);
    }
    ASSERT_TRUE(run_until([&] { return calls > 0; }));
    loop().run_for_one_tick(3ms);
    EXPECT_EQ(calls, 1);
}

TEST_P(Timer, AHandlerMayArmItAgain) {
    noting_timer repeating;
    instant last = clock::now();
    repeating.then = [&] {
        EXPECT_GE(repeating.at, last + 2ms);
        last = clock::now();
        if (repeating.expiries < 5) loop().arm(repeating, last + 2ms);
    };
    loop().arm(repeating, last + 2ms);
    ASSERT_TRUE(run_until([&] { return repeating.expiries == 5; }));
}

TEST_P(Timer, ArmedForNowAgainAndAgainLetsDataThrough) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    noting_timer busy;
    busy.then = [&] { loop().arm(busy, instant::min()); };
    loop().arm(busy, instant::min());
    a_recv_into recv(ours, 8);
    loop().submit(recv);
    ticks(5);
    write_all(sockets.peer.get(), "x");
    ASSERT_TRUE(run_until(recv));
    EXPECT_GT(busy.expiries, 0);
    loop().disarm(busy);
    loop().close(ours);
}

TEST_P(Timer, AHundredThousandAtOnce) {
    std::minstd_rand random(3);
    std::vector<noting_timer> timers(100'000);
    const instant start = clock::now();
    std::size_t expired = 0;
    int early = 0;
    std::vector<instant> deadlines;
    for (noting_timer& each : timers) {
        const instant deadline = start + std::chrono::microseconds(random() % 100'000);
        each.then = [&, deadline] {
            ++expired;
            if (clock::now() < deadline) ++early;
        };
        loop().arm(each, deadline);
    }
    std::size_t disarmed = 0;
    for (std::size_t each = 0; each < timers.size(); each += 10) {
        loop().disarm(timers[each]);
        ++disarmed;
    }
    ASSERT_TRUE(run_until([&] { return expired == timers.size() - disarmed; }));
    EXPECT_EQ(early, 0);
    loop().run_for_one_tick(0ms);
    EXPECT_EQ(expired, timers.size() - disarmed);
}

}  // namespace
}  // namespace naru::testing
