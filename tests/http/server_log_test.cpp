// The access log in the combined format, on every engine.
#include "fixture.hpp"

#include <regex>
#include <sstream>

namespace naru::testing {
namespace {

class log_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.access_log = (logs_.path() / "access.log").string();
    }
    /// After the server has ended: lines without their time.
    std::vector<std::string> lines() {
        stop();
        std::ifstream file(*options_.access_log);
        std::vector<std::string> all;
        static const std::regex time(
            R"(\[\d\d/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)/20\d\d:\d\d:\d\d:\d\d \+0000\])");
        for (std::string line; std::getline(file, line);)
            all.push_back(std::regex_replace(line, time, "[T]"));
        return all;
    }
    temporary_directory logs_;
};
NARU_ON_EVERY_ENGINE(log_test);

TEST_P(log_test, a_line_for_every_answer) {
    files_.write("d/index.html", "index");
    start();
    client one = connect();
    (void)one.ask(get("/hello.txt?q=\"1\"", "Referer: http://a/\r\nUser-Agent: a \"quoted\" \\ one\r\n"));
    (void)one.ask(request("HEAD", "/hello.txt"), true);
    (void)one.ask(get("/hello.txt", "If-None-Match: *\r\n"));
    (void)one.ask(get("/hello.txt", "Range: bytes=0-4\r\nUser-Agent: caf\xc3\xa9\ttab\r\n"));
    (void)one.ask(request("POST", "/x", "Content-Length: 3\r\nUser-Agent: poster\r\n") + "abc");
    (void)one.ask("\r\n" + request("OPTIONS", "*"));
    (void)one.ask(get("/d"));
    EXPECT_EQ(one.ask(get("/missing", "Connection: close\r\n")).status, 404);
    const std::vector<std::string> got = lines();
    ASSERT_EQ(got.size(), 8u);
    EXPECT_EQ(
        got[0],
        R"(127.0.0.1 - - [T] "GET /hello.txt?q=\x221\x22 HTTP/1.1" 200 14 "http://a/" "a \x22quoted\x22 \x5c one")");
    EXPECT_EQ(got[1], R"(127.0.0.1 - - [T] "HEAD /hello.txt HTTP/1.1" 200 0 "-" "-")");
    EXPECT_EQ(got[2], R"(127.0.0.1 - - [T] "GET /hello.txt HTTP/1.1" 304 0 "-" "-")");
    EXPECT_EQ(got[3], R"(127.0.0.1 - - [T] "GET /hello.txt HTTP/1.1" 206 5 "-" "caf\xc3\xa9\x09tab")");
    EXPECT_TRUE(std::regex_match(
        got[4], std::regex(R"re(127\.0\.0\.1 - - \[T\] "POST /x HTTP/1\.1" 405 \d+ "-" "poster")re")))
        << got[4];
    EXPECT_EQ(got[5], R"(127.0.0.1 - - [T] "OPTIONS * HTTP/1.1" 204 0 "-" "-")");
    EXPECT_TRUE(got[6].starts_with(R"(127.0.0.1 - - [T] "GET /d HTTP/1.1" 301 )")) << got[6];
    EXPECT_TRUE(got[7].starts_with(R"(127.0.0.1 - - [T] "GET /missing HTTP/1.1" 404 )")) << got[7];
}

TEST_P(log_test, refused_requests_are_logged_whatever_they_hold) {
    options_.timeouts.head = 200ms;
    start();
    const std::string fields = "Referer: http://a/\r\nUser-Agent: b\r\n";
    EXPECT_EQ(ask(get("/hello.txt", fields + "Bad Name: x\r\n")).status, 400);
    EXPECT_EQ(ask("GET /\x01 HTTP/1.1\r\n\r\n").status, 400);
    EXPECT_EQ(ask(get("/" + std::string(9'000, 'a'))).status, 414);
    EXPECT_EQ(ask(request("POST", "/", fields + "Content-Length: 9000000\r\n")).status, 413);
    EXPECT_EQ(ask(request("POST", "/", fields + "Transfer-Encoding: chunked\r\n") + "zz\r\n").status, 400);
    EXPECT_EQ(ask("GET / HTTP/1.1\r\n" + fields).status, 408);
    const std::vector<std::string> got = lines();
    ASSERT_EQ(got.size(), 6u);
    const int statuses[] = {400, 400, 414, 413, 400, 408};
    for (std::size_t each = 0; each < got.size(); ++each) {
        EXPECT_NE(got[each].find("\" " + std::to_string(statuses[each]) + " "), std::string::npos)
            << got[each];
        EXPECT_EQ(std::count(got[each].begin(), got[each].end(), '"'), 8) << got[each];
        EXPECT_TRUE(got[each].ends_with(".\"")) << "the reason: " << got[each];
    }
    EXPECT_NE(got[3].find("\"http://a/\" \"b\""), std::string::npos) << got[3];
}

TEST_P(log_test, it_is_appended_to) {
    {
        std::ofstream file(*options_.access_log);
        file << "an earlier line\n";
    }
    start();
    EXPECT_TRUE(answers());
    const std::vector<std::string> got = lines();
    ASSERT_EQ(got.size(), 2u);
    EXPECT_EQ(got[0], "an earlier line");
}

TEST_P(log_test, a_head_has_no_bytes) {
    files_.write("d/file", "1");
    options_.listings = true;
    start();
    EXPECT_EQ(ask(request("HEAD", "/d/"), true).status, 200);
    EXPECT_EQ(lines(), std::vector<std::string>{R"(127.0.0.1 - - [T] "HEAD /d/ HTTP/1.1" 200 0 "-" "-")"});
}

}  // namespace
}  // namespace naru::testing
