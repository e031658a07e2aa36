// Methods, versions, persistent connections and pipelining, on every engine.
#include "fixture.hpp"

#include <naru/http/message/date.hpp>

#include <chrono>
#include <ctime>

namespace naru::testing {
namespace {

class method_test : public http_server_test {};
NARU_ON_EVERY_ENGINE(method_test);

TEST_P(method_test, get_gives_the_file_and_its_description) {
    start();
    const response got = ask(get("/hello.txt"));
    EXPECT_EQ(got.status_line, "HTTP/1.1 200 OK");
    EXPECT_EQ(got.body, hello);
    EXPECT_EQ(got["Content-Type"], "text/plain; charset=utf-8");
    EXPECT_EQ(got["Last-Modified"], hello_date);
    EXPECT_EQ(got["Accept-Ranges"], "bytes");
    EXPECT_EQ(got["Server"], "naru");
    EXPECT_TRUE(got["ETag"].starts_with('"')) << "the tag is strong: " << got["ETag"];
    EXPECT_FALSE(got.has("Vary"));
    EXPECT_FALSE(got.has("Connection"));
    for (const auto& [name, value] : got.fields)
        EXPECT_EQ(got.count(name), 1u) << name;
}

// Of the clock that the server reads: time(2) reads a coarser one, which is up to a tick (4 ms) behind it.
std::int64_t seconds_now() {
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now())
        .time_since_epoch()
        .count();
}

TEST_P(method_test, the_date_is_now) {
    start();
    const std::int64_t before = seconds_now();
    client one = connect();
    for (const char* target : {"/hello.txt", "/hello.txt", "/missing"}) {
        const auto date = http::parse_date(one.ask(get(target))["Date"], before);
        ASSERT_TRUE(date.has_value());
        EXPECT_GE(*date, before);
        EXPECT_LE(*date, seconds_now());
    }
    // A prepared answer of an earlier second has the date of the second it is sent in.
    ASSERT_TRUE(eventually([&] { return seconds_now() > before; }));
    const auto later = http::parse_date(one.ask(get("/hello.txt"))["Date"], before);
    ASSERT_TRUE(later.has_value());
    EXPECT_GE(*later, before + 1);
}

TEST_P(method_test, nothing_was_modified_in_the_future) {
    files_.touch("hello.txt", std::time(nullptr) + 86'400);
    start();
    client one = connect();
    for (const char* fields : {"", "Range: bytes=0-1\r\n"}) {  // one is prepared, the other is not
        const response got = one.ask(get("/hello.txt", fields));
        const auto modified = http::parse_date(got["Last-Modified"], std::time(nullptr));
        const auto date = http::parse_date(got["Date"], std::time(nullptr));
        ASSERT_TRUE(modified && date);
        EXPECT_LE(*modified, *date);
    }
}

TEST_P(method_test, head_is_get_without_the_body) {
    files_.write("large.bin", pattern(200'000));
    start();
    for (const char* target : {"/hello.txt", "/large.bin", "/missing"}) {
        client one = connect();
        response got = one.ask(get(target));
        const response head = one.ask(request("HEAD", target), true);
        EXPECT_EQ(head.status, got.status);
        EXPECT_TRUE(one.unread().empty());
        const auto undated = [](response& of) {
            std::erase_if(of.fields, [](const auto& each) { return each.first == "Date"; });
            std::sort(of.fields.begin(), of.fields.end());
            return of.fields;
        };
        response copy = head;
        EXPECT_EQ(undated(copy), undated(got)) << target;
        EXPECT_EQ(one.ask(get("/hello.txt")).body, hello) << "no byte of a body came after the head";
    }
}

TEST_P(method_test, options) {
    start();
    client one = connect();
    for (const char* target : {"*", "/hello.txt", "/missing"}) {
        const response got = one.ask(request("OPTIONS", target));
        EXPECT_EQ(got.status, 204) << target;
        EXPECT_EQ(got["Allow"], "GET, HEAD, OPTIONS");
        EXPECT_FALSE(got.has("Content-Length"));
    }
    EXPECT_EQ(ask(get("*")).status, 400) << "* is for OPTIONS";
}

TEST_P(method_test, known_methods_are_not_allowed_and_others_not_known) {
    start();
    client one = connect();
    for (const char* method : {"POST", "PUT", "PATCH", "DELETE", "TRACE"}) {
        const response got = one.ask(request(method, "/hello.txt"));
        EXPECT_EQ(got.status, 405) << method;
        EXPECT_EQ(got["Allow"], "GET, HEAD, OPTIONS");
    }
    EXPECT_EQ(one.ask(request("CONNECT", "test:80")).status, 405);
    for (const char* method : {"BREW", "get", "PROPFIND", "X"}) {
        EXPECT_EQ(one.ask(request(method, "/hello.txt")).status, 501) << method;
    }
    EXPECT_EQ(one.ask(get("/hello.txt")).body, hello);
}

TEST_P(method_test, http_1_0_ends_the_connection_unless_it_is_asked_to_keep_it) {
    start();
    client plain = connect();
    const response last = plain.ask("GET /hello.txt HTTP/1.0\r\n\r\n");
    EXPECT_EQ(last.status, 200);
    EXPECT_EQ(last.body, hello);
    EXPECT_EQ(last["Connection"], "close");
    EXPECT_TRUE(plain.ends());

    client kept = connect();
    for (int each = 0; each < 3; ++each) {
        const response got = kept.ask("GET /hello.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
        EXPECT_EQ(got.body, hello);
        EXPECT_EQ(got["Connection"], "keep-alive");
    }
}

TEST_P(method_test, connection_close_is_heeded_and_what_follows_is_not_answered) {
    start();
    for (const char* option : {"close", "Close", "foo, close", "close, keep-alive"}) {
        client one = connect();
        const std::string field = std::string("Connection: ") + option + "\r\n";
        const response got = one.ask(get("/hello.txt", field) + get("/hello.txt"));
        EXPECT_EQ(got.body, hello);
        EXPECT_EQ(got["Connection"], "close");
        EXPECT_TRUE(one.ends()) << option;
    }
}

TEST_P(method_test, versions) {
    start();
    EXPECT_EQ(ask("GET / HTTP/2.0\r\nHost: test\r\n\r\n").status, 505);
    EXPECT_EQ(ask("GET / HTTP/1.2\r\nHost: test\r\n\r\n").status, 505);
    EXPECT_EQ(ask("GET / http/1.1\r\nHost: test\r\n\r\n").status, 400);
    EXPECT_EQ(ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 505);
    client one = connect();
    EXPECT_EQ(one.ask("GET /\r\n\r\n").status, 400);
    EXPECT_TRUE(one.ends());
}

TEST_P(method_test, the_target_in_absolute_form) {
    start();
    client one = connect();
    EXPECT_EQ(one.ask(get("http://elsewhere/hello.txt?x=1")).body, hello);
    EXPECT_EQ(one.ask(get("https://test/hello.txt")).body, hello);
    EXPECT_EQ(one.ask(get("/hello.txt?a=b&c=%00")).body, hello) << "a query does not matter to a file";
}

TEST_P(method_test, five_hundred_requests_in_one_write_are_answered_in_order) {
    for (int each = 0; each < 10; ++each) {
        files_.write("f" + std::to_string(each),
                     std::string(static_cast<std::size_t>(1 + each * 997), static_cast<char>('a' + each)));
    }
    start();
    client one = connect();
    std::string all;
    for (int each = 0; each < 500; ++each)
        all += get("/f" + std::to_string(each % 10));
    one.send(all);
    for (int each = 0; each < 500; ++each) {
        const response got = one.read();
        const std::size_t digit = static_cast<std::size_t>(each % 10);
        ASSERT_EQ(got.status, 200) << each;
        ASSERT_EQ(got.body, std::string(1 + digit * 997, static_cast<char>('a' + digit))) << each;
    }
    EXPECT_TRUE(one.unread().empty());
}

TEST_P(method_test, a_long_pipeline_loses_no_request_at_the_edges_of_buffers) {
    start();
    client one = connect();
    constexpr int count = 4000;  // many times a buffer's length, in heads of many lengths
    std::string all;
    for (int each = 0; each < count; ++each) {
        all += request(each % 7 == 0 ? "POST" : "GET",
                       "/" + std::string(static_cast<std::size_t>(each % 101), 'x') + std::to_string(each));
    }
    all += get("/hello.txt", "Connection: close\r\n");
    one.send(all);
    for (int each = 0; each < count; ++each)
        ASSERT_EQ(one.read().status, each % 7 == 0 ? 405 : 404) << each;
    EXPECT_EQ(one.read().body, hello);
    EXPECT_TRUE(one.ends());
}

TEST_P(method_test, sixteen_at_a_time) {
    start();
    client one = connect();
    std::string batch;
    for (int each = 0; each < 16; ++each)
        batch += get("/hello.txt");
    for (int round = 0; round < 50; ++round) {
        one.send(batch);
        for (int each = 0; each < 16; ++each)
            ASSERT_EQ(one.read().body, hello) << round << ' ' << each;
        ASSERT_TRUE(one.unread().empty());
    }
}

TEST_P(method_test, empty_lines_before_a_request_are_forgiven) {
    start();
    client one = connect();
    EXPECT_EQ(one.ask("\r\n\r\n" + get("/hello.txt")).body, hello);
    EXPECT_EQ(one.ask("\r\n" + get("/hello.txt")).body, hello);
    EXPECT_EQ(ask("\r\n\r\n\r\n\r\n\r\n" + get("/hello.txt")).status, 400) << "but not without end";
}

TEST_P(method_test, heads_that_are_too_long) {
    start();
    EXPECT_EQ(ask(get("/" + std::string(9'000, 'a'))).status, 414);
    EXPECT_EQ(ask(get("/" + std::string(100'000, 'a'))).status, 414);
    EXPECT_EQ(ask(get("/hello.txt", "X: " + std::string(17'000, 'a') + "\r\n")).status, 431);
    EXPECT_EQ(ask(get("/hello.txt", "X: " + std::string(15'000, 'a') + "\r\n")).body, hello);
    std::string many;
    for (int each = 0; each < 120; ++each)
        many += "X" + std::to_string(each) + ": y\r\n";
    EXPECT_EQ(ask(get("/hello.txt", many)).status, 431);
}

}  // namespace
}  // namespace naru::testing
