// Misuse of coroutines that compiles ends the program with a sentence, in release builds too.
#include <naru/backend/choose_backend.hpp>
#include <naru/naru.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <semaphore>
#include <utility>

#if GTEST_HAS_DEATH_TEST && !defined(_WIN32)  // the same code: once is enough

namespace naru {
namespace {

using namespace std::chrono_literals;

task<> waits() { (void)co_await sleep_for(1ms); }

/// Runs a coroutine on a loop of its own.
template <class Body>
void run_body(Body body) {
    loop on(try_backend(engine::poll).backend);
    run(on, body(on));
}

TEST(CoroutineMisuseDeathTest, ATaskAwaitedTwice) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     task<> once = waits();
                     co_await std::move(once);
                     co_await std::move(once);
                 }),
                 "bug: a task was awaited that had been awaited, spawned or moved from before");
}

TEST(CoroutineMisuseDeathTest, ATaskSpawnedAfterItWasMovedFrom) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     task<> first = waits();
                     const task<> second = std::move(first);
                     (void)co_await with_group([&](task_group& group) { group.spawn(std::move(first)); });
                 }),
                 "bug: a task was awaited that had been awaited, spawned or moved from before");
}

TEST(CoroutineMisuseDeathTest, AChildThatJoinsItsOwnGroup) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     (void)co_await with_group([](task_group& group) {
                         group.spawn([&group]() -> task<> { co_await group.join(); });
                     });
                 }),
                 "bug: a child waits for its own group");
}

TEST(CoroutineMisuseDeathTest, ALoopThatEndsBeforeAWorkerIsDoneWithIt) {
    static std::binary_semaphore never(0), begun(0);
    const auto work = [] {
        begun.release();
        never.acquire();
    };
    EXPECT_DEATH(
        {
            worker_pool pool(1);
            run_body([&](loop&) -> task<> {
                stop_scope given_up;
                const auto give_up = [&]() -> task<> {
                    begun.acquire();  // what is not begun is taken back
                    given_up.stop();
                    co_return;
                };
                (void)co_await with_group([&](task_group& group) {
                    group.spawn([&]() -> task<> {
                        (void)co_await with_stop(given_up, offload_detached(pool, work));
                    });
                    group.spawn(give_up());
                });
            });
        },
        "bug: a loop ended before what is under way on it: .*a worker_pool, which ends");
}

TEST(CoroutineMisuseDeathTest, AGroupOfLoopsThatIsWaitedForByItself) {
    EXPECT_DEATH(
        {
            loop_group loops(1, engine::poll);
            loops.start([&](loop&, std::size_t) -> task<> {
                loops.join();
                co_return;
            });
            loops.join();
        },
        "bug: an http::server or loop_group is waited for, or destroyed, by one of its own threads");
}

TEST(CoroutineMisuseDeathTest, AChildAwaitedTwice) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     (void)co_await with_group([](task_group& group) -> task<> {
                         auto child = group.start(waits());
                         co_await std::move(child);
                         co_await std::move(child);
                     });
                 }),
                 "bug: a child was awaited that had been awaited or moved from before");
}

TEST(CoroutineMisuseDeathTest, AScopeThatEndsBeforeWhatRunsInIt) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     std::optional<stop_scope> scope(std::in_place);
                     (void)co_await with_group([&](task_group& group) -> task<> {
                         group.spawn([&]() -> task<> { (void)co_await with_stop(*scope, sleep_for(1h)); });
                         co_await yield();
                         scope.reset();
                     });
                 }),
                 "bug: a stop_scope ended before what runs in it");
}

TEST(CoroutineMisuseDeathTest, AStreamThatWasNeverOpened) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     tcp_stream stream;
                     (void)co_await stream.receive();
                 }),
                 "bug: a stream or socket was used that never was opened");
}

TEST(CoroutineMisuseDeathTest, AListenerOfAnotherLoop) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     loop other(try_backend(engine::poll).backend);
                     auto listener = tcp_listener::bind(other, "127.0.0.1:0");
                     (void)co_await listener->accept();
                 }),
                 "bug: a listener of one loop was awaited on another");
}

TEST(CoroutineMisuseDeathTest, AChannelThatEndsWhileSomebodyWaits) {
    EXPECT_DEATH(run_body([](loop&) -> task<> {
                     std::optional<channel<int>> numbers(std::in_place, 1u);
                     (void)co_await with_group([&](task_group& group) -> task<> {
                         group.spawn([&]() -> task<> { (void)co_await numbers->receive(); });
                         co_await yield();
                         numbers.reset();
                     });
                 }),
                 "ended while coroutines wait for it");
}

TEST(CoroutineMisuseDeathTest, AStartedTaskThatIsLeft) {
    EXPECT_DEATH(
        {
            loop on(try_backend(engine::poll).backend);
            const started_task<> left(on, waits());
        },
        "bug: a started_task was destroyed while it runs");
}

}  // namespace
}  // namespace naru

#endif
