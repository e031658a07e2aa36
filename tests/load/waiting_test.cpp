// What the generator does while it has nothing to do: it sleeps, and does not take the blame for a server
// that is slow.
#include "load_fixture.hpp"

namespace naru::load {
namespace {

class waiting_test : public engine_test {
 protected:
    /// Turns of the generator's loop that a run may take beyond those that its requests ask for: connections
    /// that are opened and ended, and what keeps the time, twenty times a second.
    static constexpr std::uint64_t turns_of_a_run = 1000;
    static constexpr std::uint64_t turns_per_request = 16;

    report count_turns(run_options asked) {
        asked.every_tick = [this](unsigned) { ++turns_; };
        return carry_out(asked);
    }
    std::atomic<std::uint64_t> turns_{0};
};
NARU_LOAD_ON_EVERY_ENGINE(waiting_test);

TEST_P(waiting_test, it_sleeps_while_every_connection_is_busy_and_while_it_drains) {
    scripted_server server([](conversation& client) { client.wait_for_end(); });
    run_options asked = options(server.where());
    asked.connections = 2;
    asked.rate = 300;
    asked.run_time = 500ms;
    const report got = count_turns(asked);
    EXPECT_EQ(got.counts.scheduled, 150u);
    EXPECT_LE(turns_, turns_of_a_run + 150 * turns_per_request);
}

TEST_P(waiting_test, requests_that_find_a_free_connection_are_not_counted_as_waiting) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.connections = 30;
    asked.rate = 300;
    asked.requests = 30;  // one for each connection
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 30u);
    EXPECT_EQ(got.counts.waited, 0u);
}

TEST_P(waiting_test, it_sleeps_behind_the_last_request) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.connections = 1;
    asked.rate = 1;
    asked.run_time = 500ms;
    const report got = count_turns(asked);
    EXPECT_EQ(got.counts.completed, 1u);
    EXPECT_LE(turns_, turns_of_a_run + turns_per_request);
}

// Twenty requests are due while the first one has no answer, and the generator has nothing to send them on.
TEST_P(waiting_test, requests_that_wait_for_a_connection_are_counted_and_said) {
    scripted_server server([](conversation& client) {
        if (!client.read_request()) return;
        std::this_thread::sleep_for(200ms);  // what the server takes for it, not synchronisation
        client.answer();
        answer_all(client);
    });
    run_options asked = options(server.where());
    asked.connections = 1;
    asked.rate = 100;
    asked.requests = 40;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 40u);
    EXPECT_GE(got.counts.waited, 15u);
    bool is_said = false;
    for (const std::string& each : remarks_on(got))
        is_said = is_said || each.find("found every connection busy") != std::string::npos;
    EXPECT_TRUE(is_said);
}

}  // namespace
}  // namespace naru::load
