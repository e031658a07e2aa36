// Connections that a server ends, in every way it can: what becomes of their requests, and how they are made
// anew.
#include "load_fixture.hpp"

namespace naru::load {
namespace {

class connection_test : public engine_test {};
NARU_LOAD_ON_EVERY_ENGINE(connection_test);

bool has_remark(const report& of, std::string_view part) {
    for (const std::string& each : remarks_on(of)) {
        if (each.find(part) != std::string::npos) return true;
    }
    return false;
}

TEST_P(connection_test, requests_behind_a_last_response_are_sent_again) {
    // Ends the connection with every third response, whatever has been sent behind it.
    scripted_server server([](conversation& client) {
        for (int each = 0; each < 3; ++each) {
            if (!client.read_request()) return;
            client.answer("hello", each == 2 ? "Connection: close\r\n" : "");
        }
        client.end_in_order();
    });
    run_options asked = options(server.where());
    asked.pipeline = 4;
    asked.connections = 2;
    asked.requests = 400;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 400u);
    EXPECT_EQ(got.counts.errors_in_all(), 0u) << got.counts.first_problem;
    EXPECT_EQ(got.counts.unfinished, 0u);
    EXPECT_EQ(got.service.count(), 400u);
    EXPECT_GT(got.counts.sent_again, 0u);
    EXPECT_TRUE(has_remark(got, "were sent again"));
    asked.rate = 4000;
    const report open = carry_out(asked);
    EXPECT_EQ(open.counts.completed, 400u);
    EXPECT_EQ(open.corrected.count(), 400u);
    EXPECT_EQ(open.counts.errors_in_all(), 0u) << open.counts.first_problem;
}

TEST_P(connection_test, every_request_has_one_outcome_in_every_mode) {
    // By turns: the end announced, the end without a word, a reset, and half a response.
    scripted_server server([](conversation& client) {
        for (unsigned each = 0; each < 5; ++each) {
            if (!client.read_request()) return;
            const bool announced = each == 4 && client.number() % 4 == 0;
            client.answer("hello", announced ? "Connection: close\r\n" : "");
        }
        if (client.number() % 4 == 2) client.reset();
        if (client.number() % 4 == 3) client.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    });
    for (const bool open : {false, true}) {
        for (const unsigned pipeline : {1u, 7u}) {
            run_options asked = options(server.where());
            if (open) asked.rate = 5000;
            asked.pipeline = pipeline;
            asked.threads = 2;
            asked.requests = 501;
            const report got = carry_out(asked);
            EXPECT_EQ(got.counts.requests(), 501u) << open << pipeline;
            EXPECT_EQ(got.counts.unfinished, 0u);
            EXPECT_GT(got.counts.failed, 0u);
            EXPECT_FALSE(has_remark(got, "requests were made"));
        }
    }
}

TEST_P(connection_test, a_warm_up_does_not_change_the_number_of_requests_on_a_schedule) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.threads = 2;
    asked.requests = 300;
    asked.rate = 900;  // the times of its requests are no whole nanoseconds, but that of the 90th is
    asked.warmup = 100ms;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 300u);
    EXPECT_EQ(got.counts.scheduled, 300u);
}

TEST_P(connection_test, a_run_that_made_fewer_requests_says_why) {
    scripted_server server([](conversation& client) { client.wait_for_end(); });
    run_options asked = options(server.where());
    asked.requests = 100;
    asked.run_time = 50ms;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.requests(), 4u);
    EXPECT_TRUE(has_remark(got, "4 of 100 requests were made: its time was over"));
}

}  // namespace
}  // namespace naru::load
