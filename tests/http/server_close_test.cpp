// How connections end: lingering, half-closed, reset, and thousands of them at random. On every engine.
#include "fixture.hpp"

#include <random>

namespace naru::testing {
namespace {

class close_test : public http_server_test {};
NARU_ON_EVERY_ENGINE(close_test);

TEST_P(close_test, a_refused_client_that_goes_on_sending_still_gets_the_whole_answer) {
    start();
    const std::string refused[] = {
        request("POST", "/hello.txt", "Content-Length: 900000000\r\n"),
        request("POST", "/hello.txt", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        request("POST", "/hello.txt", "Content-Length: 900000\r\nExpect: 100-continue\r\n"),
        get("/hello.txt", "Connection: close\r\n"),
    };
    const int statuses[] = {413, 400, 405, 200};
    for (std::size_t each = 0; each < std::size(refused); ++each) {
        client one = connect();
        one.send(refused[each] + std::string(500'000, 'x'));
        const response got = one.read();
        EXPECT_EQ(got.status, statuses[each]);
        EXPECT_TRUE(one.ends()) << "in order, not by a reset: " << refused[each];
    }
}

TEST_P(close_test, a_refused_client_does_not_linger_for_ever) {
    start();
    client one = connect();
    EXPECT_EQ(one.ask("nonsense\r\n\r\n").status, 400);
    EXPECT_TRUE(one.ends());
    const std::string more(65'536, 'x');
    const auto end = test_clock::now() + patience;
    while (!one.was_reset()) {  // what goes on without end is cut
        ASSERT_LT(test_clock::now(), end);
        one.send(more);
        if (write_some(one.descriptor(), "x") == 0 && (errno == ECONNRESET || errno == EPIPE)) break;
    }
    EXPECT_TRUE(answers());
}

TEST_P(close_test, a_client_that_ends_its_side_still_gets_its_answers) {
    files_.write("large.bin", pattern(3'000'000));
    start();
    client one = connect();
    one.send(get("/hello.txt") + get("/large.bin") + get("/hello.txt"));
    one.end_sending();
    EXPECT_EQ(one.read().body, hello);
    EXPECT_TRUE(one.read().body == pattern(3'000'000));
    EXPECT_EQ(one.read().body, hello);
    EXPECT_TRUE(one.ends());
}

TEST_P(close_test, a_client_that_ends_its_side_in_the_middle_of_a_request) {
    start();
    for (const std::string& text :
         {std::string("GET /hel"), request("POST", "/", "Content-Length: 10\r\n") + "123",
          request("POST", "/", "Transfer-Encoding: chunked\r\n") + "5\r\nhe", std::string()}) {
        client one = connect();
        one.send(text);
        one.end_sending();
        EXPECT_TRUE(one.ends()) << text;
    }
    EXPECT_TRUE(answers());
}

TEST_P(close_test, resets_anywhere_in_a_request) {
    start();
    const std::string text =
        request("POST", "/hello.txt", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
    for (std::size_t size = 0; size <= text.size(); ++size) {
        client one = connect();
        one.send(text.substr(0, size));
        one.reset();
    }
    EXPECT_TRUE(answers());
}

TEST_P(close_test, two_thousand_connections_at_random_leave_nothing_behind) {
    files_.write("large.bin", pattern(400'000));
    start();
    client steady = connect();  // stays, so that the count below is of a server at rest
    EXPECT_EQ(steady.ask(get("/large.bin")).status, 200);
    EXPECT_EQ(steady.ask(get("/hello.txt")).body, hello);
    const std::size_t before = open_descriptors();
    std::minstd_rand random(20'260'101);
    const std::string texts[] = {
        get("/hello.txt"),
        get("/large.bin"),
        get("/hello.txt") + get("/missing") + "GET /par",
        "GET / HT",
        request("POST", "/", "Content-Length: 1000\r\n") + "x",
        "bad\r\n\r\n",
        std::string(),
        request("POST", "/", "Content-Length: 90000000\r\n") + std::string(30'000, 'x'),
        get("/hello.txt", "Connection: close\r\n")};
    std::vector<client> open;
    for (int each = 0; each < 2'000; ++each) {
        open.push_back(connect());
        client& one = open.back();
        const std::string& text = texts[random() % std::size(texts)];
        (void)write_some(one.descriptor(), text);
        if (random() % 3 == 0) (void)one.has_bytes_within(0ms);
        if (open.size() < 40) continue;
        client& victim = open[random() % open.size()];
        std::swap(victim, open.back());
        if (random() % 2 == 0) open.back().reset();
        open.pop_back();
    }
    for (client& each : open)
        each.reset();
    open.clear();
    EXPECT_EQ(steady.ask(get("/hello.txt")).body, hello);
    EXPECT_TRUE(answers());
    EXPECT_TRUE(eventually([&] { return open_descriptors() <= before; }))
        << open_descriptors() << ", before " << before;
}

}  // namespace
}  // namespace naru::testing
