// The access log in the combined format, on every engine.
#include "fixture.hpp"

#include <naru/fs/files.hpp>
#include <naru/http/http.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/access_log.hpp>

#include <latch>
#include <regex>
#include <sstream>

namespace naru::testing {
namespace {

using http::exchange;

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

/// What was asked for by each line of a log.
std::vector<std::string> asked_in(const std::filesystem::path& log) {
    std::ifstream file(log);
    std::vector<std::string> all;
    for (std::string line; std::getline(file, line);) {
        const std::size_t begin = line.find("GET ") + 4;
        all.push_back(line.substr(begin, line.find(' ', begin) - begin));
    }
    return all;
}

using asked = std::vector<std::string>;

std::string get_of(std::string_view host, std::string_view path) {
    return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
}

TEST_P(log_test, a_host_has_one_of_its_own) {
    const auto at = [this](const char* name) { return (logs_.path() / name).string(); };
    for (const bool has_servers : {true, false}) {
        if (!has_servers) options_.access_log.reset();
        const auto named = [&](const char* name) { return at(name) + (has_servers ? "" : "2"); };
        http::site site = options_.site();
        site.host("a.test").access_log(named("a")).mount("/", http::files(options_.root));
        site.hosts({"b.test", "*.b.test"}).access_log(named("json"), http::log_format::json);
        site.host("shares.test").access_log(named("a")).mount("/", http::files(options_.root));
        site.host("none.test").mount("/", http::files(options_.root));
        if (has_servers) site.host("same.test").access_log(*options_.access_log);
        start(std::move(site));
        {
            client one = connect();
            for (const char* host : {"a.test", "A.test:80", "b.test", "c.b.test", "shares.test", "none.test",
                                     "same.test", "other.test"})
                (void)one.ask(get_of(host, "/" + std::string(host)));
            (void)one.ask("GET http://a.test/absolute HTTP/1.1\r\nHost: b.test\r\n\r\n");
            EXPECT_EQ(one.ask("GET /refused HTTP/1.1\r\nHost: a.test\r\nBad Name: x\r\n\r\n").status, 400);
        }
        stop();
        EXPECT_EQ(asked_in(named("a")),
                  (asked{"/a.test", "/A.test:80", "/shares.test", "http://a.test/absolute"}));
        EXPECT_EQ(asked_in(named("json")), (asked{"/b.test", "/c.b.test"}));
        if (has_servers) {
            EXPECT_EQ(asked_in(*options_.access_log),
                      (asked{"/none.test", "/same.test", "/other.test", "/refused"}));
        }
    }
    std::ifstream json(at("json"));
    std::string line;
    std::getline(json, line);
    EXPECT_TRUE(line.starts_with("{\"time\":")) << line;
}

TEST_P(log_test, one_that_cannot_be_opened_is_an_error) {
    start();
    for (const std::string& path : {(logs_.path() / "none" / "log").string(), logs_.path().string()}) {
        const auto made = [&] {
            http::site site;
            site.host("good.test").access_log((logs_.path() / "good").string());
            site.host("a.test").access_log(path);
            return site;
        };
        EXPECT_THROW((http::server(made(), options_.listen, options_)), std::system_error);
        try {
            server_->replace(made());
            ADD_FAILURE() << path;
        } catch (const std::system_error& error) {
            EXPECT_TRUE(std::string(error.what()).starts_with("cannot write the access log " + path));
        }
    }
    EXPECT_TRUE(answers());
}

TEST(access_logs, are_one_for_each_path_and_not_too_many) {
    http::access_logs logs([](std::string_view) {}, [](const std::string&) { return open_log("/dev/null"); });
    std::vector<std::shared_ptr<http::access_log>> held;
    for (std::size_t each = 0; each < http::limits::access_logs; ++each)
        held.push_back(logs.open(std::to_string(each)));
    EXPECT_EQ(logs.open("0"), held.front());
    EXPECT_THROW((void)logs.open("more"), std::runtime_error);
    held.pop_back();
    const auto more = logs.open("more");
    EXPECT_EQ(logs.open("more"), more);
}

#ifdef __linux__  // where a process can be asked what it has opened
// A request that has begun, a connection that speaks another protocol, and one that came when there was no
// log at all.
TEST_P(log_test, a_line_goes_where_it_was_to_go_when_its_request_began) {
    options_.access_log.reset();
    options_.threads = 1;
    std::latch inside(1);
    std::latch may_end(1);
    const auto made = [&](const char* log) {
        http::site site = options_.site();
        http::site& own = site.host("a.test");
        own.get("/slow", http::blocking([&](const http::request_view&, std::stop_token) {
                    inside.count_down();
                    may_end.wait();
                    return http::answer(200, "text/plain", "slow");
                }))
            .get("/echo", http::websocket([](http::websocket_peer peer) -> task<> {
                     while (auto message = co_await peer.receive())
                         if (!co_await peer.send(std::move(*message))) break;
                 }))
            .get("/which", [log](exchange& x) noexcept { x.respond(200, "text/plain", log); });
        if (*log != '\0') own.access_log((logs_.path() / log).string());
        return site;
    };
    const auto descriptors_of = [this](const char* log) {
        std::size_t found = 0;
        std::error_code gone;
        for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd"))
            found += std::filesystem::read_symlink(each, gone) == logs_.path() / log ? 1 : 0;
        return found;
    };
    start(made(""));
    client kept = connect();
    const auto becomes = [&](const char* log) {
        server_->replace(made(log));
        return eventually([&] { return kept.ask(get_of("a.test", "/which")).body == log; });
    };
    EXPECT_TRUE(kept.ask(get_of("a.test", "/which")).body.empty());
    ASSERT_TRUE(becomes("first"));
    client slow = connect();
    slow.send(get_of("a.test", "/slow"));
    inside.wait();
    client upgraded = connect();
    upgraded.send(
        "GET /echo HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    EXPECT_EQ(upgraded.read_some(12), "HTTP/1.1 101");
    ASSERT_TRUE(becomes("second"));
    EXPECT_EQ(descriptors_of("first"), 1u);
    may_end.count_down();
    EXPECT_EQ(slow.read().body, "slow");
    upgraded = connect();  // the one before is closed
    // Nobody's any more: it is written and closed while the server goes on.
    EXPECT_TRUE(eventually([&] { return descriptors_of("first") == 0; }));
    EXPECT_EQ(descriptors_of("second"), 1u);
    asked first = asked_in(logs_.path() / "first");
    std::erase(first, "/which");
    EXPECT_EQ(first, (asked{"/slow", "/echo"}));
    // Renamed, and opened anew.
    std::filesystem::rename(logs_.path() / "second", logs_.path() / "renamed");
    server_->reopen_logs();
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(logs_.path() / "second"); }));
    ASSERT_TRUE(becomes(""));
    EXPECT_TRUE(eventually([&] { return descriptors_of("second") == 0; }));
    stop();
    std::ifstream file(logs_.path() / "renamed");
    for (std::string line; std::getline(file, line);)
        EXPECT_TRUE(line.starts_with("127.0.0.1 - ")) << line;
}
#endif

}  // namespace
}  // namespace naru::testing
