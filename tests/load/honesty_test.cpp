// What other load generators hide: a server that stands still, and a generator that cannot keep up.
#include "load_fixture.hpp"

#include <load/machine.hpp>

#include <utility>
#include <vector>

#include <pthread.h>
#include <sched.h>

namespace naru::load {
namespace {

/// Lets requests through to be answered, or not.
class gate {
 public:
    void pass() {
        std::unique_lock lock(mutex_);
        ++passed_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return open_; });
    }
    void wait_for(unsigned passed) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return passed_ >= passed; });
    }
    void set_open(bool open) {
        const std::lock_guard lock(mutex_);
        open_ = open;
        changed_.notify_all();
    }

 private:
    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned passed_ = 0;
    bool open_ = true;
};

class honesty_test : public engine_test {
 protected:
    /// A run during which the server answers nothing for one second.
    report with_a_pause(run_options asked) {
        run one(std::move(asked));
        one.start();
        gate_.wait_for(400);
        gate_.set_open(false);
        std::this_thread::sleep_for(1s);  // the server's pause, not synchronisation
        gate_.set_open(true);
        EXPECT_TRUE(one.wait_for(30s));
        return one.finish();
    }

    gate gate_;
    std::optional<scripted_server> server_{std::in_place, [this](conversation& client) {
                                               while (client.read_request()) {
                                                   gate_.pass();
                                                   client.answer();
                                               }
                                           }};
};
NARU_LOAD_ON_BOTH_FAMILIES(honesty_test);

// 1,000 of 3,000 requests are due while the server stands still; only 8 of them have been sent. The service
// time knows of those 8, which is less than 1%; a user would have waited half a second on average.
TEST_P(honesty_test, a_server_that_pauses_for_a_second_shows_in_corrected_latency_only) {
    run_options asked = options(server_->where());
    asked.connections = 8;
    asked.rate = 1000;
    asked.requests = 3000;
    const report got = with_a_pause(asked);
    ASSERT_EQ(got.counts.completed, 3000u);
    EXPECT_GE(got.counts.backlog_max, 800u);
    EXPECT_EQ(got.counts.overflowed, 0u);
    // What the pause did to those who wanted to ask meanwhile.
    EXPECT_GE(got.corrected.max(), 900ms);
    EXPECT_GE(got.corrected.percentile(99), 800ms);
    EXPECT_GE(got.corrected.percentile(90), 500ms);
    EXPECT_GE(got.corrected.percentile(75), 100ms);
    // What a generator sees that waits with its next request for the answer to the last one.
    EXPECT_LT(got.service.percentile(99), got.corrected.percentile(90) / 3);
    EXPECT_LT(got.service.percentile(90), 100ms);
    EXPECT_GT(got.corrected.percentile(99), 20 * got.service.percentile(50));
    // And when it was.
    duration worst{0};
    for (const second& each : got.seconds)
        worst = std::max(worst, each.max);
    EXPECT_GE(worst, 900ms);
    server_.reset();
}

TEST_P(honesty_test, a_closed_loop_hides_the_same_pause_and_says_so) {
    run_options asked = options(server_->where());
    asked.connections = 8;
    asked.run_time = 3s;
    const report got = with_a_pause(asked);
    EXPECT_LT(got.service.percentile(99), 300ms) << "8 slow responses among thousands";
    EXPECT_GE(got.service.max(), 900ms);
    EXPECT_EQ(got.corrected.count(), 0u);
    EXPECT_NE(remarks_on(got).at(0).find("closed loop"), std::string::npos);
    server_.reset();
}

// The server stands still for good: its requests have no answer, and count with the time they have waited.
TEST_P(honesty_test, a_stall_that_outlasts_the_run_is_not_left_out) {
    run_options asked = options(server_->where());
    asked.connections = 4;
    asked.rate = 500;
    asked.run_time = 2s;
    run one(asked);
    one.start();
    gate_.wait_for(250);
    gate_.set_open(false);
    ASSERT_TRUE(one.wait_for(30s));
    const report got = one.finish();
    EXPECT_EQ(got.counts.scheduled, 1000u);
    EXPECT_EQ(got.counts.completed + got.counts.unfinished, 1000u);
    EXPECT_GE(got.counts.unfinished, 500u);
    EXPECT_EQ(got.corrected.count(), 1000u);
    EXPECT_GE(got.corrected.percentile(90), 1500ms);
    gate_.set_open(true);
    server_.reset();
}

// In the closed loop too few requests were under way for any percentile to show it.
TEST_P(honesty_test, a_time_without_an_answer_is_told_in_words) {
    run_options asked = options(server_->where());
    asked.connections = 8;
    asked.run_time = 3s;
    const report got = with_a_pause(asked);
    EXPECT_GE(got.counts.longest_silence, 900ms);
    EXPECT_LE(got.counts.silence_began, 2500ms);
    bool is_said = false;
    for (const std::string& each : remarks_on(got))
        is_said = is_said || each.find("not one answer came") != std::string::npos;
    EXPECT_TRUE(is_said);
    server_.reset();
}

class mute_test : public engine_test {};
NARU_LOAD_ON_BOTH_FAMILIES(mute_test);

// Its requests are in the latencies with the time they waited, which are enough to look like figures.
TEST_P(mute_test, a_server_that_never_answers_makes_the_run_invalid) {
    const unique_descriptor listener = testing::listening_socket();  // the kernel takes connections for it
    for (const bool open : {true, false}) {
        run_options asked = options(*address::local_of(listener.get()));
        asked.connections = 100;
        if (open) asked.rate = 12'000;
        asked.pipeline = 16;
        asked.run_time = 100ms;
        asked.timeout = 60s;
        const report got =
            carry_out_until(asked, [](const report& each) { return each.counts.unanswered() > 1'000; });
        EXPECT_EQ(got.counts.completed, 0u);
        EXPECT_GT(got.counts.unanswered(), 1'000u);
        EXPECT_TRUE(has_reason(got, "no_answers"));
        EXPECT_TRUE(has_reason(got, "errors"));
    }
}

class throttled_test : public engine_test {};
NARU_LOAD_ON_BOTH_FAMILIES(throttled_test);

void burn(duration length) {
    const instant end = clock::now() + length;
    while (clock::now() < end) {
    }
}

TEST_P(throttled_test, a_generator_that_is_busy_with_something_else_is_called_invalid) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.run_time = 1s;
    asked.every_tick = [](unsigned) { burn(10ms); };
    EXPECT_TRUE(has_reason(carry_out(asked), "generator_saturated"));
    asked.rate = 2000;
    EXPECT_TRUE(has_reason(carry_out(asked), "generator_saturated"));
}

// Once, with so few connections that hardly a request was under way meanwhile.
TEST_P(throttled_test, a_generator_that_stood_still_once_is_called_invalid) {
    for (const bool open : {true, false}) {
        std::atomic<unsigned> seen{0};
        scripted_server server([&](conversation& client) {
            while (client.read_request()) {
                ++seen;
                client.answer();
            }
        });
        run_options asked = options(server.where());
        asked.connections = 2;
        if (open) asked.rate = 1000;
        asked.run_time = 2s;
        bool stood_still = false;
        asked.every_tick = [&](unsigned) {
            if (seen < 100 || std::exchange(stood_still, true)) return;
            std::this_thread::sleep_for(400ms);  // the fault that is to be found
        };
        const report got = carry_out(asked);
        EXPECT_TRUE(has_reason(got, "generator_paused")) << (open ? "open" : "closed");
        EXPECT_GE(got.threads[0].longest_pause, 300ms);
    }
}

// It has time to spare in total, but not when it matters: every twenty milliseconds it looks away for eight.
TEST_P(throttled_test, a_generator_that_misses_its_schedule_is_called_invalid) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.connections = 64;
    asked.rate = 1000;
    asked.run_time = 1500ms;
    instant next{};
    asked.every_tick = [&](unsigned) {
        if (clock::now() < next) return;
        std::this_thread::sleep_for(8ms);  // the fault that is to be found
        next = clock::now() + 12ms;
    };
    const report got = carry_out(asked);
    EXPECT_TRUE(has_reason(got, "schedule_missed"));
    EXPECT_GE(got.lag.percentile(99), 4ms);
}

// Its core is wanted by four others at the same time.
TEST_P(throttled_test, a_generator_without_a_core_of_its_own_is_called_invalid) {
    if (!read_thread_counters().waiting_cpu) GTEST_SKIP() << "the kernel does not say who waited for a core";
    cpu_set_t mine;
    CPU_ZERO(&mine);
    CPU_SET(sched_getcpu(), &mine);
    std::atomic<bool> stop{false};
    std::vector<std::thread> others;
    for (int each = 0; each < 4; ++each) {
        others.emplace_back([&] {
            pthread_setaffinity_np(pthread_self(), sizeof mine, &mine);
            while (!stop)
                burn(1ms);
        });
    }
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.rate = 5000;
    asked.connections = 64;
    asked.run_time = 1s;
    bool pinned = false;
    asked.every_tick = [&](unsigned) {
        if (!std::exchange(pinned, true)) pthread_setaffinity_np(pthread_self(), sizeof mine, &mine);
    };
    const report got = carry_out(asked);
    stop = true;
    for (std::thread& each : others)
        each.join();
    EXPECT_TRUE(has_reason(got, "generator_descheduled") || has_reason(got, "schedule_missed") ||
                has_reason(got, "generator_saturated"));
    EXPECT_FALSE(judge(got).empty());
}

TEST(Backlog, is_bounded_and_what_falls_out_makes_the_run_invalid) {
    scripted_server server([](conversation& client) { client.wait_for_end(); });
    run_options asked = options_for(server.where());
    asked.connections = 1;
    asked.rate = 40'000'000;
    asked.run_time = 100ms;
    asked.timeout = 200ms;
    const report got = carry_out(asked);
    EXPECT_GT(got.counts.overflowed, 0u);
    EXPECT_TRUE(has_reason(got, "backlog_overflow"));
    EXPECT_EQ(got.counts.scheduled, 4'000'000u);
}

}  // namespace
}  // namespace naru::load
