// Coroutines across threads: tasks on other loops, stops from other threads, frames that go home.
#include "support/conformance.hpp"
#include "support/ending.hpp"
#include "support/gate.hpp"

#include <atomic>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

/// Another loop of the same kind, on a thread of its own.
class Transfer : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (IsSkipped()) return;
        thread_ = std::thread([this] {
            naru::loop there(GetParam().make().backend);
            other_ = &there;
            made_.pass();
            there.run();
        });
        made_.wait_for_arrival();
        made_.open();
    }
    void TearDown() override {
        if (thread_.joinable()) {
            other_->stop();
            thread_.join();
        }
        conformance::TearDown();
    }
    naru::loop& other() { return *other_; }

 private:
    gate made_;
    naru::loop* other_ = nullptr;
    std::thread thread_;
};
NARU_ON_EVERY_BACKEND(Transfer);

TEST_P(Transfer, ATaskRunsOnAnotherLoopAndComesBack) {
    auto there = [](naru::loop& expected) -> task<std::thread::id> {
        EXPECT_EQ(co_await current_loop(), &expected);
        EXPECT_TRUE(co_await sleep_for(1ms));
        co_return std::this_thread::get_id();
    };
    auto main = [&]() -> task<> {
        const std::thread::id id = co_await on(other(), there(other()));
        EXPECT_NE(id, std::this_thread::get_id());
        EXPECT_EQ(co_await current_loop(), &loop());
    };
    run_task(loop(), main());
    auto throwing = []() -> task<> {
        co_await yield();
        throw std::runtime_error("over there");
    };
    EXPECT_THROW(run_task(loop(), on(other(), throwing())), std::runtime_error);
}

TEST_P(Transfer, AStopIsCarriedOver) {
    EXPECT_EQ(run_task(loop(), with_deadline(2ms, on(other(), sleep_task(1h)))).error(),
              std::errc::timed_out);
    stop_scope stopped;
    stopped.stop();
    EXPECT_EQ(run_task(loop(), with_stop(stopped, on(other(), sleep_task(1h)))).error(),
              std::errc::operation_canceled);
    for (int each = 0; each < 200; ++each) {  // the stop and the end meet at every distance
        (void)run_task(loop(),
                       with_deadline(std::chrono::microseconds(each * 20), on(other(), sleep_task(1ms))));
    }
}

TEST_P(Transfer, AStopTokenStopsFromAnyThread) {
    for (int each = 0; each < 50; ++each) {
        std::stop_source source;
        std::thread asks([&] { (void)source.request_stop(); });
        EXPECT_EQ(run_task(loop(), with_stop(source.get_token(), sleep_task(1h))).error(),
                  std::errc::operation_canceled);
        asks.join();
    }
    std::stop_source never_stopped;
    EXPECT_TRUE(run_task(loop(), with_stop(never_stopped.get_token(), sleep_task(1ms))));
    for (int each = 0; each < 50; ++each) {  // asked for while it ends
        std::stop_source source;
        std::atomic<bool> began = false;
        std::thread asks([&] {
            while (!began)
                std::this_thread::yield();
            (void)source.request_stop();
        });
        auto brief = [&]() -> task<> {
            began = true;
            co_await yield();
        };
        run_task(loop(), with_stop(source.get_token(), brief()));
        asks.join();
    }
}

TEST_P(Transfer, AScopeStopsAStopToken) {
    stop_scope scope;
    const stop_token_of token(scope);
    EXPECT_FALSE(token.token().stop_requested());
    scope.stop();
    EXPECT_TRUE(token.token().stop_requested());
}

/// Counts, and knows its thread.
class counting_pool : public frame_pool {
 public:
    explicit counting_pool(naru::loop& home) : frame_pool(home), thread_(std::this_thread::get_id()) {}
    void* allocate(std::size_t bytes) override {
        EXPECT_EQ(std::this_thread::get_id(), thread_);
        ++made;
        return ::operator new(bytes);
    }
    void release(void* memory, std::size_t) noexcept override {
        EXPECT_EQ(std::this_thread::get_id(), thread_);
        ++freed;
        ::operator delete(memory);
    }
    int made = 0;
    int freed = 0;

 private:
    std::thread::id thread_;
};

TEST_P(Transfer, AFrameKnowsItsPoolAndGoesHome) {
    counting_pool pool(loop());
    {
        const frame_pool::use here(pool);
        auto main = [&]() -> task<> { EXPECT_EQ(co_await on(other(), value_after(0ms, 3)), 3); };
        run_task(loop(), main());
    }
    EXPECT_GE(pool.made, 2);
    ASSERT_TRUE(run_until([&] { return pool.freed == pool.made; }));
    const int before = pool.made;
    run_task(loop(), sleep_task(1ms));
    EXPECT_EQ(pool.made, before);
}

}  // namespace
}  // namespace naru::testing
