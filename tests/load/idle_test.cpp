// Idle connections: there for the whole run, and counted when they are not.
#include "load_fixture.hpp"

namespace naru::load {
namespace {

class idle_test : public engine_test {};
NARU_LOAD_ON_EVERY_ENGINE(idle_test);

TEST_P(idle_test, they_ask_once_and_stay) {
    std::mutex mutex;
    unsigned once = 0;
    scripted_server server([&](conversation& client) {
        unsigned requests = 0;
        while (client.read_request()) {
            ++requests;
            client.answer();
        }
        const std::lock_guard lock(mutex);
        if (requests == 1) ++once;
    });
    run_options asked = options(server.where());
    asked.idle = 50;
    asked.requests = 400;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 400u) << "the idle ones' requests are not measured";
    EXPECT_EQ(got.counts.opened, 54u);
    EXPECT_EQ(got.counts.idle_open, 50u);
    EXPECT_EQ(got.counts.idle_lost, 0u);
    EXPECT_TRUE(testing::eventually([&] {
        const std::lock_guard lock(mutex);
        return once == 50;
    }));
}

TEST_P(idle_test, silent_ones_send_nothing) {
    std::atomic<unsigned> requests{0};
    scripted_server server([&](conversation& client) {
        while (client.read_request()) {
            ++requests;
            client.answer();
        }
    });
    run_options asked = options(server.where());
    asked.idle = 20;
    asked.idle_asks = false;
    asked.requests = 40;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.idle_open, 20u);
    EXPECT_EQ(requests, 40u);
}

TEST_P(idle_test, those_that_the_server_ends_are_counted_and_not_opened_again) {
    std::atomic<bool> go{false};
    scripted_server server([&](conversation& client) {
        if (!client.read_request()) return;
        client.answer();
        if (client.number() < 10) {  // the idle ones come first
            while (!go)
                std::this_thread::yield();
            return;
        }
        go = true;
        answer_all(client);
    });
    run_options asked = options(server.where());
    asked.idle = 10;
    asked.connections = 1;
    asked.rate = 500;
    asked.requests = 500;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.idle_lost, 10u);
    EXPECT_EQ(got.counts.idle_open, 0u);
    EXPECT_EQ(server.connections(), 11u);
    EXPECT_TRUE(has_reason(got, "idle_lost"));
}

TEST_P(idle_test, a_ramp_takes_its_time) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.idle = 26;
    asked.ramp = 100;
    asked.requests = 10;
    const report got = carry_out(asked);
    EXPECT_GE(got.opening_seconds, 0.28) << "the last of 30 connections is due after 290 ms";
    EXPECT_EQ(got.counts.opened, 30u);
}

}  // namespace
}  // namespace naru::load
