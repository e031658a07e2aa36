// The loop itself: posts, wakes, stop, signals, and the order within a tick.
#include "support/conformance.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace naru::testing {
namespace {

class Loop : public conformance {};
NARU_ON_EVERY_BACKEND(Loop);

TEST_P(Loop, PostsFromSeveralThreadsRunHereInEachThreadsOrder) {
    constexpr int threads = 4;
    constexpr int each_posts = 2000;
    std::vector<std::vector<int>> seen(threads);
    int total = 0;
    const std::thread::id here = std::this_thread::get_id();
    bool elsewhere = false;
    std::vector<std::thread> posters;
    for (int thread = 0; thread < threads; ++thread) {
        posters.emplace_back([&, thread] {
            for (int number = 0; number < each_posts; ++number) {
                loop().post([&, thread, number] {
                    elsewhere = elsewhere || std::this_thread::get_id() != here;
                    seen[static_cast<std::size_t>(thread)].push_back(number);
                    if (++total == threads * each_posts) loop().stop();
                });
            }
        });
    }
    // No limit on the wait: what is posted wakes the loop, or the test hangs.
    loop().run_until([&] { return total == threads * each_posts; });
    for (std::thread& each : posters)
        each.join();
    EXPECT_FALSE(elsewhere);
    for (const auto& each : seen) {
        ASSERT_EQ(each.size(), static_cast<std::size_t>(each_posts));
        EXPECT_TRUE(std::is_sorted(each.begin(), each.end()));
    }
}

TEST_P(Loop, APostWakesALoopThatWaits) {
    std::atomic<int> ran = 0;
    std::thread poster([&] {
        for (int number = 0; number < 200; ++number) {
            loop().post([&] { ++ran; });
            while (ran.load() <= number)
                std::this_thread::yield();  // the loop has gone back to its wait, or will
        }
        loop().post([&] { loop().stop(); });
    });
    loop().run();
    poster.join();
    EXPECT_EQ(ran.load(), 200);
}

TEST_P(Loop, StopFromAnotherThreadEndsRun) {
    for (int round = 0; round < 20; ++round) {
        std::atomic<bool> running = false;
        loop().post([&] { running = true; });
        std::thread stopper([&] {
            while (!running)
                std::this_thread::yield();
            loop().stop();
        });
        loop().run();
        stopper.join();
    }
}

TEST_P(Loop, AConditionThatBecomesTrueBeforeTheWaitEndsRunUntil) {
    // Nothing else would end the wait: no timer, no data.
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_send send(ours, "x");
    loop().submit(send);
    loop().run_until([&] { return send.done(); });
    bool posted_ran = false;
    loop().post([&] { posted_ran = true; });
    loop().run_until([&] { return posted_ran; });
    on_handle close(operation_kind::close, ours);
    loop().submit(close);
    loop().run_until([&] { return close.done(); });
}

TEST_P(Loop, PostsMadeByPostsRunToo) {
    int ran = 0;
    std::function<void()> again = [&] {
        if (++ran < 3000) loop().post([&] { again(); });
    };
    loop().post([&] { again(); });
    ASSERT_TRUE(run_until([&] { return ran == 3000; }));
}

TEST_P(Loop, ManyPostsDoNotKeepDataWaiting) {
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into recv(ours, 8);
    loop().submit(recv);
    ticks(3);
    write_all(sockets.peer.get(), "data");
    int ran = 0;
    for (unsigned each = 0; each < 3 * limits::posts_per_tick; ++each)
        loop().post([&] { ++ran; });
    ASSERT_TRUE(run_until(recv));
    EXPECT_LE(ran, static_cast<int>(2 * limits::posts_per_tick));
    ASSERT_TRUE(run_until([&] { return ran == static_cast<int>(3 * limits::posts_per_tick); }));
    loop().close(ours);
}

TEST_P(Loop, ItsDestructionRunsWhatWasPosted) {
    auto choice = GetParam().make();
    auto token = std::make_shared<int>(0);
    {
        naru::loop other(std::move(choice.backend));
        other.post([token] { ++*token; });
    }
    EXPECT_EQ(*token, 1);
    EXPECT_EQ(token.use_count(), 1);
}

TEST_P(Loop, ItsDestructionRunsAllThatWasPostedHoweverMuchItIs) {
    constexpr int posts = 5000;
    auto choice = GetParam().make();
    auto token = std::make_shared<std::vector<int>>();
    {
        naru::loop other(std::move(choice.backend));
        std::thread poster([&] {
            for (int number = 0; number < posts; ++number)
                other.post([token, number] { token->push_back(number); });
            other.stop();
        });
        poster.join();
        other.run();
    }
    ASSERT_EQ(token->size(), static_cast<std::size_t>(posts));
    EXPECT_TRUE(std::is_sorted(token->begin(), token->end()));
    EXPECT_EQ(token.use_count(), 1);
}

TEST_P(Loop, ItsDestructionFinishesWhatPostedTasksBegin) {
    auto choice = GetParam().make();
    auto sockets = local_pair();
    std::string order;
    handle ours;  // used in the loop's destructor
    {
        naru::loop other(std::move(choice.backend));
        ours = other.attach(sockets.ours.release(), descriptor_kind::stream).value();
        other.post([&] {
            order += "first ";
            other.post([&] {
                order += "second ";
                other.close(ours);
                other.post([&] { order += "third "; });
            });
        });
    }
    EXPECT_EQ(order, "first second third ");
    ASSERT_TRUE(wait_readable(sockets.peer.get(), 10'000));
    received_text got;
    got.read_from(sockets.peer.get());
    EXPECT_TRUE(got.ended);
}

TEST_P(Loop, ATaskThatPostsItselfAgainDoesNotHoldItsDestructionUp) {
    struct again : posted {
        explicit again(naru::loop& to)
            : posted([](posted& self) noexcept {
                  auto& each = static_cast<again&>(self);
                  ++each.runs;
                  each.on.post(each);
              }),
              on(to) {}
        naru::loop& on;
        int runs = 0;
    };
    auto choice = GetParam().make();
    auto other = std::make_unique<naru::loop>(std::move(choice.backend));
    again task(*other);
    other->post(task);
    other.reset();
    EXPECT_EQ(task.runs, static_cast<int>(limits::posts_rounds_at_end));
}

// Also by a task that runs before it in the same tick.
TEST_P(Loop, ATaskThatIsTakenBackIsNotRun) {
    struct noting : posted {
        noting() noexcept : posted([](posted& self) noexcept { static_cast<noting&>(self).ran = true; }) {}
        bool ran = false;
    };
    struct forgetting : posted {
        forgetting(naru::loop& on, noting& what) noexcept
            : posted([](posted& self) noexcept {
                  auto& own = static_cast<forgetting&>(self);
                  own.loop.forget(own.other);
              }),
              loop(on),
              other(what) {}
        naru::loop& loop;
        noting& other;
    };
    noting posted_before, deferred_before, last;
    std::array<noting, 2> forgotten;
    loop().post(posted_before);
    loop().post(forgotten[0]);
    loop().forget(forgotten[0]);
    loop().defer(deferred_before);
    loop().defer(forgotten[1]);
    loop().forget(forgotten[1]);
    noting behind;
    forgetting first(loop(), behind);
    loop().defer(first);
    loop().defer(behind);
    loop().defer(last);
    ticks(2);
    EXPECT_TRUE(posted_before.ran && deferred_before.ran && last.ran);
    EXPECT_FALSE(forgotten[0].ran || forgotten[1].ran || behind.ran);
    loop().forget(last);  // is in no queue
    loop().defer(behind);
    ticks(1);
    EXPECT_TRUE(behind.ran);
}

TEST_P(Loop, DataOfTheSameTickComesBeforeItsTimers) {
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    struct noting : timer {
        explicit noting(std::string& to)
            : timer([](timer& self) noexcept { static_cast<noting&>(self).order += "timer "; }), order(to) {}
        std::string& order;
    };
    for (int round = 0; round < 10; ++round) {
        std::string order;
        noting expiry(order);
        a_recv_into recv(ours, 8);
        recv.then = [&] { order += "data "; };
        loop().submit(recv);
        ticks(3);
        write_all(sockets.peer.get(), "x");
        loop().arm(expiry, clock::now());
        ASSERT_TRUE(run_until([&] { return order.size() > 10; }));
        EXPECT_EQ(order, "data timer ");
    }
    loop().close(ours);
}

TEST_P(Loop, AStopBeforeRunIsNotForgotten) {
    loop().stop();
    loop().run();
    bool ran = false;
    loop().post([&] {
        ran = true;
        loop().stop();
    });
    loop().run();  // and it counts once
    EXPECT_TRUE(ran);
}

TEST_P(Loop, AStopEndsRunUntilAndNoLaterRun) {
    std::thread stopper([&] { loop().stop(); });
    EXPECT_FALSE(loop().run_until([] { return false; }));
    stopper.join();
    bool ran = false;
    loop().post([&] { ran = true; });
    EXPECT_TRUE(loop().run_until([&] { return ran; }));
    // One that comes while the condition becomes true belongs to the run that it ends.
    loop().post([&] {
        ran = false;
        loop().stop();
    });
    EXPECT_TRUE(loop().run_until([&] { return !ran; }));
    loop().post([&] {
        ran = true;
        loop().stop();
    });
    loop().run();
    EXPECT_TRUE(ran);
}

TEST_P(Loop, AWaitWithoutEventsEndsInTime) {
    const instant start = clock::now();
    loop().run_for_one_tick(20ms);
    EXPECT_LT(clock::now() - start, 5s);
}

#if !defined(_WIN32)

// A handler of its own for SIGUSR1, without SA_RESTART: system calls are interrupted.
class interrupting_signal {
 public:
    interrupting_signal() {
        struct sigaction action{};
        action.sa_handler = [](int) {};
        sigaction(SIGUSR1, &action, &before_);
    }
    ~interrupting_signal() { sigaction(SIGUSR1, &before_, nullptr); }
    interrupting_signal(const interrupting_signal&) = delete;
    interrupting_signal& operator=(const interrupting_signal&) = delete;

 private:
    struct sigaction before_{};
};

TEST_P(Loop, SignalsDisturbNothing) {
    const interrupting_signal signal;
    auto sockets = tcp_pair(16384, 16384);
    const handle ours = adopt(sockets.ours);
    std::atomic<bool> ending = false;
    std::atomic<int> sent_signals = 0;
    const pthread_t target = pthread_self();
    std::thread sender([&] {
        while (!ending) {
            pthread_kill(target, SIGUSR1);
            ++sent_signals;
            std::this_thread::yield();
        }
    });
    const std::string inwards = pattern(400'000);
    a_send send(ours, pattern(400'000, 2));
    std::string got;
    std::error_code error;
    a_recv recv(ours);
    recv.then = [&] {
        if (recv.failed()) error = recv.error();
        got += recv.take(loop());
        if (got.size() < inwards.size() && !recv.failed()) loop().submit(recv);
    };
    loop().submit(send);
    loop().submit(recv);
    std::size_t written = 0;
    received_text out;
    run_until(
        [&] {
            written += write_some(sockets.peer.get(), std::string_view(inwards).substr(written, 10'000));
            out.read_from(sockets.peer.get(), 10'000);
            const bool all_there =
                send.done() && got.size() == inwards.size() && out.data.size() == send.text.size();
            return error || (all_there && sent_signals.load() > 0);  // its thread may begin late
        },
        30s);
    ending = true;
    sender.join();
    EXPECT_FALSE(error) << error.message();
    EXPECT_TRUE(got == inwards);
    EXPECT_TRUE(out.data == send.text);
    EXPECT_GT(sent_signals.load(), 0);
    loop().close(ours);
    settle();
}

#else

TEST_P(Loop, SignalsDisturbNothing) { GTEST_SKIP() << "Windows has no signals"; }

#endif

TEST_P(Loop, ALoopMadeHereMayRunOnAnotherThread) {
    if (on_sim()) GTEST_SKIP() << "a world is of one thread at a time, its sockets' peers, too";
    auto choice = GetParam().make();
    ASSERT_NE(choice.backend, nullptr);
    std::string got;
    auto sockets = local_pair();
    std::thread other([&] {
        naru::loop there(std::move(choice.backend));
        const handle ours = there.attach(sockets.ours.release(), descriptor_kind::stream).value();
        a_recv recv(ours);
        there.submit(recv);
        there.run_until([&] { return recv.done(); });
        got = recv.take(there);
        there.close(ours);
    });
    write_all(sockets.peer.get(), "across");
    other.join();
    EXPECT_EQ(got, "across");
}

TEST_P(Loop, ALoopThatRanOnAnotherThreadIsDestroyedHereAndOursGoesOn) {
    ticks(1);  // ours has a thread by now
    auto choice = GetParam().make();
    ASSERT_NE(choice.backend, nullptr);
    auto theirs = std::make_unique<naru::loop>(std::move(choice.backend));
    std::thread([&] {
        bool ran = false;
        theirs->post([&] { ran = true; });
        theirs->run_until([&] { return ran; });
    }).join();
    theirs.reset();
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv recv(ours);
    loop().submit(recv);
    write_all(sockets.peer.get(), "still here");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "still here");
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
