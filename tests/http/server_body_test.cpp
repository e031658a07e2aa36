// Requests with bodies: read, dropped, counted and limited; and requests that arrive in pieces. On every
// engine.
#include "fixture.hpp"

namespace naru::testing {
namespace {

class body_test : public http_server_test {};
NARU_ON_EVERY_ENGINE(body_test);

std::string with_length(std::string_view method, std::string_view body, std::string_view fields = {}) {
    return request(method, "/hello.txt",
                   "Content-Length: " + std::to_string(body.size()) + "\r\n" + std::string(fields)) +
           std::string(body);
}
std::string chunked(std::string_view method, std::string_view chunks, std::string_view fields = {}) {
    return request(method, "/hello.txt", "Transfer-Encoding: chunked\r\n" + std::string(fields)) +
           std::string(chunks);
}

TEST_P(body_test, the_connection_stays_usable_behind_a_body_nobody_wants) {
    start();
    client one = connect();
    EXPECT_EQ(one.ask(with_length("POST", "0123456789")).status, 405);
    EXPECT_EQ(one.ask(with_length("POST", "GET /canary HTTP/1.1\r\nHost: a\r\n\r\n")).status, 405);
    EXPECT_EQ(one.ask(chunked("POST", "5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n")).status, 405);
    EXPECT_EQ(one.ask(chunked("PUT", "A\r\n0123456789\r\n000\r\nTrailer: x\r\nOther: y\r\n\r\n")).status,
              405);
    EXPECT_EQ(one.ask(with_length("GET", "body of a GET")).body, hello);
    EXPECT_EQ(one.ask(with_length("BREW", "tea")).status, 501);
    EXPECT_EQ(one.ask(with_length("POST", std::string(1'000'000, 'x'))).status, 405) << "up to the limit";
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
    EXPECT_TRUE(one.unread().empty());
}

TEST_P(body_test, pipelined_bodies_in_one_write) {
    start();
    client one = connect();
    std::string all;
    for (int each = 0; each < 50; ++each) {
        all += with_length("POST", std::string(static_cast<std::size_t>(each * 37), 'b')) +
               get("/hello.txt") + chunked("PUT", "3\r\nabc\r\n0\r\nT: v\r\n\r\n");
    }
    one.send(all);
    for (int each = 0; each < 50; ++each) {
        ASSERT_EQ(one.read().status, 405) << each;
        ASSERT_EQ(one.read().body, hello) << each;
        ASSERT_EQ(one.read().status, 405) << each;
    }
    EXPECT_TRUE(one.unread().empty());
}

TEST_P(body_test, a_body_over_the_limit_is_refused) {
    start();
    client counted = connect();
    const response refused = counted.ask(request("POST", "/hello.txt", "Content-Length: 5000000\r\n"));
    EXPECT_EQ(refused.status, 413);
    EXPECT_EQ(refused["Connection"], "close");
    EXPECT_TRUE(counted.ends());
    EXPECT_EQ(ask(request("POST", "/", "Content-Length: 99999999999999999999\r\n")).status, 413);

    client in_chunks = connect();
    in_chunks.send(request("POST", "/hello.txt", "Transfer-Encoding: chunked\r\n"));
    const std::string chunk = "10000\r\n" + std::string(65'536, 'x') + "\r\n";
    for (int each = 0; each < 17; ++each)
        in_chunks.send(chunk);
    EXPECT_EQ(in_chunks.read().status, 413);
    EXPECT_TRUE(in_chunks.ends());
    EXPECT_TRUE(answers());
}

TEST_P(body_test, malformed_bodies_end_the_connection) {
    start();
    for (const char* chunks : {"x\r\n", "5\r\nhelloXX", "-1\r\n", "5\nhello\r\n", "ffffffffffffffffff\r\n",
                               "0\r\nbad name: x\r\n\r\n", "5;\x01\r\n", "\r\n", "0\r\nA: b\nC: d\r\n\r\n"}) {
        client one = connect();
        const response got = one.ask(chunked("POST", chunks) + get("/hello.txt"));
        EXPECT_EQ(got.status, 400) << chunks;
        EXPECT_EQ(got["Connection"], "close");
        EXPECT_TRUE(one.ends()) << chunks;
    }
    for (const char* fields :
         {"Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
          "Content-Length: -1\r\n", "Content-Length: 1,1\r\n", "Transfer-Encoding: identity\r\n"}) {
        client one = connect();
        EXPECT_EQ(one.ask(request("POST", "/", fields)).status, 400) << fields;
        EXPECT_TRUE(one.ends()) << fields;
    }
}

TEST_P(body_test, expect_100_continue) {
    start();
    client served = connect();
    served.send(request("GET", "/hello.txt", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(served.read().status, 100);
    served.send("hello");
    EXPECT_EQ(served.read().body, hello);
    EXPECT_EQ(
        served.ask(request("GET", "/hello.txt", "Content-Length: 5\r\nExpect: 100-continue\r\n") + "hello")
            .body,
        hello)
        << "the body is there: no 100";

    client last = connect();
    last.send(
        request("GET", "/hello.txt", "Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n"));
    EXPECT_EQ(last.read().status, 100);
    last.send("hello");
    EXPECT_EQ(last.read().body, hello) << "close is for after the answer";
    EXPECT_TRUE(last.ends());

    client refused = connect();
    const response final =
        refused.ask(request("POST", "/hello.txt", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(final.status, 405) << "the final answer at once";
    EXPECT_EQ(final["Connection"], "close");
    EXPECT_TRUE(refused.ends());
    EXPECT_EQ(ask(get("/hello.txt", "Expect: something\r\n")).status, 417);
    EXPECT_EQ(ask(get("/hello.txt", "Expect: 100-continue\r\n")).body, hello)
        << "no body, nothing to continue";
    EXPECT_EQ(ask("GET /hello.txt HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx").body,
              hello)
        << "HTTP/1.0 has no such thing";
}

TEST_P(body_test, the_last_request_of_a_pipeline_is_answered_though_its_body_comes_later) {
    start();
    client one = connect();
    const std::string last = with_length("POST", "0123456789", "Connection: close\r\n");
    one.send(get("/hello.txt") + last.substr(0, last.size() - 5));
    EXPECT_EQ(one.read().body, hello);
    one.send(last.substr(last.size() - 5));
    const response got = one.read();
    EXPECT_EQ(got.status, 405);
    EXPECT_EQ(got["Connection"], "close");
    EXPECT_TRUE(one.ends());
}

// Two writes. So that the server sees the first alone, a complete request goes before it, whose answer says
// that it has been read.
TEST_P(body_test, every_split_gives_the_same_answers) {
    files_.write("d/index.html", "index");
    start();
    const std::string texts[] = {
        get("/hello.txt"),
        request("HEAD", "/hello.txt", "Range: bytes=1-2\r\n"),
        with_length("POST", "0123456789"),
        chunked("POST", "5\r\nhello\r\n0\r\nA: b\r\n\r\n"),
        "\r\n" + get("/d?x"),
        get("/hello.txt", "Range: bytes=0-0,2-3\r\nIf-Range: W/\"x\"\r\n"),
        get("/../x") + request("OPTIONS", "*"),
        get("/bad", "Bad Header: x\r\n"),
    };
    const auto undated = [](std::string text) {
        for (std::size_t at = text.find("Date: "); at != std::string::npos; at = text.find("Date: ", at + 6))
            text.replace(at + 6, 29, 29, '-');
        return text;
    };
    const std::string first = get("/hello.txt");
    const std::string last = get("/hello.txt", "Connection: close\r\n");
    for (const std::string& text : texts) {
        const bool refused = text.find("Bad Header") != std::string::npos;
        client whole = connect();
        whole.send(first + text + (refused ? "" : last));
        const std::string expected = undated(whole.read_to_end());
        ASSERT_FALSE(expected.empty());
        for (std::size_t split = 0; split <= text.size(); ++split) {
            client one = connect();
            one.send(first + text.substr(0, split));
            ASSERT_TRUE(one.has_bytes_within(patience));
            one.send(text.substr(split) + (refused ? "" : last));
            ASSERT_EQ(undated(one.read_to_end()), expected) << split << " of " << text;
        }
    }
}

}  // namespace
}  // namespace naru::testing
