// Connections that a server ends, in every way it can: what becomes of their requests, and how they are made
// anew.
#include "load_fixture.hpp"

#include <load/limits.hpp>

namespace naru::load {
namespace {

class connection_test : public engine_test {};
NARU_LOAD_ON_EVERY_ENGINE(connection_test);

/// What takes as long as one of the limits.
class slow_connection_test : public engine_test {};
NARU_LOAD_ON_BOTH_FAMILIES(slow_connection_test);

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
    EXPECT_EQ(got.counts.not_ended, 0u);
    if (is_paced_by_the_kernel()) return;
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
        if (open && is_paced_by_the_kernel()) break;
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
    if (is_paced_by_the_kernel()) GTEST_SKIP() << "it may be behind for longer than the end is waited for";
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

TEST_P(connection_test, one_that_a_server_ends_without_a_word_is_made_anew_at_once) {
    // Each second request meets the end: a pause of ten milliseconds behind each would take five seconds.
    scripted_server server([](conversation& client) {
        if (!client.read_request()) return;
        client.answer();
        (void)client.read_request();
    });
    run_options asked = options(server.where());
    asked.connections = 1;
    asked.requests = is_paced_by_the_kernel() ? 50 : 1000;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, *asked.requests / 2);
    EXPECT_EQ(got.counts.failed, *asked.requests / 2);
    EXPECT_EQ(got.counts.held_back, 0u);
    EXPECT_FALSE(has_reason(got, "reconnects_limited"));
}

TEST_P(connection_test, those_that_carry_nothing_are_limited_and_the_limit_is_a_finding) {
    scripted_server server([](conversation&) {});
    run_options asked = options(server.where());
    asked.connections = 16;
    asked.rate = 1;  // nothing is under way most of the time
    bool is_limited = false;
    for (duration run_time = 300ms; !is_limited && run_time < 10s; run_time *= 4) {
        asked.run_time = run_time;
        const unsigned before = server.connections();
        const instant begun = clock::now();
        const report got = carry_out(asked);
        const double seconds = std::chrono::duration<double>(clock::now() - begun).count();
        const double most = limits::fruitless_connections * (seconds + 0.1) + 16;
        const unsigned made = server.connections() - before;
        EXPECT_LE(made, most);
        EXPECT_GE(got.measured_seconds, 0.29);
        is_limited = has_reason(got, "reconnects_limited");
        if (is_limited) {
            EXPECT_GT(made, 100u) << "a hundred in any case, before there is a limit";
        }
    }
    if (!is_limited) GTEST_SKIP() << "too slow a machine for the limit";
}

TEST_P(connection_test, a_server_that_ignores_the_wish_to_close_does_not_hold_the_run_up) {
    std::atomic<unsigned> most{0};
    scripted_server server([&](conversation& client) {
        unsigned requests = 0;
        while (client.read_request()) {
            client.answer();
            most = std::max<unsigned>(most, ++requests);
        }
    });
    run_options asked = options(server.where());
    asked.connections = 2;
    asked.close = true;
    asked.requests = 100;
    asked.run_time = 20s;  // a second for each of 50 would be longer
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 100u);
    EXPECT_EQ(got.counts.close_ignored, 100u);
    EXPECT_EQ(got.counts.errors_in_all(), 0u) << got.counts.first_problem;
    EXPECT_EQ(most, 1u);
    EXPECT_TRUE(has_remark(got, "ignored Connection: close"));
}

TEST_P(slow_connection_test, a_server_that_does_not_end_what_it_said_it_would_is_a_finding) {
    scripted_server server([&](conversation& client) {
        if (!client.read_request()) return;
        client.answer("hello", "Connection: close\r\n");
        client.wait_for_end();
    });
    run_options asked = options(server.where());
    asked.connections = 3;
    asked.requests = 6;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 6u);
    EXPECT_GE(got.counts.not_ended, 3u);
    EXPECT_TRUE(has_reason(got, "close_awaited"));
}

TEST_P(slow_connection_test, a_target_that_takes_no_connections_does_not_hold_the_run_up) {
    listen_options small;
    small.backlog = 0;
    const unique_descriptor full = testing::listening_socket(small);
    const address where = *address::local_of(full.get());
    const unique_descriptor first = testing::connect_to(where);
    run_options asked = options(where);
    asked.connections = 200;  // sixty-four at a time, five minutes for each
    asked.timeout = 300s;
    asked.run_time = 100ms;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 0u);
    EXPECT_GE(got.counts.not_opened, 190u);
    EXPECT_TRUE(has_remark(got, "the run began without"));
}

TEST_P(slow_connection_test, a_run_that_made_fewer_requests_says_why) {
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
