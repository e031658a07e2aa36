// Channels, mutexes, semaphores and events of coroutines.
#include "support/conformance.hpp"
#include "support/ending.hpp"

#include <memory>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

class Sync : public conformance {};
NARU_ON_EVERY_BACKEND(Sync);

TEST_P(Sync, AChannelHoldsItsSenderBack) {
    channel<std::unique_ptr<int>> numbers(2);
    std::size_t most = 0;
    int sent = 0;
    auto produce = [&]() -> task<> {
        for (int each = 0; each < 100; ++each) {
            EXPECT_TRUE(co_await numbers.send(std::make_unique<int>(each)));
            ++sent;
            most = std::max(most, numbers.size());
        }
        numbers.close();
    };
    int next = 0;
    auto consume = [&]() -> task<> {
        while (auto got = co_await numbers.receive()) {
            EXPECT_EQ(**got, next++);
            EXPECT_LE(sent, next + 3);
            if (next % 7 == 0) co_await yield();
        }
    };
    auto both = [&]() -> task<> { co_await when_all(produce(), consume()); };
    run_task(loop(), both());
    EXPECT_EQ(next, 100);
    EXPECT_LE(most, 2u);
}

TEST_P(Sync, AClosedChannelIsEmptiedAndThenSaysSo) {
    auto main = []() -> task<> {
        channel<int> numbers(1);
        EXPECT_TRUE(co_await numbers.send(1));
        EXPECT_EQ((co_await with_deadline(1ms, numbers.send(2))).error(), std::errc::timed_out);
        auto refused = [&]() -> task<> {
            EXPECT_EQ((co_await numbers.send(3)).error(), errc::channel_closed);
        };
        auto close = [&]() -> task<> {
            co_await yield();
            numbers.close();
        };
        co_await when_all(refused(), close());
        EXPECT_EQ(co_await numbers.receive(), 1);
        EXPECT_EQ((co_await numbers.receive()).error(), errc::channel_closed);
        channel<int> none(1);
        EXPECT_EQ((co_await with_deadline(1ms, none.receive())).error(), std::errc::timed_out);
    };
    run_task(loop(), main());
}

TEST_P(Sync, AMutexIsHandedOnInOrder) {
    async_mutex mutex;
    std::vector<int> order;
    bool inside = false;
    auto enter = [&](int which) -> task<> {
        auto guard = co_await mutex.lock();
        EXPECT_TRUE(guard);
        EXPECT_FALSE(inside);
        inside = true;
        (void)co_await sleep_for(1ms);
        inside = false;
        order.push_back(which);
    };
    auto stopped = [&]() -> task<> {
        EXPECT_EQ((co_await with_deadline(1us, mutex.lock())).error(), std::errc::timed_out);
    };
    auto main = [&]() -> task<> { co_await when_all(enter(1), enter(2), stopped(), enter(3)); };
    run_task(loop(), main());
    EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
    EXPECT_TRUE(mutex.try_lock());
}

TEST_P(Sync, ASemaphoreAdmitsSoMany) {
    async_semaphore places(3);
    std::size_t inside = 0;
    std::size_t most = 0;
    auto visit = [&]() -> task<> {
        auto place = co_await places.acquire();
        most = std::max(most, ++inside);
        (void)co_await sleep_for(1ms);
        --inside;
    };
    auto body = [&](task_group& group) {
        for (int each = 0; each < 20; ++each)
            group.spawn(visit);
    };
    EXPECT_TRUE(run_task(loop(), with_group(body)));
    EXPECT_EQ(most, 3u);
    EXPECT_EQ(places.available(), 3u);
}

TEST_P(Sync, AnEventReleasesAllWhoWait) {
    async_event ready;
    int released = 0;
    auto wait = [&]() -> task<> {
        if (co_await ready.wait()) ++released;
    };
    auto set = [&]() -> task<> {
        co_await yield();
        EXPECT_EQ(released, 0);
        ready.set();
        EXPECT_EQ(released, 0);  // they have their turn later
    };
    auto main = [&]() -> task<> { co_await when_all(wait(), wait(), set()); };
    run_task(loop(), main());
    EXPECT_EQ(released, 2);
    run_task(loop(), wait());
    ready.reset();
    EXPECT_EQ(run_task(loop(), with_deadline(1ms, ready.wait())).error(), std::errc::timed_out);
}

TEST_P(Sync, YieldLetsTheOthersHaveTheirTurn) {
    std::string order;
    auto turns = [&](char name) -> task<> {
        for (int each = 0; each < 3; ++each) {
            order += name;
            co_await yield();
        }
    };
    auto main = [&]() -> task<> { co_await when_all(turns('a'), turns('b')); };
    run_task(loop(), main());
    EXPECT_EQ(order, "ababab");
}

}  // namespace
}  // namespace naru::testing
