// Blocking work as an operation of a loop.
#include "support/conformance.hpp"
#include "support/gate.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>

namespace naru::testing {
namespace {

class Workers : public conformance {};
NARU_ON_EVERY_BACKEND(Workers);

struct some_work : tracked<work_operation> {
    some_work() : tracked<work_operation>(&some_work::work) {}
    static void work(work_operation& self) {
        auto& each = static_cast<some_work&>(self);
        each.worker = std::this_thread::get_id();
        ++each.runs;
        if (each.job) each.job();
    }
    std::function<void()> job;
    std::thread::id worker;
    int runs = 0;
};

TEST_P(Workers, WhatIsLinkedBehindWorkBeginsWhenItHasSucceeded) {
    worker_pool pool(1);
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    for (const bool fails : {false, true}) {
        some_work work;
        if (fails) work.job = [] { throw std::runtime_error("no"); };
        a_send first(ours, "one");
        a_send second(ours, "two");
        work.link = &first;
        first.link = &second;
        pool.submit(loop(), work);
        EXPECT_EQ(loop().in_flight(), 3u);
        ASSERT_TRUE(run_until(second));
        EXPECT_EQ(loop().in_flight(), 0u);
        EXPECT_EQ(work.completions + first.completions + second.completions, 3);
        received_text got;
        got.read_from(sockets.peer.get());
        EXPECT_EQ(got.data, fails ? "" : "onetwo");
        if (fails) {
            EXPECT_EQ(first.error(), std::errc::operation_canceled);
            EXPECT_EQ(second.error(), std::errc::operation_canceled);
        }
    }
    loop().close(ours);
}

TEST_P(Workers, WorkRunsElsewhereAndCompletesHere) {
    worker_pool pool(2);
    some_work works[20];
    for (some_work& each : works) {
        pool.submit(loop(), each);
        EXPECT_EQ(each.completions, 0);
    }
    ASSERT_TRUE(run_until([&] {
        return std::all_of(std::begin(works), std::end(works),
                           [](const some_work& each) { return each.done(); });
    }));
    for (const some_work& each : works) {
        EXPECT_EQ(each.result, 0);
        EXPECT_EQ(each.runs, 1);
        EXPECT_EQ(each.completions, 1);
        EXPECT_EQ(each.where, std::this_thread::get_id());
        EXPECT_NE(each.worker, std::this_thread::get_id());
    }
}

TEST_P(Workers, AFullQueueRefuses) {
    worker_pool pool(1, 1);
    gate hold;
    some_work running;
    some_work queued;
    some_work refused;
    running.job = [&] { hold.pass(); };
    pool.submit(loop(), running);
    hold.wait_for_arrival();
    pool.submit(loop(), queued);
    pool.submit(loop(), refused);
    EXPECT_EQ(refused.completions, 0);
    ASSERT_TRUE(run_until(refused));
    EXPECT_EQ(refused.error(), std::errc::resource_unavailable_try_again);
    EXPECT_EQ(refused.runs, 0);
    EXPECT_EQ(running.completions + queued.completions, 0);
    hold.open();
    ASSERT_TRUE(run_until(queued));
    EXPECT_EQ(queued.result, 0);
    EXPECT_EQ(running.result, 0);
}

TEST_P(Workers, CancelReachesWhatIsQueuedAndNotWhatRuns) {
    worker_pool pool(1);
    gate hold;
    some_work running;
    some_work queued;
    running.job = [&] { hold.pass(); };
    pool.submit(loop(), running);
    hold.wait_for_arrival();
    pool.submit(loop(), queued);
    loop().cancel(queued);
    loop().cancel(running);
    EXPECT_EQ(queued.completions, 0);
    ASSERT_TRUE(run_until(queued));
    EXPECT_EQ(queued.error(), std::errc::operation_canceled);
    EXPECT_EQ(queued.runs, 0);
    EXPECT_EQ(running.completions, 0);
    hold.open();
    ASSERT_TRUE(run_until(running));
    EXPECT_EQ(running.result, 0);
    pool.submit(loop(), queued);  // it may be submitted again
    ASSERT_TRUE(run_until([&] { return queued.completions == 2; }));
    EXPECT_EQ(queued.result, 0);
}

TEST_P(Workers, AnExceptionIsKeptForTheLoop) {
    worker_pool pool(1);
    some_work work;
    work.job = [] { throw std::runtime_error("in the worker"); };
    pool.submit(loop(), work);
    ASSERT_TRUE(run_until(work));
    EXPECT_EQ(work.error(), std::errc::bad_address);
    ASSERT_TRUE(work.exception);
    EXPECT_THROW(std::rethrow_exception(work.exception), std::runtime_error);
}

TEST_P(Workers, ShuttingDownFinishesWhatRunsAndCancelsWhatWaits) {
    auto pool = std::make_unique<worker_pool>(1);
    gate hold;
    some_work running;
    some_work queued;
    running.job = [&] { hold.pass(); };
    pool->submit(loop(), running);
    hold.wait_for_arrival();
    pool->submit(loop(), queued);
    hold.open();
    pool->shut_down();
    some_work late;
    pool->submit(loop(), late);
    pool.reset();
    EXPECT_EQ(running.completions + queued.completions + late.completions, 0);
    ASSERT_TRUE(run_until([&] { return running.done() && queued.done() && late.done(); }));
    EXPECT_EQ(running.result, 0);
    EXPECT_EQ(running.runs, 1);
    EXPECT_TRUE(queued.result == 0 || queued.error() == std::errc::operation_canceled);
    EXPECT_EQ(queued.runs, queued.result == 0 ? 1 : 0);
    EXPECT_EQ(late.error(), std::errc::operation_canceled);
}

/// A pool that leaves nothing usable behind: who touches it after its end does not get far.
class overwritten_pool {
 public:
    worker_pool& start() {
        return *(pool_ = std::construct_at(reinterpret_cast<worker_pool*>(memory_.data()), 1u));
    }
    void end() {
        std::destroy_at(pool_);
        std::memset(memory_.data(), 0xff, memory_.size());
    }

 private:
    alignas(worker_pool) std::array<std::byte, sizeof(worker_pool)> memory_{};
    worker_pool* pool_ = nullptr;
};

TEST_P(Workers, CancelAfterThePoolsEndDoesNothing) {
    overwritten_pool memory;
    worker_pool& pool = memory.start();
    gate hold;
    some_work running;
    some_work queued;
    some_work late;
    running.job = [&] { hold.pass(); };
    pool.submit(loop(), running);
    hold.wait_for_arrival();
    pool.submit(loop(), queued);
    hold.open();
    pool.shut_down();
    pool.submit(loop(), late);
    memory.end();
    for (some_work* each : {&running, &queued, &late})
        loop().cancel(*each);
    EXPECT_EQ(running.completions + queued.completions + late.completions, 0);
    ASSERT_TRUE(run_until([&] { return running.done() && queued.done() && late.done(); }));
    ticks(3);
    EXPECT_EQ(running.completions + queued.completions + late.completions, 3);
    EXPECT_EQ(running.result, 0);
    EXPECT_TRUE(queued.result == 0 || queued.error() == std::errc::operation_canceled);
    EXPECT_EQ(late.error(), std::errc::operation_canceled);
}

TEST_P(Workers, ThePoolMayEndOnAnotherThreadWhileWorkIsCancelled) {
    for (int round = 0; round < 50; ++round) {
        overwritten_pool memory;
        worker_pool& pool = memory.start();
        some_work works[20];
        for (some_work& each : works)
            pool.submit(loop(), each);
        std::atomic<bool> ending = false;
        std::thread other([&] {
            ending = true;
            memory.end();
        });
        while (!ending)
            std::this_thread::yield();
        for (some_work& each : works)
            loop().cancel(each);
        other.join();
        ASSERT_TRUE(run_until([&] {
            return std::all_of(std::begin(works), std::end(works),
                               [](const some_work& each) { return each.done(); });
        }));
        ticks(1);
        for (const some_work& each : works) {
            EXPECT_EQ(each.completions, 1);
            EXPECT_EQ(each.runs, each.result == 0 ? 1 : 0);
        }
    }
}

TEST_P(Workers, AHandlerMaySubmitAgain) {
    worker_pool pool(2);
    some_work work;
    work.then = [&] {
        if (work.completions < 100) pool.submit(loop(), work);
    };
    pool.submit(loop(), work);
    ASSERT_TRUE(run_until([&] { return work.completions == 100; }));
    EXPECT_EQ(work.runs, 100);
}

// Nothing but the wake-up ends a wait here: one that is lost leaves the loop waiting.
TEST_P(Workers, EachCompletionWakesTheLoop) {
    constexpr int rounds = 2000;
    bystander watch(loop());
    worker_pool pool(4);
    some_work work;
    work.then = [&] {
        watch.progress();
        if (work.completions < rounds) pool.submit(loop(), work);
    };
    pool.submit(loop(), work);
    loop().run_until([&] { return work.completions == rounds || watch.gave_up(); });
    EXPECT_FALSE(watch.gave_up()) << "after " << work.completions << " of " << rounds;
    pool.shut_down();
    settle();
}

TEST_P(Workers, SeveralLoopsShareAPool) {
    worker_pool pool(2);
    std::thread other([&] {
        naru::loop there(GetParam().make().backend);
        some_work works[50];
        for (some_work& each : works)
            pool.submit(there, each);
        int done = 0;
        there.run_until([&] {
            done = 0;
            for (const some_work& each : works)
                done += each.completions;
            return done == 50;
        });
        for (const some_work& each : works)
            EXPECT_EQ(each.where, std::this_thread::get_id());
    });
    some_work works[50];
    for (some_work& each : works)
        pool.submit(loop(), each);
    run_until([&] {
        int done = 0;
        for (const some_work& each : works)
            done += each.completions;
        return done == 50;
    });
    for (const some_work& each : works)
        EXPECT_EQ(each.where, std::this_thread::get_id());
    other.join();
}

}  // namespace
}  // namespace naru::testing
