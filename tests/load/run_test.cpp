// Whole runs: what is counted, and that it is all there is.
#include "load_fixture.hpp"

#include <load/machine.hpp>

#include <map>

namespace naru::load {
namespace {

class run_test : public engine_test {};
NARU_LOAD_ON_EVERY_ENGINE(run_test);

void expect_clean(const report& got, std::uint64_t requests) {
    EXPECT_EQ(got.counts.completed, requests);
    EXPECT_EQ(got.counts.in_time, requests);
    EXPECT_EQ(got.service.count(), requests);
    EXPECT_EQ(got.counts.statuses[1], requests);
    EXPECT_EQ(got.counts.errors_in_all(), 0u) << got.counts.first_problem;
    EXPECT_EQ(got.counts.unfinished, 0u);
    std::uint64_t in_seconds = 0;
    for (const second& each : got.seconds)
        in_seconds += each.requests;
    EXPECT_EQ(in_seconds, requests);
}

TEST_P(run_test, a_closed_loop_sends_exactly_what_was_asked_for) {
    std::atomic<unsigned> seen{0};
    scripted_server server([&](conversation& client) {
        while (client.read_request()) {
            ++seen;
            client.answer();
        }
    });
    run_options asked = options(server.where());
    asked.requests = 1003;
    const report got = carry_out(asked);
    expect_clean(got, 1003);
    EXPECT_EQ(seen, 1003u);
    EXPECT_FALSE(got.open_loop);
    EXPECT_EQ(got.corrected.count(), 0u);
    EXPECT_EQ(got.counts.opened, 4u);
    EXPECT_EQ(got.counts.reopened, 0u);
}

TEST_P(run_test, an_open_loop_keeps_its_schedule) {
    if (is_paced_by_the_kernel()) GTEST_SKIP() << "it may be behind for longer than the end is waited for";
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.rate = 2000;
    asked.requests = 1000;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.scheduled, 1000u);
    EXPECT_EQ(got.counts.completed, 1000u);
    EXPECT_EQ(got.counts.errors_in_all(), 0u);
    EXPECT_EQ(got.corrected.count(), 1000u);
    EXPECT_EQ(got.service.count(), 1000u);
    EXPECT_EQ(got.lag.count(), 1000u);
    EXPECT_GE(got.corrected.max(), got.service.min());
    EXPECT_NEAR(got.measured_seconds, 0.5, 0.01) << "requests on a schedule take the schedule's time";
}

TEST_P(run_test, against_naru_serve) {
    testing::temporary_directory files;
    files.write("hello.txt", "Hello, ferry.\n");
    http::site site;
    site.mount("/", http::files(files.path().string()));
    http::server_options settings;
    settings.engine = GetParam();
    settings.report = [](std::string_view) {};
    http::server server(std::move(site), {{"127.0.0.1:0"}}, settings);
    server.start();
    const std::uint64_t many = is_paced_by_the_kernel() ? 300 : 5000;
    run_options asked = options(server.local_address(), "/hello.txt");
    asked.requests = many;
    asked.connections = 16;
    expect_clean(carry_out(asked), many);
    if (!is_paced_by_the_kernel()) {
        asked.rate = 2000;
        asked.requests = 1000;
        const report open = carry_out(asked);
        EXPECT_EQ(open.counts.completed, 1000u);
        EXPECT_EQ(open.corrected.count(), 1000u);
    }
    asked.rate.reset();
    asked.requests = many;
    asked.pipeline = 16;
    expect_clean(carry_out(asked), many);
    asked.pipeline = 1;
    asked.close = true;
    asked.requests = many / 10;
    asked.request.insert(asked.request.size() - 2, "Connection: close\r\n");
    const report closing = carry_out(asked);
    expect_clean(closing, many / 10);
    EXPECT_GE(closing.counts.opened, many / 10);
}

TEST_P(run_test, threads_share_the_work_and_their_figures_are_merged) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.connections = 7;
    asked.threads = 3;
    asked.requests = 1000;
    const report got = carry_out(asked);
    expect_clean(got, 1000);
    EXPECT_EQ(got.threads.size(), 3u);
    EXPECT_EQ(got.counts.opened, 7u);
    if (is_paced_by_the_kernel()) return;
    asked.rate = 3000;
    const report open = carry_out(asked);
    EXPECT_EQ(open.counts.scheduled, 1000u);
    EXPECT_EQ(open.corrected.count(), 1000u);
}

TEST_P(run_test, a_run_of_a_given_time_ends_then) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.run_time = 300ms;
    asked.warmup = 100ms;
    const report got = carry_out(asked);
    EXPECT_GE(got.measured_seconds, 0.3);
    EXPECT_LT(got.measured_seconds, 10) << "and not when all has been said";
    EXPECT_GT(got.counts.in_time, 0u);
    if (is_paced_by_the_kernel()) return;
    EXPECT_EQ(got.counts.unfinished, 0u) << "what is under way is waited for";
    asked.rate = 1000;
    const report open = carry_out(asked);
    EXPECT_EQ(open.counts.scheduled, 300u) << "the warm-up's requests are not measured";
    EXPECT_EQ(open.counts.completed, 300u);
}

TEST_P(run_test, what_the_warm_up_asked_counts_when_it_is_answered) {
    constexpr auto warmup = 1s;  // long enough to be what connections are made in
    scripted_server server([warmup](scripted_server::conversation& client) {
        (void)client.read_request();
        // The warm-up began before this request was sent: it is over then.
        std::this_thread::sleep_until(clock::now() + warmup);
        client.answer();
        client.wait_for_end();
    });
    run_options asked = options(server.where());
    asked.connections = 4;
    asked.warmup = warmup;
    asked.run_time = 2s;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.in_time, 4u) << "the server worked for them in the measured time";
    EXPECT_EQ(got.counts.completed, 0u) << "none of the measured requests was answered";
    EXPECT_EQ(got.counts.unfinished, 4u);
    EXPECT_EQ(got.service.count(), 4u) << "and only those have latencies";
}

TEST_P(run_test, pipelining_keeps_several_under_way) {
    // Answers nothing until eight requests are there.
    scripted_server server([](conversation& client) {
        while (true) {
            for (int each = 0; each < 8; ++each) {
                if (!client.read_request()) return;
            }
            for (int each = 0; each < 8; ++each)
                client.answer();
        }
    });
    run_options asked = options(server.where());
    asked.pipeline = 8;
    asked.connections = 1;
    asked.requests = 800;
    expect_clean(carry_out(asked), 800);
}

TEST_P(run_test, post_and_large_bodies_both_ways) {
    const std::string body = testing::pattern(300'000);
    const std::string answer = testing::pattern(400'000, 5);
    std::atomic<unsigned> good{0};
    scripted_server server([&](conversation& client) {
        while (const auto request = client.read_request()) {
            if (request->ends_with(body)) ++good;
            client.answer(answer);
        }
    });
    run_options asked = options(server.where());
    asked.request = *build_request(*parse_url("http://test/"), {"POST", {}, body, false});
    asked.requests = 20;
    expect_clean(carry_out(asked), 20);
    EXPECT_EQ(good, 20u);
    asked.pipeline = 3;
    expect_clean(carry_out(asked), 20);
    EXPECT_EQ(good, 40u);
}

TEST_P(run_test, chunked_and_interim_and_slow_pieces) {
    scripted_server server([](conversation& client) {
        while (client.read_request()) {
            client.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-");
            client.send("Encoding: chunked\r\n\r\n5\r\nhel");
            client.send("lo\r\n0\r");
            client.send("\n\r\n");
        }
    });
    run_options asked = options(server.where());
    asked.requests = 400;
    expect_clean(carry_out(asked), 400);
}

TEST_P(run_test, bodies_that_end_with_the_connection) {
    scripted_server server([](conversation& client) {
        if (client.read_request()) client.send("HTTP/1.1 200 OK\r\n\r\nall of it");
    });
    run_options asked = options(server.where());
    asked.requests = 50;
    const report got = carry_out(asked);
    expect_clean(got, 50);
    EXPECT_GE(got.counts.opened, 50u);
}

TEST_P(run_test, a_connection_for_each_request) {
    std::mutex mutex;
    std::map<unsigned, unsigned> requests;  // of each connection
    scripted_server server([&](conversation& client) {
        if (!client.read_request()) return;
        {
            const std::lock_guard lock(mutex);
            ++requests[client.number()];
        }
        client.answer("hello", "Connection: close\r\n");
    });
    run_options asked = options(server.where());
    asked.close = true;
    asked.requests = 200;
    expect_clean(carry_out(asked), 200);
    const std::lock_guard lock(mutex);
    EXPECT_EQ(requests.size(), 200u);
    for (const auto& [number, count] : requests)
        EXPECT_EQ(count, 1u);
}

TEST_P(run_test, a_server_that_ends_connections_between_requests_is_no_error) {
    scripted_server server([](conversation& client) {
        for (int each = 0; each < 3; ++each) {
            if (!client.read_request()) return;
            client.answer("hello", each == 2 ? "Connection: close\r\n" : "");
        }
    });
    run_options asked = options(server.where());
    asked.requests = 120;
    const report got = carry_out(asked);
    expect_clean(got, 120);
    EXPECT_GE(got.counts.reopened, 36u);
}

TEST_P(run_test, head_has_no_body_to_wait_for) {
    scripted_server server([](conversation& client) {
        while (client.read_request())
            client.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    });
    run_options asked = options(server.where());
    asked.to_head = true;
    asked.requests = 100;
    expect_clean(carry_out(asked), 100);
}

TEST_P(run_test, stopping_early_reports_what_was_measured) {
    scripted_server server(answer_all);
    run one(options(server.where()));
    one.start();
    EXPECT_TRUE(testing::eventually([&] { return one.look().completed > 0; }));
    one.stop();
    ASSERT_TRUE(one.wait_for(10s));
    const report got = one.finish();
    EXPECT_TRUE(got.interrupted);
    EXPECT_GT(got.counts.completed, 0u);
    EXPECT_LT(got.measured_seconds, 20);
    EXPECT_EQ(got.counts.errors_in_all(), 0u);
}

TEST_P(run_test, source_addresses_are_taken_in_turn) {
    std::mutex mutex;
    std::map<std::string, unsigned> sources;
    scripted_server server([&](conversation& client) {
        {
            const std::lock_guard lock(mutex);
            ++sources[client.host()];
        }
        answer_all(client);
    });
    run_options asked = options(server.where());
    asked.connections = 9;
    asked.requests = 900;
    asked.sources = *parse_sources("127.0.0.2-127.0.0.4", server.where());
    expect_clean(carry_out(asked), 900);
    const std::lock_guard lock(mutex);
    EXPECT_EQ(sources,
              (std::map<std::string, unsigned>{{"127.0.0.2", 3}, {"127.0.0.3", 3}, {"127.0.0.4", 3}}));
}

TEST(Run, more_connections_than_descriptors_is_one_clear_sentence) {
    run_options asked = options_for(*address::parse("127.0.0.1:9"));
    asked.connections = 900'000;
    asked.idle = 100'000;
    if (raise_descriptor_limit() > 1'100'000) GTEST_SKIP() << "this system lets a process have that many";
    try {
        run one(asked);
        FAIL() << "it should not begin";
    } catch (const std::runtime_error& refused) {
        EXPECT_NE(std::string(refused.what()).find("1000000 connections need 1000038 descriptors"),
                  std::string::npos)
            << refused.what();
    }
}

}  // namespace
}  // namespace naru::load
