// Handlers in a server, on every engine: what becomes of them when clients pipeline, wait, stop or leave.
#include "handler_fixture.hpp"

#include <naru/coro/combine.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/scope.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/http.hpp>

#include <atomic>
#include <semaphore>
#include <string>
#include <utility>

namespace naru::testing {
namespace {

using http::exchange;

class handler_test : public handler_fixture {};
NARU_ON_EVERY_ENGINE(handler_test);

TEST_P(handler_test, pipelined_requests_are_answered_in_their_order) {
    http::site site;
    site.get("/f/{n}", [](exchange& x) noexcept { x.respond(200, "text/plain", x.param("n")); })
        .get("/c/{n}",
             [](exchange& x) -> task<> {
                 x.respond(200, "text/plain", x.param("n"));
                 co_return;
             })
        .get("/w/{n}",
             [](exchange& x) -> task<> {
                 (void)co_await sleep_for(1ms);
                 x.respond(200, "text/plain", x.param("n"));
             })
        .post("/b/{n}",
              [](exchange& x) -> task<> {
                  while (auto piece = co_await x.read()) {
                      if (!co_await x.write(piece->text())) co_return;
                  }
                  (void)co_await x.end();
              })
        .mount("/files/", http::files(files_.path().string()));
    start(std::move(site));
    client one = connect();
    std::string all;
    for (int each = 0; each < 100; ++each) {
        const std::string number = std::to_string(each);
        all += get("/f/" + number) + get("/c/" + number) + get("/w/" + number) + get("/files/hello.txt") +
               post("/b/" + number, "Content");
    }
    one.send(all);
    for (int each = 0; each < 100; ++each) {
        for (int kind = 0; kind < 3; ++kind)
            ASSERT_EQ(one.read().body, std::to_string(each));
        ASSERT_EQ(one.read().body, hello);
        std::string text;
        while (!text.ends_with("\r\n0\r\n\r\n")) {
            const std::string piece = one.read_some(1);
            ASSERT_FALSE(piece.empty());
            text += piece;
        }
        ASSERT_NE(text.find("\r\n7\r\nContent\r\n"), std::string::npos) << text;
    }
    one.end_sending();
    EXPECT_TRUE(one.ends());
}

TEST_P(handler_test, a_handler_that_waits_is_told_that_its_client_has_left) {
    for (const bool reset : {false, true}) {
        ending seen;
        http::site site;
        site.get("/wait", [&seen](exchange& x) -> task<> {
            seen.begun.release();
            auto slept = co_await sleep_for(1h);
            seen.stopped = !slept && x.scope().stopped();
            x.respond(200, "text/plain", "late");
            seen.ended.release();
        });
        start(std::move(site));
        client one = connect();
        one.send(get("/wait") + get("/wait"));
        seen.begun.acquire();
        reset ? one.reset() : one.close();
        seen.ended.acquire();
        EXPECT_TRUE(seen.stopped);
        stop();
    }
}

TEST_P(handler_test, a_half_close_stops_nothing_where_the_route_says_so) {
    http::site site;
    site.get("/wait",
             [](exchange& x) -> task<> {
                 (void)co_await sleep_for(20ms);
                 x.respond(200, "text/plain", "in the end");
             },
             {.half_close = true});
    start(std::move(site));
    client one = connect();
    one.send(get("/wait"));
    one.end_sending();
    EXPECT_TRUE(one.read_to_end().ends_with("in the end"));
}

TEST_P(handler_test, what_was_pipelined_before_a_half_close_is_answered) {
    http::site site;
    site.get("/wait/{n}",
             [](exchange& x) -> task<> {
                 (void)co_await sleep_for(2ms);
                 x.respond(200, "text/plain", x.param("n"));
             },
             {.half_close = true});
    start(std::move(site));
    client one = connect();
    std::string all;
    for (int each = 0; each < 10; ++each)
        all += get("/wait/" + std::to_string(each));
    one.send(all);
    one.end_sending();
    for (int each = 0; each < 10; ++each)
        EXPECT_EQ(one.read().body, std::to_string(each));
    EXPECT_TRUE(one.ends());
}

TEST_P(handler_test, a_client_that_leaves_within_its_body) {
    ending seen;
    http::site site;
    site.post("/upload", [&seen](exchange& x) -> task<> {
        auto first = co_await x.read();
        EXPECT_TRUE(first);
        seen.begun.release();
        auto second = co_await x.read();
        seen.stopped = !second && second.error() != errc::end_of_stream;
        x.respond(200, "text/plain", "whole");
        seen.ended.release();
    });
    start(std::move(site));
    client one = connect();
    one.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart");
    seen.begun.acquire();
    one.end_sending();
    seen.ended.acquire();
    EXPECT_TRUE(seen.stopped);
    EXPECT_EQ(one.read_to_end(), "");
}

TEST_P(handler_test, a_client_that_leaves_within_the_answer) {
    ending seen;
    http::site site;
    site.get("/endless", [&seen](exchange& x) -> task<> {
        const std::string piece(100'000, 'x');
        while (co_await x.write(piece)) {
        }
        seen.ended.release();
    });
    start(std::move(site));
    client one = connect();
    one.send(get("/endless"));
    EXPECT_TRUE(one.has_bytes_within(patience));
    one.reset();
    seen.ended.acquire();
}

TEST_P(handler_test, a_body_that_comes_too_slowly) {
    http::site site;
    site.post("/upload",
              [](exchange& x) -> task<> {
                  auto all = co_await x.read_all();
                  x.respond(200, "text/plain", all ? "whole" : "failed");
              },
              {.body_time = 20ms});
    start(std::move(site));
    client one = connect();
    one.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart");
    EXPECT_EQ(one.read().status, 408);
    EXPECT_EQ(ask(post("/upload", "all of it")).body, "whole");
}

TEST_P(handler_test, a_handler_that_takes_too_long) {
    http::site site;
    site.get("/wait", [](exchange&) -> task<> { (void)co_await sleep_for(1h); }, {.handler_time = 10ms});
    start(std::move(site));
    EXPECT_EQ(ask(get("/wait")).status, 503);
}

TEST_P(handler_test, continue_is_said_when_the_body_is_asked_for) {
    http::site site;
    site.post("/read",
              [](exchange& x) -> task<> {
                  auto all = co_await x.read_all();
                  x.respond(200, "text/plain", all ? *all : "failed");
              })
        .post("/refuse", [](exchange& x) -> task<> {
            x.respond(403, "text/plain", "no");
            co_return;
        });
    start(std::move(site));
    client one = connect();
    one.send("POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(one.read().status, 100);
    one.send("body");
    EXPECT_EQ(one.read().body, "body");
    one.send("POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    const response refused = one.read();
    EXPECT_EQ(refused.status, 403);
    EXPECT_EQ(refused["Connection"], "close");
}

// RFC 9110, 10.1.1: 100 Continue is for a client that has no answer yet.
TEST_P(handler_test, no_continue_within_an_answer) {
    http::site site;
    site.post("/echo", [](exchange& x) -> task<> {
        auto wrote = co_await x.write("first ");
        EXPECT_TRUE(wrote);
        auto all = co_await x.read_all();
        wrote = co_await x.write(all ? *all : "failed");
        EXPECT_TRUE(wrote);
        (void)co_await x.end();
    });
    start(std::move(site));
    client one = connect();
    one.send(request("POST", "/echo", "Content-Length: 4\r\nExpect: 100-continue\r\n"));
    std::string all;
    while (!all.ends_with("first \r\n")) {
        const std::string more = one.read_some(1);
        ASSERT_FALSE(more.empty()) << all;
        all += more;
    }
    one.send("body");
    one.end_sending();
    all += one.read_to_end();
    EXPECT_TRUE(all.starts_with("HTTP/1.1 200 ")) << all;
    EXPECT_TRUE(all.ends_with("\r\n\r\n6\r\nfirst \r\n4\r\nbody\r\n0\r\n\r\n")) << all;
}

// One coroutine's write is stopped while it waits for 100 Continue to go; the other's read goes on.
TEST_P(handler_test, a_write_that_is_stopped_stops_no_read) {
    http::site site;
    site.post("/both", [](exchange& x) -> task<> {
        std::string body;
        const auto reads = [&]() -> task<> {
            auto all = co_await x.read_all();
            body = all ? *all : "failed: " + all.error().message();
        };
        const auto informs = [&x]() -> task<> {
            stop_scope over;
            over.stop();
            auto informed = co_await with_stop(over, x.inform(102));
            EXPECT_FALSE(informed);
        };
        auto read = reads();
        auto inform = informs();
        co_await when_all(std::move(read), std::move(inform));
        x.respond(200, "text/plain", body);
    });
    start(std::move(site));
    client one = connect();
    one.send(request("POST", "/both", "Content-Length: 4\r\nExpect: 100-continue\r\n"));
    EXPECT_EQ(one.read().status, 100);
    one.send("body");
    EXPECT_EQ(one.read().body, "body");
    EXPECT_EQ(one.ask(get("/nothing")).status, 404);
}

TEST_P(handler_test, waiting_handlers_whose_clients_pipeline_starve_nobody) {
    struct gate {
        async_event open;
    };
    http::site site;
    site.per_loop([](loop&) { return std::make_unique<gate>(); })
        .get("/wait",
             [](exchange& x) -> task<> {
                 (void)co_await x.local<std::unique_ptr<gate>>()->open.wait();
                 x.respond(200, "text/plain", "open");
             })
        .get("/open", [](exchange& x) noexcept {
            x.local<std::unique_ptr<gate>>()->open.set();
            x.respond(204);
        });
    start(std::move(site));
    constexpr int clients = 200;
    std::vector<client> waiting;
    for (int each = 0; each < clients; ++each) {
        waiting.push_back(connect());
        waiting.back().send(get("/wait") + "G");
    }
    EXPECT_EQ(ask(get("/open")).status, 204);
    for (client& each : waiting)
        EXPECT_EQ(each.read().body, "open");
    for (client& each : waiting) {
        each.send(get("/open").substr(1));
        EXPECT_EQ(each.read().status, 204);
    }
}

TEST_P(handler_test, a_drain_ends_what_does_not_end_by_itself) {
    ending seen;
    options_.timeouts.drain = 50ms;
    http::site site;
    site.get("/wait", [&seen](exchange& x) -> task<> {
        seen.begun.release();
        (void)co_await sleep_for(1h);
        seen.stopped = x.draining();
    });
    start(std::move(site));
    client one = connect();
    one.send(get("/wait"));
    seen.begun.acquire();
    server_->drain();
    server_->wait();
    EXPECT_TRUE(seen.stopped);
}

// The handler goes on by itself when its client has long been gone, and ends in every way that it can.
TEST_P(handler_test, handlers_that_outlive_their_clients) {
    for (const int how : {0, 1, 2, 3}) {
        ending seen;
        http::site site;
        site.post("/wait", [&seen, how](exchange& x) -> task<> {
            seen.begun.release();
            (void)co_await sleep_for(1h);  // stopped
            struct told {
                ending& of;
                ~told() { of.ended.release(); }
            } const at_end{seen};
            if (how == 0) x.respond(200, "text/plain", std::string(100'000, 'x'));
            if (how == 1) (void)co_await x.write("piece");
            if (how == 2) throw std::runtime_error("late");
            if (how == 3) (void)co_await x.read();
        });
        start(std::move(site));
        client one = connect();
        one.send(post("/wait", "body"));
        seen.begun.acquire();
        one.reset();
        seen.ended.acquire();
        stop();
    }
}

TEST_P(handler_test, a_site_in_anothers_place) {
    const auto says = [](const char* text) {
        http::site made;
        made.get("/", [text](exchange& x) noexcept { x.respond(200, "text/plain", text); });
        return made;
    };
    start(says("old"));
    client kept = connect();
    EXPECT_EQ(kept.ask(get("/")).body, "old");
    server_->replace(says("new"));
    EXPECT_TRUE(eventually([&] { return kept.ask(get("/")).body == "new"; }));
    EXPECT_EQ(ask(get("/")).body, "new");
}

TEST_P(handler_test, a_site_that_is_replaced_goes_on_for_who_has_begun) {
    constexpr std::size_t replaced = 12;
    constexpr std::size_t large = 512 * 1024;
    files_.write("large.bin", pattern(large, 5));
    options_.send_buffer = 16'384;
    const http::files shared(files_.path().string());  // the same for all: what is looked at stays so
    // The last site lives as long as the server, which ends behind this test's body.
    const auto count = std::make_shared<std::atomic<int>>(0);
    const std::atomic<int>& alive = *count;
    const auto made = [&](std::size_t number) {
        http::site site;
        const std::shared_ptr<int> counted(new int(++*count), [count](const int* each) {
            --*count;
            delete each;
        });
        site.get("/number", [counted, number](exchange& x) noexcept {
            x.respond(200, "text/plain", std::to_string(number));
        });
        site.get("/up", [](exchange& x) noexcept {
            (void)x.upgrade("echo", [](http::upgraded_stream stream) -> task<> {
                while (auto piece = co_await stream.receive()) {
                    if (!co_await stream.send(piece->text())) co_return;
                }
            });
        });
        site.mount("/", shared);
        return site;
    };
    start(made(0));
    client upgraded = connect();
    upgraded.send(request("GET", "/up", "Connection: Upgrade\r\nUpgrade: echo\r\n") + "first");
    const auto comes_back = [&upgraded](const std::string& text) {
        std::string got;
        while (!got.ends_with(text)) {
            const std::string piece = upgraded.read_some(1000);
            if (piece.empty()) return false;
            got += piece;
        }
        return true;
    };
    EXPECT_TRUE(comes_back("first"));
    {
        std::vector<client> slow;
        for (std::size_t number = 1; number <= replaced; ++number) {
            slow.push_back(connect(16'384));
            slow.back().send(get("/large.bin"));
            EXPECT_EQ(slow.back().read_some(12), "HTTP/1.1 200");
            server_->replace(made(number));
            client kept = connect();
            EXPECT_TRUE(eventually([&] { return kept.ask(get("/number")).body == std::to_string(number); }));
            upgraded.send("still " + std::to_string(number));
            EXPECT_TRUE(comes_back("still " + std::to_string(number)));
        }
        EXPECT_EQ(alive, static_cast<int>(replaced) + 1);
        for (client& each : slow) {
            std::string rest = each.read_some(1 << 20);
            std::size_t head_end = rest.find("\r\n\r\n");
            while (head_end == std::string::npos) {
                rest += each.read_some(1 << 20);
                head_end = rest.find("\r\n\r\n");
            }
            std::size_t got = rest.size() - head_end - 4;
            while (got < large) {
                const std::string piece = each.read_some(1 << 20);
                ASSERT_FALSE(piece.empty());
                got += piece.size();
            }
            EXPECT_EQ(got, large);
        }
    }
    EXPECT_TRUE(eventually([&] { return alive == 1; }));
    upgraded.send("last");
    EXPECT_TRUE(comes_back("last"));
    upgraded.end_sending();
    EXPECT_TRUE(upgraded.ends());
    EXPECT_TRUE(reports().empty());
}

TEST_P(handler_test, an_upgraded_connection_outlives_its_request) {
    http::site site;
    site.get("/up", [](exchange& x) -> task<> {
        (void)co_await sleep_for(1ms);
        (void)x.upgrade("echo", [](http::upgraded_stream stream) -> task<> {
            while (auto piece = co_await stream.receive()) {
                if (!co_await stream.send(piece->text())) co_return;
            }
        });
    });
    start(std::move(site));
    client one = connect();
    one.send(request("GET", "/up", "Connection: Upgrade\r\nUpgrade: echo\r\n") + "first");
    std::string got;
    while (!got.ends_with("first"))
        got += one.read_some(1000);
    EXPECT_TRUE(got.starts_with("HTTP/1.1 101 "));
    one.send("second");
    got.clear();
    while (got != "second")
        got += one.read_some(1000);
    one.end_sending();
    EXPECT_TRUE(one.ends());
}

}  // namespace
}  // namespace naru::testing
