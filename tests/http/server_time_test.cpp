// What a client's slowness costs it: every deadline of the server, on every engine. Times are asserted from
// below, because a deadline must not come early; from above only generously.
#include "fixture.hpp"

namespace naru::testing {
namespace {

class time_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.timeouts = {.head = 10s, .body = 10s, .write = 10s, .keep_alive = 10s, .drain = 10s};
    }
    void begin() { since_ = test_clock::now(); }
    void expect_about(std::chrono::milliseconds expected) const {
        const auto taken = test_clock::now() - since_;
        EXPECT_GE(taken, expected - 3ms);
        EXPECT_LT(taken, expected + 5s);
    }

 private:
    test_clock::time_point since_;
};
NARU_ON_EVERY_ENGINE(time_test);

TEST_P(time_test, a_head_that_does_not_end) {
    options_.timeouts.head = 200ms;
    start();
    client one = connect();
    begin();
    one.send("GET / HTTP/1.1\r\nHos");
    const response got = one.read();
    expect_about(200ms);
    EXPECT_EQ(got.status, 408);
    EXPECT_EQ(got["Connection"], "close");
    EXPECT_TRUE(one.ends());

    client later = connect();  // the same between requests
    EXPECT_EQ(later.ask(get("/hello.txt")).body, hello);
    begin();
    later.send("G");
    EXPECT_EQ(later.read().status, 408);
    expect_about(200ms);
    EXPECT_TRUE(later.ends());
}

TEST_P(time_test, trickling_does_not_push_the_head_deadline_back) {
    options_.timeouts.head = 300ms;
    start();
    client one = connect();
    begin();
    const std::string endless = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    for (std::size_t at = 0; !one.has_bytes_within(20ms); ++at) {
        ASSERT_LT(at, 500u) << "it goes on for ever";
        one.send(at < endless.size() ? endless.substr(at, 1) : "x");
    }
    EXPECT_EQ(one.read().status, 408);
    expect_about(300ms);
}

// Bytes that come together with the deadline's end are taken, and do not end the deadline.
TEST_P(time_test, trickling_around_the_head_deadline_does_not_lift_it) {
    options_.timeouts.head = 100ms;
    start();
    std::vector<client> all;
    for (int each = 0; each < 50; ++each) {
        all.push_back(connect());
        all.back().send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    }
    const auto end = test_clock::now() + 150ms;
    while (test_clock::now() < end) {
        for (client& each : all)
            each.send("x");
    }
    for (client& each : all) {
        (void)each.read_to_end();
        EXPECT_TRUE(each.has_ended());
    }
}

TEST_P(time_test, a_client_that_says_nothing_is_let_go) {
    options_.timeouts.head = 200ms;
    start();
    client one = connect();
    begin();
    EXPECT_TRUE(one.ends());
    expect_about(200ms);
}

TEST_P(time_test, a_body_that_does_not_come) {
    options_.timeouts.body = 200ms;
    start();
    client one = connect();
    begin();
    one.send(request("POST", "/hello.txt", "Content-Length: 10\r\n") + "01234");
    EXPECT_EQ(one.read().status, 408);
    expect_about(190ms);
    EXPECT_TRUE(one.ends());

    client chunks = connect();
    chunks.send(get("/hello.txt") + request("POST", "/hello.txt", "Transfer-Encoding: chunked\r\n") +
                "5\r\nhel");
    EXPECT_EQ(chunks.read().body, hello);
    EXPECT_EQ(chunks.read().status, 408);
    EXPECT_TRUE(chunks.ends());
}

TEST_P(time_test, a_slow_body_may_take_long_as_long_as_it_comes) {
    options_.timeouts.body = 300ms;
    start();
    client one = connect();
    begin();
    one.send(request("POST", "/hello.txt", "Content-Length: 10\r\n"));
    for (int each = 0; each < 10; ++each) {
        EXPECT_FALSE(one.has_bytes_within(50ms)) << each;
        one.send("x");
    }
    EXPECT_EQ(one.read().status, 405);
    expect_about(500ms);
}

TEST_P(time_test, a_body_below_the_least_rate_is_refused_though_it_comes) {
    options_.least_rates = {.body = 1'000'000, .answer = 0, .over = 200ms};
    start();
    client one = connect();
    begin();
    one.send(request("POST", "/hello.txt", "Content-Length: 1000000\r\n"));
    for (int each = 0; !one.has_bytes_within(20ms); ++each) {
        ASSERT_LT(each, 500) << "it goes on for ever";
        one.send("x");
    }
    EXPECT_EQ(one.read().status, 408);
    expect_about(200ms);
    EXPECT_TRUE(one.ends());
    EXPECT_TRUE(eventually([this] { return !reports().empty(); }));
    EXPECT_NE(reports().front().find("1 too slow to send a body"), std::string::npos) << reports().front();
}

TEST_P(time_test, an_answer_taken_below_the_least_rate_is_reset_though_it_is_taken) {
    files_.write("large.bin", pattern(8 * 1024 * 1024));
    options_.least_rates = {.body = 0, .answer = 100'000'000, .over = 200ms};
    options_.send_buffer = 16'384;
    start();
    client one = connect(4'096);
    begin();
    one.send(get("/large.bin"));
    for (int each = 0; !wait_for(one.descriptor(), 0, 20); ++each) {
        ASSERT_LT(each, 500) << "it goes on for ever";
        (void)one.read_some(3'000);
    }
    expect_about(200ms);
    EXPECT_TRUE(eventually([this] { return !reports().empty(); }));
    EXPECT_NE(reports().front().find("1 too slow to take an answer"), std::string::npos) << reports().front();
    EXPECT_TRUE(answers());
}

TEST_P(time_test, without_least_rates_slow_ones_may_take_as_long_as_they_like) {
    files_.write("large.bin", pattern(1024 * 1024));
    options_.least_rates = {.body = 0, .answer = 0, .over = 10ms};
    options_.send_buffer = 16'384;
    start();
    client slow = connect(4'096);
    slow.send(get("/large.bin"));
    client body = connect();
    body.send(request("POST", "/hello.txt", "Content-Length: 20\r\n"));
    std::string got;
    for (int each = 0; each < 20; ++each) {
        EXPECT_FALSE(body.has_bytes_within(10ms)) << each;
        body.send("x");
        got += slow.read_some(1'000);
    }
    EXPECT_EQ(body.read().status, 405);
    EXPECT_FALSE(slow.has_ended());
    EXPECT_TRUE(reports().empty()) << reports().front();
}

TEST_P(time_test, an_idle_connection_is_closed) {
    options_.timeouts.keep_alive = 800ms;
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
    EXPECT_FALSE(one.has_bytes_within(450ms));
    begin();
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello) << "a request starts it anew";
    EXPECT_TRUE(one.ends()) << "in an orderly way, without a word";
    expect_about(790ms);
}

TEST_P(time_test, a_client_that_does_not_read_is_reset) {
    files_.write("large.bin", pattern(8 * 1024 * 1024));
    options_.timeouts.write = 200ms;
    options_.send_buffer = 16'384;
    start();
    client one = connect(4'096);
    begin();
    one.send(get("/large.bin"));
    EXPECT_FALSE(one.read_some(1).empty());
    ASSERT_TRUE(wait_for(one.descriptor(), 0, 10'000)) << "POLLHUP or POLLERR";
    expect_about(200ms);
    const std::string got = one.read_to_end();
    EXPECT_TRUE(one.was_reset() || !system_tells_resets());
    EXPECT_LT(got.size(), 8u * 1024 * 1024);
    EXPECT_TRUE(answers());
}

TEST_P(time_test, a_slow_reader_that_goes_on_reading_is_not) {
    files_.write("large.bin", pattern(1024 * 1024));
    options_.timeouts.write = 500ms;
    options_.send_buffer = 16'384;
    start();
    client one = connect(8'192);
    begin();
    one.send(get("/large.bin", "Connection: close\r\n"));
    std::size_t got = 0;
    for (int each = 0; each < 40; ++each) {  // a second with a window that opens again and again
        std::this_thread::sleep_for(25ms);
        const std::string piece = one.read_some(20'000);
        ASSERT_FALSE(piece.empty());
        got += piece.size();
    }
    got += one.read_to_end().size();
    EXPECT_FALSE(one.was_reset());
    EXPECT_GT(got, 1024u * 1024);
    expect_about(1s);
}

}  // namespace
}  // namespace naru::testing
