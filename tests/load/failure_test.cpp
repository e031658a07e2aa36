// Everything that can go wrong, provoked, and called by its name. No error ends or hangs a run.
#include "load_fixture.hpp"
#include "support/nobody.hpp"

namespace naru::load {
namespace {

class failure_test : public engine_test {};
NARU_LOAD_ON_EVERY_ENGINE(failure_test);

TEST_P(failure_test, refused) {
    const testing::nobodys_address nobody;
    run_options asked = options(nobody);
    asked.run_time = 200ms;
    const report got =
        carry_out_until(asked, [](const report& each) { return has_reason(each, "reconnects_limited"); });
    EXPECT_GE(errors_of(got, failure::refused), 4u);
    EXPECT_TRUE(has_reason(got, "reconnects_limited"));
    EXPECT_EQ(got.counts.completed, 0u);
    EXPECT_TRUE(has_reason(got, "errors"));
}

TEST_P(failure_test, reset_while_a_response_is_awaited) {
    scripted_server server([](conversation& client) {
        for (int each = 0; each < 4; ++each) {
            if (!client.read_request()) return;
            client.answer();
        }
        if (client.read_request()) client.reset();
    });
    run_options asked = options(server.where());
    asked.connections = 1;
    asked.requests = 100;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 80u);
    EXPECT_EQ(errors_of(got, failure::reset), 20u);
    EXPECT_EQ(got.counts.errors_in_all(), 20u);
    EXPECT_TRUE(has_reason(got, "errors"));
}

TEST_P(failure_test, closed_before_the_response_or_in_its_middle) {
    scripted_server server([](conversation& client) {
        if (!client.read_request()) return;
        client.answer();
        if (!client.read_request()) return;
        if (client.number() % 2 == 0) client.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
    });
    run_options asked = options(server.where());
    asked.connections = 1;
    asked.requests = 40;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 20u);
    EXPECT_EQ(errors_of(got, failure::closed_early), 20u);
}

TEST_P(failure_test, timeouts_are_errors_and_latencies_too) {
    scripted_server server([](conversation& client) {
        for (int each = 0; each < 3; ++each) {
            if (!client.read_request()) return;
            client.answer();
        }
        client.wait_for_end();  // says nothing any more
    });
    run_options asked = options(server.where());
    asked.connections = 1;
    asked.requests = 16;
    asked.timeout = 100ms;
    report got = carry_out(asked);
    for (int attempt = 1; attempt < 20 && got.counts.completed != 12; ++attempt)
        got = carry_out(asked);  // on a busy machine an answer may be late, too
    EXPECT_EQ(got.counts.completed, 12u);
    EXPECT_EQ(errors_of(got, failure::timed_out), 4u);
    EXPECT_EQ(got.service.count(), 16u);
    EXPECT_GE(got.service.percentile(100), 99ms);
}

TEST_P(failure_test, a_peer_that_accepts_nothing_times_out) {
    // A full listen queue: the kernel takes one connection more than the backlog, and no others.
    listen_options small;
    small.backlog = 0;
    const unique_descriptor full = testing::listening_socket(small);
    const address where = *address::local_of(full.get());
    const unique_descriptor first = testing::connect_to(where);
    run_options asked = options(where);
    asked.connections = 2;
    asked.timeout = 150ms;
    asked.run_time = 100ms;
    const report got = carry_out(asked);
    EXPECT_GE(errors_of(got, failure::timed_out), 1u);
    EXPECT_EQ(got.counts.completed, 0u);
}

TEST_P(failure_test, bad_responses_say_what_is_wrong) {
    scripted_server server([](conversation& client) {
        if (client.read_request()) client.send("220 mail.example.org ESMTP\r\n");
        client.wait_for_end();
    });
    run_options asked = options(server.where());
    asked.requests = 12;
    const report got = carry_out(asked);
    EXPECT_EQ(errors_of(got, failure::bad_response), 12u);
    EXPECT_EQ(got.counts.first_problem, "no HTTP/1 status line");
}

TEST_P(failure_test, more_bytes_than_a_response_has) {
    scripted_server server([](conversation& client) {
        if (!client.read_request()) return;
        client.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n");
        client.wait_for_end();
    });
    run_options asked = options(server.where());
    asked.requests = 8;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 0u) << "what is no answer is not counted as one as well";
    EXPECT_EQ(errors_of(got, failure::bad_response), 8u);
    EXPECT_EQ(got.counts.first_problem, "bytes behind the last response");
}

TEST_P(failure_test, unexpected_statuses_are_counted_by_class_and_not_timed) {
    scripted_server server([](conversation& client) {
        unsigned number = 0;
        while (client.read_request()) {
            const char* const lines[] = {"200 OK", "301 Moved", "404 Not Found", "503 Busy"};
            client.send("HTTP/1.1 " + std::string(lines[number++ % 4]) + "\r\nContent-Length: 0\r\n\r\n");
        }
    });
    run_options asked = options(server.where());
    asked.connections = 1;
    asked.requests = 400;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 400u);
    EXPECT_EQ(got.counts.statuses, (std::array<std::uint64_t, 5>{0, 100, 100, 100, 100}));
    EXPECT_EQ(errors_of(got, failure::unexpected_status), 200u);
    EXPECT_EQ(got.service.count(), 200u) << "a server is not fast because it says no fast";
    asked.status_from = asked.status_to = 404;
    EXPECT_EQ(errors_of(carry_out(asked), failure::unexpected_status), 300u);
}

TEST_P(failure_test, an_early_answer_to_a_large_request_is_heard) {
    scripted_server server([](conversation& client) {
        if (!client.read_some()) return;
        client.send("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    run_options asked = options(server.where());
    asked.request =
        *build_request(*parse_url("http://test/"), {"POST", {}, std::string(8'000'000, 'x'), false});
    asked.requests = 4;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed + got.counts.errors_in_all() - errors_of(got, failure::unexpected_status),
              4u);
}

TEST_P(failure_test, everything_at_once_does_not_hang_it) {
    scripted_server server([](conversation& client) {
        if (!client.read_request()) return;
        switch (client.number() % 6) {
            case 0:
                client.reset();
                return;
            case 1:
                client.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
                return;
            case 2:
                client.send("nonsense\r\n\r\n");
                return;
            case 3:
                client.wait_for_end();
                return;
            case 4:
                client.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
                return;
            default:
                client.answer();
                answer_all(client);
        }
    });
    run_options asked = options(server.where());
    asked.connections = 12;
    asked.idle = 3;
    asked.timeout = 50ms;
    asked.rate = 2000;
    asked.run_time = 1s;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.scheduled, 2000u);
    EXPECT_GT(got.counts.completed, 0u);
    EXPECT_GT(got.counts.errors_in_all(), 0u);
}

}  // namespace
}  // namespace naru::load
