// The timer wheel against a reference model: a list of deadlines.
#include <naru/loop/timers.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;

constexpr instant origin{std::chrono::hours(1000)};

struct model_timer : timer {
    model_timer() : timer(&model_timer::expired) {}
    static void expired(timer& self) noexcept {
        auto& each = static_cast<model_timer&>(self);
        ++each.expiries;
        each.expired_at = *each.now;
    }
    const instant* now = nullptr;
    int expiries = 0;
    instant expired_at{};
};

struct program {
    explicit program(std::uint32_t seed, std::size_t count) : random(seed), timers(count) {
        for (model_timer& each : timers)
            each.now = &now;
        expected.resize(count, never);
    }

    duration random_delay() {
        const std::int64_t bits = 1 + static_cast<std::int64_t>(random() % 45);  // up to about ten hours
        const auto delay = static_cast<std::int64_t>((std::uint64_t{random()} << 31 | random()) &
                                                     ((std::uint64_t{1} << bits) - 1));
        return duration(delay);
    }

    void arm(std::size_t index, instant deadline) {
        wheel.arm(timers[index], deadline);
        expected[index] = deadline;
    }

    void step() {
        const std::size_t index = random() % timers.size();
        switch (random() % 8) {
            case 0:
                wheel.disarm(timers[index]);
                expected[index] = never;
                break;
            case 1:
                arm(index, now - random_delay());  // past already
                break;
            case 2:
                advance(random_delay());
                break;
            case 3:
                advance(duration(random() % 3'000'000));
                break;
            case 4:  // to where something is due
                advance(std::max(duration(0), wheel.next() == never ? duration(0) : wheel.next() - now));
                break;
            default:
                arm(index, now + random_delay());
                break;
        }
    }

    void advance(duration by) {
        // The wheel must not sleep past the earliest deadline.
        instant earliest = never;
        for (const instant each : expected)
            earliest = std::min(earliest, each);
        if (earliest != never) {
            ASSERT_LE(wheel.next(), std::max(earliest + 1ms, now)) << "step " << steps;
        } else {
            ASSERT_EQ(wheel.next(), never);
        }
        now += by;
        std::vector<int> before;
        for (const model_timer& each : timers)
            before.push_back(each.expiries);
        wheel.expire(now);
        for (std::size_t index = 0; index < timers.size(); ++index) {
            const bool expired = timers[index].expiries > before[index];
            ASSERT_LE(timers[index].expiries, before[index] + 1);
            if (expired) {
                ASSERT_NE(expected[index], never) << "it was not armed";
                ASSERT_LE(expected[index], now) << "early, at step " << steps;
                ASSERT_FALSE(timers[index].armed());
                expected[index] = never;
            } else if (expected[index] != never) {
                ASSERT_GT(expected[index] + 1ms, now) << "late, at step " << steps;
                ASSERT_TRUE(timers[index].armed());
            } else {
                ASSERT_FALSE(timers[index].armed());
            }
        }
        ++steps;
    }

    std::minstd_rand random;
    instant now = origin;
    timer_wheel wheel{origin};
    std::vector<model_timer> timers;
    std::vector<instant> expected;
    int steps = 0;
};

TEST(Timers, BehaveLikeAListOfDeadlines) {
    for (std::uint32_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        program run(seed, 40);
        for (int step = 0; step < 3000 && !::testing::Test::HasFatalFailure(); ++step)
            run.step();
        if (::testing::Test::HasFatalFailure()) return;
        for (std::size_t index = 0; index < run.timers.size(); ++index)
            run.wheel.disarm(run.timers[index]);
        EXPECT_GT(run.steps, 500);
    }
}

TEST(Timers, ExpireInTheOrderOfTheirDeadlines) {
    std::minstd_rand random(9);
    static std::vector<instant> order;
    order.clear();
    struct ordered : timer {
        ordered() : timer([](timer& self) noexcept { order.push_back(static_cast<ordered&>(self).due); }) {}
        instant due{};
    };
    timer_wheel wheel(origin);
    std::vector<ordered> timers(2000);
    for (ordered& each : timers) {
        each.due = origin + std::chrono::milliseconds(1 + random() % 500'000);
        wheel.arm(each, each.due);
    }
    EXPECT_EQ(wheel.expire(origin + 500s), timers.size());
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(Timers, ADeadlineCenturiesAwayWaitsAndMaySleepLong) {
    timer_wheel wheel(origin);
    instant now = origin;
    model_timer far;
    far.now = &now;
    wheel.arm(far, origin + std::chrono::hours(24 * 365 * 100));
    for (int year = 1; year < 100; ++year) {
        now = origin + std::chrono::hours(24 * 365 * year);
        EXPECT_EQ(wheel.expire(now), 0u);
        EXPECT_TRUE(far.armed());
    }
    now = origin + std::chrono::hours(24 * 365 * 100) + 1ms;
    EXPECT_EQ(wheel.expire(now), 1u);
    EXPECT_EQ(far.expiries, 1);
    EXPECT_EQ(wheel.next(), never);
}

TEST(Timers, ArmingForNeverDisarms) {
    timer_wheel wheel(origin);
    model_timer each;
    wheel.arm(each, origin + 1s);
    wheel.arm(each, never);
    EXPECT_FALSE(each.armed());
    EXPECT_EQ(wheel.next(), never);
}

TEST(Timers, AHandlerThatArmsForThePastIsCalledOncePerExpire) {
    timer_wheel wheel(origin);
    struct again : timer {
        explicit again(timer_wheel& of) : timer(&again::expired), wheel(of) {}
        static void expired(timer& self) noexcept {
            auto& each = static_cast<again&>(self);
            ++each.expiries;
            each.wheel.arm(each, instant::min());
        }
        timer_wheel& wheel;
        int expiries = 0;
    } each(wheel);
    wheel.arm(each, instant::min());
    EXPECT_EQ(wheel.expire(origin + 5ms), 1u);
    EXPECT_EQ(wheel.expire(origin + 5ms), 1u);
    EXPECT_EQ(each.expiries, 2);
    wheel.disarm(each);
}

TEST(Timers, AHandlerMayDisarmWhatIsDueWithIt) {
    timer_wheel wheel(origin);
    static std::vector<std::unique_ptr<timer>> all;
    static timer_wheel* the_wheel = nullptr;
    static int calls = 0;
    the_wheel = &wheel;
    calls = 0;
    for (int each = 0; each < 20; ++each) {
        all.push_back(std::make_unique<timer>([](timer&) noexcept {
            ++calls;
            for (auto& other : all)
                the_wheel->disarm(*other);
            all.clear();
        }));
        // In one slot, in neighbouring ones, and in coarser ones.
        wheel.arm(*all.back(),
                  origin + std::chrono::milliseconds(each < 10 ? 100 : 100 + each * each * each));
    }
    EXPECT_EQ(wheel.expire(origin + 1h), 1u);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(wheel.next(), never);
}

TEST(Timers, APushedBackDeadlineCostsNoEarlyExpiry) {
    timer_wheel wheel(origin);
    instant now = origin;
    model_timer each;
    each.now = &now;
    wheel.arm(each, origin + 10ms);
    for (int step = 0; step < 1000; ++step) {
        now += 5ms;
        EXPECT_EQ(wheel.expire(now), 0u);
        wheel.arm(each, now + 10ms);
    }
    now += 10ms;
    wheel.expire(now + 1ms);
    EXPECT_EQ(each.expiries, 1);
}

}  // namespace
}  // namespace naru::testing
