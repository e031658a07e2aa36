// HTTP/2 in a server, on every engine: the same handlers as HTTP/1's, and what only streams can do.
#include "decode.hpp"
#include "fixture.hpp"
#include "http2_client.hpp"

#include <naru/coro/sleep.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/http.hpp>

#include <array>
#include <atomic>
#include <semaphore>

namespace naru::testing {
namespace {

using http::exchange;

class http2_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.h2c = true;
        options_.threads = 1;
    }
    http2_client speak(std::uint32_t window = 65'535, bool by_hand = false) {
        return http2_client(server_->local_address(), window, by_hand);
    }
    bool reported(std::string_view text) {
        return eventually([&] {
            const auto lines = reports();
            return std::ranges::any_of(lines, [&](const std::string& line) { return line.contains(text); });
        });
    }

    struct ending {
        std::binary_semaphore begun{0};
        std::binary_semaphore ended{0};
        std::atomic<bool> stopped{false};
    };
};
NARU_ON_EVERY_ENGINE(http2_test);

task<> echo(exchange& x) {
    while (auto piece = co_await x.read()) {
        if (!co_await x.write(piece->text())) co_return;
    }
    (void)co_await x.end();
}

TEST_P(http2_test, every_kind_of_handler_answers) {
    static const http::prepared whole(200, "text/plain", "prepared");
    http::site site;
    site.get("/function/{n}", [](exchange& x) noexcept { x.respond(200, "text/plain", x.param("n")); })
        .get("/prepared", [](exchange& x) noexcept { x.respond(whole); })
        .get("/coroutine",
             [](exchange& x) -> task<> {
                 (void)co_await sleep_for(1ms);
                 x.respond(200, "text/plain", std::string(100'000, 'c'));
             })
        .get("/counted",
             [](exchange& x) -> task<> {
                 x.add("Content-Length", "6");
                 (void)co_await x.write("abc");
                 (void)co_await x.write("def");
                 EXPECT_TRUE(co_await x.end());  // of what has ended with its last byte
             })
        .get("/trailers",
             [](exchange& x) -> task<> {
                 (void)co_await x.write("body");
                 x.add("X-Sum", "4");
                 (void)co_await x.end();
             })
        .get("/early",
             [](exchange& x) -> task<> {
                 x.add("Link", "</style.css>; rel=preload");
                 (void)co_await x.inform(103);
                 x.respond(200, "text/plain", "late");
             })
        .get("/blocking", http::blocking([](const http::request_view& asked, std::stop_token) {
                 return http::answer(200, "text/plain", std::string(asked.path()));
             }))
        .post("/echo", echo)
        .get("/empty", [](exchange& x) noexcept { x.respond(204); })
        .get("/nothing", [](exchange&) -> task<> { co_return; })
        .mount("/files/", http::files(files_.path().string()));
    files_.write("large.bin", std::string(300'000, 'l'));
    start(std::move(site));
    http2_client one = speak();
    std::vector<std::pair<std::int32_t, std::string>> asked;
    const auto get_it = [&](std::string path, std::string body) {
        asked.emplace_back(one.begin("GET", path), std::move(body));
    };
    for (int each = 0; each < 4; ++each) {
        get_it("/function/" + std::to_string(each), std::to_string(each));
        get_it("/prepared", "prepared");
        get_it("/coroutine", std::string(100'000, 'c'));
        get_it("/counted", "abcdef");
        get_it("/trailers", "body");
        get_it("/early", "late");
        get_it("/blocking", "/blocking");
        get_it("/empty", "");
        get_it("/files/hello.txt", std::string(hello));
        get_it("/files/large.bin", std::string(300'000, 'l'));
        asked.emplace_back(one.begin_post("/echo", "Content"), "Content");
    }
    for (const auto& [id, body] : asked) {
        const http2_client::answer& got = one.wait(id);
        EXPECT_TRUE(got.ended && got.closed) << id;
        EXPECT_EQ(got.status, body.empty() ? 204 : 200);
        EXPECT_EQ(got.body, body);
    }
    EXPECT_EQ(one.at(asked[4].first).trailers, (http2_client::field_texts{{"x-sum", "4"}}));
    EXPECT_EQ(one.at(asked[5].first).interim, std::vector<int>{103});
    EXPECT_EQ(one.ask("GET", "/nothing").status, 500);
    EXPECT_EQ(one.ask("GET", "/nobody").status, 404);
    EXPECT_EQ(one.ask("DELETE", "/echo")["allow"], "OPTIONS, POST");
    EXPECT_EQ(one.ask("OPTIONS", "/files/hello.txt").status, 204);
    const auto head = one.ask("HEAD", "/files/hello.txt");
    EXPECT_EQ(head["content-length"], std::to_string(hello.size()));
    EXPECT_TRUE(head.ended && head.body.empty());
    EXPECT_EQ(one.ask("GET", "/files/hello.txt", {{"range", "bytes=0-4"}}).body, hello.substr(0, 5));
    EXPECT_EQ(one.ask("GET", "/files/hello.txt", {{"if-modified-since", std::string(hello_date)}}).status,
              304);
}

TEST_P(http2_test, a_request_is_as_its_client_said_it) {
    http::site site;
    site.get("/who", [](exchange& x) noexcept {
        std::string text(x.authority());
        text += x.from().http2 ? " 2 " : " 1 ";
        text.append(x.cookie("b").value_or("-")).append(" ").append(x.field("cookie").value_or("-"));
        text.append(" ").append(x.query()).append(" ").append(x.field("X-Many").value_or("-"));
        x.respond(200, "text/plain", text);
    });
    start(std::move(site));
    http2_client one = speak();
    const auto got = one.ask("GET", "/who?q=1", {{"cookie", "a=1"}, {"cookie", "b=2"}, {"x-many", "m"}});
    EXPECT_EQ(got.body, "test 2 2 a=1; b=2 q=1 m");
    EXPECT_EQ(got["connection"], "");
    EXPECT_EQ(one.ask("GET", "/who", {{"x-large", std::string(20'000, 'x')}}).status, 431);
    EXPECT_EQ(one.ask("GET", "/who", {{"host", "test"}}).status, 200);
    EXPECT_EQ(one.ask("GET", "/who", {{"host", "other"}}).status, 400);
}

TEST_P(http2_test, no_window_is_opened_that_nobody_reads) {
    std::binary_semaphore begun(0);
    std::atomic<bool> may_read = false;
    http::site site;
    site.post("/late",
              [&](exchange& x) -> task<> {
                  begun.release();
                  while (!may_read)
                      if (!co_await sleep_for(1ms)) co_return;
                  co_await echo(x);
              },
              {.body_limit = 1 << 24})
        .get("/other", [](exchange& x) noexcept { x.respond(200, "text/plain", "other"); });
    start(std::move(site));
    http2_client one = speak();
    const std::string body(1'000'000, 'b');
    const std::int32_t id = one.begin_post("/late", body);
    one.flush();
    begun.acquire();
    ASSERT_TRUE(one.round_trip());
    ASSERT_TRUE(one.round_trip());
    EXPECT_EQ(one.unsent(id), body.size() - http::limits::h2_stream_window);
    EXPECT_EQ(one.ask("GET", "/other").body, "other");  // the connection's window is open
    EXPECT_EQ(one.unsent(id), body.size() - http::limits::h2_stream_window);
    may_read = true;
    EXPECT_EQ(one.wait(id).body, body);
}

TEST_P(http2_test, a_stream_whose_client_takes_nothing_holds_up_no_other) {
    std::atomic<int> written = 0;
    http::site site;
    site.get("/stream",
             [&](exchange& x) -> task<> {
                 const std::string piece(10'000, 'p');
                 for (int each = 0; each < 20; ++each) {
                     if (!co_await x.write(piece)) co_return;
                     ++written;
                 }
                 (void)co_await x.end();
             })
        .mount("/files/", http::files(files_.path().string()));
    files_.write("large.bin", std::string(300'000, 'l'));
    start(std::move(site));
    http2_client one = speak(0, true);
    std::vector<std::int32_t> blocked;
    for (int each = 0; each < 20; ++each) {
        blocked.push_back(one.begin("GET", "/files/large.bin"));
        blocked.push_back(one.begin("GET", "/files/hello.txt"));
        blocked.push_back(one.begin("GET", "/stream"));
    }
    ASSERT_TRUE(one.until([&] {
        return std::ranges::all_of(blocked, [&](std::int32_t id) { return one.at(id).status == 200; });
    }));
    const std::int32_t free = one.begin("GET", "/files/hello.txt");
    one.flush();
    one.open_window(free, 1000);
    EXPECT_EQ(one.wait(free).body, hello);
    ASSERT_TRUE(one.round_trip());
    EXPECT_EQ(written, 0);  // nothing of it has been taken
    one.open_window(0, 1 << 30);
    for (const std::int32_t id : blocked)
        one.open_window(id, 1 << 20);
    for (std::size_t each = 0; each < blocked.size(); each += 3) {
        EXPECT_EQ(one.wait(blocked[each]).body.size(), 300'000U);
        EXPECT_EQ(one.wait(blocked[each + 1]).body, hello);
        EXPECT_EQ(one.wait(blocked[each + 2]).body.size(), 200'000U);
    }
    EXPECT_EQ(written, 400);
}

// More than a block of what is encoded comes behind the last piece, and the trailers behind that.
TEST_P(http2_test, an_encoded_answer_in_pieces_is_whole) {
    if (!http::gunzip::available()) GTEST_SKIP() << "this build has no zlib";
    http::site site;
    site.encode().get("/pieces", [](exchange& x) -> task<> {
        x.add("Content-Type", "text/plain");
        for (unsigned each = 0; each < 4; ++each)
            EXPECT_TRUE(co_await x.write(pattern(60'000, each)));
        x.add("X-Sum", "4");
        EXPECT_TRUE(co_await x.end());
    });
    start(std::move(site));
    std::string whole;
    for (unsigned each = 0; each < 4; ++each)
        whole += pattern(60'000, each);
    http2_client one = speak();
    const auto& got = one.ask("GET", "/pieces", {{"accept-encoding", "gzip"}});
    EXPECT_EQ(got["content-encoding"], "gzip");
    EXPECT_TRUE(got.ended && got.closed);
    EXPECT_EQ(decoded("gzip", got.body), whole);
    EXPECT_EQ(got.trailers, (http2_client::field_texts{{"x-sum", "4"}}));
}

// A handler that ends in a later turn than its stream leaves a connection with a deadline behind.
TEST_P(http2_test, a_connection_whose_only_stream_was_reset_has_its_time) {
    options_.timeouts.keep_alive = 100ms;
    ending seen;
    http::site site;
    site.get("/wait", [&seen](exchange&) -> task<> {
        seen.begun.release();
        (void)co_await sleep_for(1h);
        seen.ended.release();
    });
    start(std::move(site));
    http2_client one = speak();
    const std::int32_t id = one.begin("GET", "/wait");
    one.flush();
    seen.begun.acquire();
    one.reset(id);
    one.flush();
    seen.ended.acquire();
    EXPECT_FALSE(one.until([] { return false; }));
    ASSERT_FALSE(one.goaways.empty());
    EXPECT_EQ(one.goaways.back().code, std::uint32_t{NGHTTP2_NO_ERROR});
}

TEST_P(http2_test, a_handler_is_told_that_its_stream_or_its_connection_has_gone) {
    for (const int how : {0, 1, 2}) {
        ending seen;
        http::site site;
        site.get("/wait",
                 [&seen](exchange& x) -> task<> {
                     seen.begun.release();
                     auto slept = co_await sleep_for(1h);
                     seen.stopped = !slept && x.scope().stopped();
                     x.respond(200, "text/plain", "late");
                     seen.ended.release();
                 })
            .post("/wait",
                  [&seen](exchange& x) -> task<> {
                      seen.begun.release();
                      auto piece = co_await x.read();
                      seen.stopped = !piece && x.scope().stopped();
                      seen.ended.release();
                  })
            .mount("/", http::files(files_.path().string()));
        start(std::move(site));
        for (const bool reads : {false, true}) {
            http2_client one = speak();
            const std::int32_t id = reads ? one.begin_post("/wait", "") : one.begin("GET", "/wait");
            if (reads) one.keep_open(id);
            one.flush();
            seen.begun.acquire();
            if (how == 0) {
                one.reset(id);
                one.flush();
                seen.ended.acquire();
                EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
            } else if (how == 1) {
                one.socket().end_sending();
                seen.ended.acquire();
            } else {
                one.socket().reset();
                seen.ended.acquire();
            }
            EXPECT_TRUE(seen.stopped);
        }
        stop();
    }
}

TEST_P(http2_test, bodies_past_the_limit_are_413_and_the_connection_goes_on) {
    http::site site;
    site.post("/small", echo, {.body_limit = 10}).mount("/", http::files(files_.path().string()));
    start(std::move(site));
    http2_client one = speak();
    EXPECT_EQ(
        one.wait(one.begin_post("/small", std::string(100'000, 'x'), {{"content-length", "100000"}})).status,
        413);
    EXPECT_EQ(one.wait(one.begin_post("/hello.txt", "not wanted")).status, 405);
    EXPECT_EQ(one.wait(one.begin_post("/hello.txt", std::string(2'000'000, 'x'))).status, 413);
    const std::int32_t id = one.begin_post("/hello.txt", "");
    EXPECT_EQ(one.wait(id).status, 405);
    EXPECT_EQ(one.ask("GET", "/hello.txt").body, hello);
}

TEST_P(http2_test, hooks_and_middleware_see_it) {
    http::site site;
    site.before([](exchange& x) noexcept { x.add("X-Before", "b"); })
        .on_head([](const exchange&, http::answer_head& head) {
            head.set("X-Hook", std::to_string(head.status()));
        })
        .get("/f", [](exchange& x) noexcept { x.respond(200, "text/plain", "f"); })
        .get("/c", echo)
        .mount("/", http::files(files_.path().string()));
    start(std::move(site));
    http2_client one = speak();
    for (const char* path : {"/f", "/c", "/hello.txt"}) {
        const auto got = one.ask("GET", path);
        EXPECT_EQ(got["x-before"], "b") << path;
        EXPECT_EQ(got["x-hook"], "200") << path;
    }
    EXPECT_EQ(one.ask("GET", "/none")["x-hook"], "404");
}

TEST_P(http2_test, a_drain_lets_answers_finish_and_says_goodbye_twice) {
    std::binary_semaphore begun(0);
    std::atomic<bool> may_end = false;
    http::site site;
    site.get("/slow", [&](exchange& x) -> task<> {
        begun.release();
        while (!may_end)
            if (!co_await sleep_for(1ms)) co_return;
        x.respond(200, "text/plain", std::string(200'000, 's'));
    });
    start(std::move(site));
    http2_client one = speak();
    const std::int32_t id = one.begin("GET", "/slow");
    one.flush();
    begun.acquire();
    server_->drain();
    ASSERT_TRUE(one.until([&] { return one.goaways.size() == 2; }));
    EXPECT_EQ(one.goaways[0].last, 0x7fffffff);
    EXPECT_EQ(one.goaways[1].last, id);
    may_end = true;
    EXPECT_EQ(one.wait(id).body.size(), 200'000U);
    EXPECT_FALSE(one.until([] { return false; }));
    one.socket().close();
    server_->wait();
}

TEST_P(http2_test, who_makes_work_of_nothing_is_told_so_and_the_others_do_not_feel_it) {
    http::site site;
    site.mount("/", http::files(files_.path().string()));
    start(std::move(site));
    http2_client honest = speak();
    EXPECT_EQ(honest.ask("GET", "/hello.txt").body, hello);
    const auto attack = [&](std::string_view reason, auto what) {
        http2_client one = speak();
        for (int each = 0; each < 10'000 && one.goaways.empty(); ++each) {
            what(one);
            if (each % 20 == 0 && !one.until([&] { return true; })) break;
            if (each % 20 == 0 && !one.round_trip()) break;
        }
        (void)one.until([] { return false; });
        ASSERT_FALSE(one.goaways.empty()) << reason;
        EXPECT_EQ(one.goaways[0].code, std::uint32_t{NGHTTP2_ENHANCE_YOUR_CALM}) << reason;
        EXPECT_EQ(one.goaways[0].reason, reason);
        EXPECT_EQ(honest.ask("GET", "/hello.txt").body, hello);
    };
    attack("too many resets", [](http2_client& one) {
        const std::int32_t id = one.begin("GET", "/hello.txt");
        one.flush();
        one.reset(id);
    });
    attack("too many PINGs", [](http2_client& one) { one.ping(); });
    attack("too many SETTINGS", [](http2_client& one) {
        const nghttp2_settings_entry entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65'535};
        nghttp2_submit_settings(one.session(), NGHTTP2_FLAG_NONE, &entry, 1);
    });
    attack("too many PRIORITY frames", [](http2_client& one) {
        one.flush();
        std::string frames;  // PRIORITY of stream 1
        for (int each = 0; each < 20; ++each)
            frames += std::string("\0\0\5\2\0\0\0\0\1\0\0\0\0\1", 14);
        one.socket().send(frames);
    });
    EXPECT_TRUE(reported("HTTP/2"));
}

TEST_P(http2_test, who_is_too_slow_is_let_go_stream_by_stream) {
    options_.timeouts.write = 300ms;
    options_.timeouts.body = 300ms;
    http::site site;
    site.post("/echo", echo).mount("/", http::files(files_.path().string()));
    files_.write("large.bin", std::string(300'000, 'l'));
    start(std::move(site));
    http2_client one = speak(0, true);
    const std::int32_t blocked = one.begin("GET", "/large.bin");
    const std::int32_t late = one.begin_post("/echo", "");
    one.keep_open(late);
    one.flush();
    one.open_window(late, 100'000);
    EXPECT_EQ(one.wait(late).status, 408);
    EXPECT_NE(one.wait(blocked).reset_with, 0U);
    EXPECT_FALSE(one.at(blocked).ended);
    EXPECT_TRUE(one.round_trip());
    EXPECT_TRUE(reported("too slow to take an answer"));
}

TEST_P(http2_test, a_socket_that_takes_nothing_is_closed) {
    options_.timeouts.write = 300ms;
    options_.send_buffer = 16 * 1024;
    http::site site;
    site.mount("/", http::files(files_.path().string()));
    files_.write("large.bin", std::string(5'000'000, 'l'));
    start(std::move(site));
    http2_client one = speak(0x7fffffff, true);
    one.open_window(0, 0x40000000);
    for (int each = 0; each < 4; ++each)
        (void)one.begin("GET", "/large.bin");
    one.flush();
    EXPECT_TRUE(reported("too slow to take an answer"));
    EXPECT_EQ(speak().ask("GET", "/hello.txt").body, hello);
}

TEST_P(http2_test, a_head_that_does_not_end_and_a_connection_without_streams_have_their_time) {
    options_.timeouts.head = 300ms;
    options_.timeouts.keep_alive = 300ms;
    start();
    for (const bool within_head : {false, true}) {
        bool told = false;
        for (int attempt = 0; attempt < 20 && !told; ++attempt) {  // on a busy machine it may be late itself
            http2_client one = speak();
            (void)one.round_trip();  // nothing of its own comes in between
            if (within_head) one.socket().send(std::string("\0\0\1\1\1\0\0\0\1\x82", 10));
            EXPECT_FALSE(one.until([] { return false; }));
            told = !one.goaways.empty() && one.goaways.back().code == std::uint32_t{NGHTTP2_NO_ERROR};
        }
        EXPECT_TRUE(told) << within_head;
    }
}

TEST_P(http2_test, the_access_log_tells_its_version) {
    const temporary_directory logs;
    options_.access_log = (logs.path() / "access.log").string();
    start();
    EXPECT_EQ(speak().ask("GET", "/hello.txt", {{"user-agent", "ferry"}}).body, hello);
    stop();
    std::ifstream file(*options_.access_log);
    std::string line;
    std::getline(file, line);
    EXPECT_TRUE(line.contains("\"GET /hello.txt HTTP/2.0\" 200 14 \"-\" \"ferry\"")) << line;
}

TEST_P(http2_test, handlers_of_streams_that_are_reset_all_the_time_end) {
    std::atomic<int> begun = 0;
    std::atomic<int> ended = 0;
    http::site site;
    site.get("/wait", [&](exchange& x) -> task<> {
        ++begun;
        for (int each = 0; each < 100'000; ++each) {
            if (!co_await x.write("piece of an answer")) break;
            if (!co_await sleep_for(1ms)) break;
        }
        ++ended;
    });
    start(std::move(site));
    {
        http2_client one = speak();
        for (int each = 0; each < 100; ++each) {
            const std::int32_t id = one.begin("GET", "/wait");
            ASSERT_TRUE(one.until([&] { return one.at(id).status == 200; }));
            one.reset(id);
        }
        for (int each = 0; each < 50; ++each)
            (void)one.begin("GET", "/wait");
        ASSERT_TRUE(one.round_trip());
        ASSERT_TRUE(one.round_trip());
        one.socket().reset();
    }
    EXPECT_TRUE(eventually([&] { return begun > 100 && ended == begun; })) << begun << " " << ended;
}

TEST_P(http2_test, without_leave_its_preface_is_a_version_that_is_not_known) {
    options_.h2c = false;
    start();
    client one = connect();
    one.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    EXPECT_EQ(one.read().status, 505);
}

TEST_P(http2_test, a_preface_in_pieces_and_one_that_is_none) {
    start();
    client one = connect();
    for (const char each : std::string_view("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) {
        one.send(std::string(1, each));
        std::this_thread::yield();
    }
    one.send(std::string("\0\0\0\4\0\0\0\0\0", 9));
    EXPECT_EQ(one.read_some(9).size(), 9U);
    client other = connect();
    other.send("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    EXPECT_FALSE(other.read_to_end().empty());
}

}  // namespace
}  // namespace naru::testing
