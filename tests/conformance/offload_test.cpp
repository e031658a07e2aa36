// Blocking work that coroutines wait for, joined or left to itself.
#include "support/conformance.hpp"
#include "support/gate.hpp"

#include <memory>
#include <stdexcept>

namespace naru::testing {
namespace {

class Offload : public conformance {};
NARU_ON_EVERY_BACKEND(Offload);

task<result<int>> offloaded(worker_pool& pool, bool failing) {
    auto work = [failing]() -> int {
        if (failing) throw std::runtime_error("offloaded");
        return 42;
    };
    co_return co_await offload(pool, work);
}

task<> offloaded_nothing(worker_pool& pool, bool& ran) {
    EXPECT_TRUE(co_await offload(pool, [&ran] { ran = true; }));
}

task<result<int>> offloaded_result(worker_pool& pool) {
    co_return co_await offload(pool, []() -> result<int> { return fail_errno(ENOENT); });
}

TEST_P(Offload, GivesTheValueTheErrorOrTheException) {
    worker_pool pool(1);
    EXPECT_EQ(run_task(loop(), offloaded(pool, false)), 42);
    EXPECT_THROW((void)run_task(loop(), offloaded(pool, true)), std::runtime_error);
    bool ran = false;
    run_task(loop(), offloaded_nothing(pool, ran));
    EXPECT_TRUE(ran);
    EXPECT_EQ(run_task(loop(), offloaded_result(pool)).error(), std::errc::no_such_file_or_directory);
    pool.shut_down();
    EXPECT_EQ(run_task(loop(), offloaded(pool, false)).error(), std::errc::operation_canceled);
}

task<result<void>> detached_until(worker_pool& pool, std::shared_ptr<gate> hold, duration span) {
    auto work = [hold] { hold->pass(); };
    co_return co_await with_deadline(span, offload_detached(pool, work));
}

TEST_P(Offload, ADetachedJobIsLeftToItselfAtTheDeadline) {
    worker_pool pool(1);
    const auto hold = std::make_shared<gate>();
    const auto late = run_task(loop(), detached_until(pool, hold, 5ms));  // would hang if it waited
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error(), std::errc::timed_out);
    hold->open();
    settle();
    EXPECT_EQ(hold.use_count(), 1);  // the job owned its callable, and is gone
    EXPECT_TRUE(run_task(loop(), detached_until(pool, hold, 1h)));
}

TEST_P(Offload, AJoinedJobHasEndedWhenItsDeadlineReturns) {
    worker_pool pool(1);
    gate hold;
    bool ended = false;
    auto job = [&] {
        hold.pass();
        ended = true;
    };
    stop_scope scope;
    started_task<result<void>> waiting(loop(), naru::detail::foreign(with_stop(scope, offload(pool, job))));
    hold.wait_for_arrival();
    scope.stop();
    ticks(3);
    EXPECT_FALSE(waiting.ended());
    hold.open();
    ASSERT_TRUE(run_until([&] { return waiting.ended(); }));
    EXPECT_TRUE(waiting.take());
    EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace naru::testing
