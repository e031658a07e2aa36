// Upgrades that a coroutine handler waits for, and goes on with, on every engine.
#include "fixture.hpp"
#include "upgrade_handlers.hpp"

#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>
#include <naru/http/limits.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <optional>
#include <semaphore>
#include <stdexcept>

namespace naru::testing {
namespace {

using http::exchange;

std::string asking(std::string_view target, std::string_view protocol = "echo") {
    return get(target, "Connection: Upgrade\r\nX-Name: one\r\nUpgrade: " + std::string(protocol) + "\r\n");
}

class upgrade_test : public http_server_test {
 protected:
    /// What follows the 101, which must be what comes.
    static std::string after_101(client& of, std::size_t bytes) {
        std::string got;
        std::size_t end = std::string::npos;
        while ((end = got.find("\r\n\r\n")) == std::string::npos || got.size() < end + 4 + bytes) {
            const std::string piece = of.read_some(1000);
            if (piece.empty()) break;
            got += piece;
        }
        EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ")) << got;
        return end == std::string::npos ? std::string() : got.substr(end + 4);
    }
    static std::string take(client& of, std::size_t bytes) {
        std::string got;
        while (got.size() < bytes) {
            const std::string piece = of.read_some(bytes - got.size());
            if (piece.empty()) break;
            got += piece;
        }
        return got;
    }
    std::size_t open_upgraded() { return server_->metrics().open_upgraded; }
};
NARU_ON_EVERY_ENGINE(upgrade_test);

TEST_P(upgrade_test, the_handler_goes_on_with_the_bytes) {
    http::site site;
    site.get("/up/{name}", [](exchange& x) -> task<> {
        const std::string_view name = x.param("name");
        x.add("X-More", "of it");
        auto stream = co_await x.upgrade("echo");
        EXPECT_TRUE(stream);
        if (!stream) co_return;
        auto first = co_await stream->receive();
        EXPECT_EQ(first ? first->text() : "", "first");
        EXPECT_EQ(name, "one two");
        EXPECT_EQ(x.path(), "/up/one two");
        EXPECT_EQ(x.field("x-name").value_or(""), "one");
        EXPECT_TRUE(x.from().peer && stream->peer_address());
        EXPECT_TRUE(x.answered());
        EXPECT_EQ(&stream->home(), &x.home());
        // Nothing else is to be had of the exchange.
        auto again = co_await x.upgrade("echo");
        EXPECT_EQ(again.error().value(), EINVAL);
        auto wrote = co_await x.write("piece");
        EXPECT_EQ(wrote.error().value(), EINVAL);
        auto read = co_await x.read();
        EXPECT_EQ(read.error(), errc::end_of_stream);
        first = {};
        co_await echo_until_end(*stream);
    });
    start(std::move(site));
    client one = connect();
    one.send(asking("/up/one%20two") + "first");
    EXPECT_EQ(after_101(one, 0), "");
    EXPECT_EQ(open_upgraded(), 1U);
    EXPECT_EQ(server_->metrics().open_working, 0U);
    one.send("second");
    EXPECT_EQ(take(one, 6), "second");
    one.end_sending();
    EXPECT_TRUE(one.ends());
    EXPECT_TRUE(eventually([&] { return open_upgraded() == 0; }));
    EXPECT_EQ(server_->metrics().upgrades, 1U);
    EXPECT_TRUE(reports().empty());
}

// What has come ahead, into memory of one's own.
TEST_P(upgrade_test, bytes_that_came_ahead_go_where_they_are_wanted) {
    http::site site;
    site.get("/up", [](exchange& x) -> task<> {
        auto stream = co_await x.upgrade("echo");
        if (!stream) co_return;
        std::array<char, 4> four;
        auto got = co_await stream->receive(std::span<char>());
        EXPECT_EQ(got.error().value(), EINVAL);
        got = co_await stream->receive(four);
        EXPECT_EQ(got.value_or(0), 4U);
        EXPECT_EQ(std::string_view(four.data(), 4), "0123");
        std::array<char, 2> two;
        std::array<mutable_slice, 2> pieces = {
            mutable_slice(std::as_writable_bytes(std::span(two))),
            mutable_slice(std::as_writable_bytes(std::span(four).first(1)))};
        got = co_await stream->receive(pieces);
        EXPECT_EQ(got.value_or(0), 3U);
        EXPECT_EQ(std::string(two.data(), 2) + four[0], "456");
        auto* const inner = stream->as<http::upgraded_stream>();
        EXPECT_TRUE(inner != nullptr && inner->ahead() == "789");
        auto rest = co_await stream->receive();
        EXPECT_EQ(rest ? rest->text() : "", "789");
        auto some = co_await stream->send_some(std::string_view("done"));
        EXPECT_EQ(some.value_or(0), 4U);
        auto shut = co_await stream->shutdown();
        EXPECT_TRUE(shut);
        got = co_await stream->receive(four);
        EXPECT_EQ(got.error(), errc::end_of_stream);
    });
    start(std::move(site));
    client one = connect();
    one.send(asking("/up") + "0123456789");
    EXPECT_EQ(after_101(one, 4), "done");
    EXPECT_TRUE(one.ends());
}

TEST_P(upgrade_test, what_is_no_upgrade) {
    http::site site;
    site.on(http::method::post, "/up",
            [](exchange& x) -> task<> {
                auto stream = co_await x.upgrade("echo");
                EXPECT_EQ(stream.error().value(), EPROTOTYPE);
                x.respond(426, "text/plain", "no");
            })
        .get("/up",
             [](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("echo");
                 EXPECT_EQ(stream.error().value(), EPROTOTYPE);
                 x.respond(426, "text/plain", "no");
             })
        .get("/answered",
             [](exchange& x) -> task<> {
                 x.respond(200, "text/plain", "answered");
                 auto stream = co_await x.upgrade("echo");
                 EXPECT_EQ(stream.error().value(), EINVAL);
             })
        .get("/bad", [](exchange& x) -> task<> {
            x.add("X-Bad", "one\r\ntwo");
            auto stream = co_await x.upgrade("echo");
            EXPECT_EQ(stream.error().value(), EINVAL);
        });
    start(std::move(site));
    client one = connect();
    EXPECT_EQ(one.ask(get("/up")).status, 426);
    EXPECT_EQ(one.ask(get("/up", "Upgrade: echo\r\n")).status, 426);
    EXPECT_EQ(
        one.ask(request("POST", "/up", "Connection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 4\r\n") +
                "body")
            .status,
        426);
    EXPECT_EQ(one.ask(asking("/answered")).body, "answered");
    EXPECT_EQ(one.ask(asking("/bad")).status, 500);
    EXPECT_EQ(server_->metrics().upgrades, 0U);
}

TEST_P(upgrade_test, a_handler_that_ends_at_once_or_throws) {
    http::site site;
    site.get("/ends",
             [](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("echo");
                 EXPECT_TRUE(stream);
             })
        .get("/throws",
             [](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("echo");
                 throw std::runtime_error("on purpose");
             })
        .get("/throws/later", [](exchange& x) -> task<> {
            auto stream = co_await x.upgrade("echo");
            if (!stream) co_return;
            auto come = co_await stream->receive();
            EXPECT_TRUE(come);
            throw std::runtime_error("later");
        });
    start(std::move(site));
    for (const std::string_view target : {"/ends", "/throws"}) {
        client one = connect();
        one.send(asking(target));
        EXPECT_EQ(after_101(one, 1), "");
        EXPECT_TRUE(one.has_ended());
    }
    client later = connect();
    later.send(asking("/throws/later"));
    EXPECT_EQ(after_101(later, 0), "");
    later.send("go");
    EXPECT_TRUE(later.ends());
    EXPECT_TRUE(eventually([&] { return open_upgraded() == 0; }));
    EXPECT_EQ(reports(), (std::vector<std::string>{"the handler of /throws threw: on purpose",
                                                   "the handler of /throws/later threw: later"}));
}

// Its own requests go first, and what is being sent.
TEST_P(upgrade_test, behind_other_requests) {
    const std::string large(300'000, 'l');
    http::site site;
    site.get("/large", [&](exchange& x) noexcept { x.respond(200, "text/plain", std::string(large)); })
        .get("/small", [](exchange& x) noexcept { x.respond(200, "text/plain", "small"); })
        .get("/up", [](exchange& x) -> task<> {
            auto stream = co_await x.upgrade("echo");
            if (stream) co_await echo_until_end(*stream);
        });
    start(std::move(site));
    client one = connect();
    one.send(get("/small") + get("/large") + get("/small") + asking("/up") + "ahead");
    EXPECT_EQ(one.read().body, "small");
    EXPECT_EQ(one.read().body.size(), large.size());
    EXPECT_EQ(one.read().body, "small");
    EXPECT_EQ(after_101(one, 5), "ahead");
    one.end_sending();
    EXPECT_TRUE(one.ends());
}

// By a FIN or a reset, at every step. Behind the upgrade it is the stream that tells.
TEST_P(upgrade_test, clients_that_leave) {
    std::atomic<int> running{0};
    std::atomic<int> told{0};
    std::atomic<int> stopped{0};
    http::site site;
    site.get("/up", [&](exchange& x) -> task<> {
        ++running;
        auto stream = co_await x.upgrade("echo");
        if (stream) {
            auto come = co_await stream->receive();
            while (come)
                come = co_await stream->receive();
            if (come.error() == errc::end_of_stream || come.error() == std::errc::connection_reset) ++told;
            if (x.scope().stopped()) ++stopped;
        }
        --running;
    });
    start(std::move(site));
    for (const bool reset : {false, true}) {
        for (const bool waits : {false, true}) {
            for (int each = 0; each < 4; ++each) {
                client one = connect();
                one.send(asking("/up") + "ahead");
                if (waits) {
                    EXPECT_EQ(after_101(one, 0), "");
                    if (each % 2 == 0) one.send("more");
                }
                reset ? one.reset() : one.close();
            }
        }
    }
    EXPECT_TRUE(eventually([&] { return told >= 8; }));
    EXPECT_TRUE(eventually([&] { return running == 0 && open_upgraded() == 0; }));
    EXPECT_EQ(stopped, 0);
    client last = connect();
    last.send(asking("/up"));
    EXPECT_EQ(after_101(last, 0), "");
    last.end_sending();
    EXPECT_TRUE(last.ends());
    EXPECT_TRUE(eventually([&] { return running == 0; }));
}

// At the drain limit the scope is stopped, and what the handler says by then still goes.
TEST_P(upgrade_test, a_drain_stops_its_scope) {
    std::binary_semaphore begun(0);
    std::atomic<bool> stopped{false};
    options_.timeouts.drain = 50ms;
    options_.threads = 1;
    http::site site;
    site.get("/up", [&](exchange& x) -> task<> {
        auto stream = co_await x.upgrade("echo");
        if (!stream) co_return;
        begun.release();
        auto come = co_await stream->receive();
        stopped = !come && come.error() == std::errc::operation_canceled && x.draining();
        auto goodbye = stream->send(std::string_view("goodbye"));
        auto sent = co_await shielded(10s, std::move(goodbye));
        EXPECT_TRUE(sent);
    });
    start(std::move(site));
    client one = connect();
    one.send(asking("/up"));
    begun.acquire();
    EXPECT_EQ(after_101(one, 0), "");
    server_->drain();
    server_->wait();
    EXPECT_TRUE(stopped);
    EXPECT_EQ(one.read_to_end(), "goodbye");
    EXPECT_FALSE(one.was_reset());
}

// The route's time is for what comes before the upgrade.
TEST_P(upgrade_test, the_route_s_time_ends_with_the_upgrade) {
    std::atomic<int> slept_well{0};
    std::atomic<int> woken{0};
    http::site site;
    site.get("/up",
             [&](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("echo");
                 if (!stream || x.scope().stopped()) co_return;  // it came too late
                 auto slept = co_await sleep_for(100ms);
                 slept ? ++slept_well : ++woken;
             },
             {.handler_time = 50ms})
        .get("/late",
             [](exchange& x) -> task<> {
                 (void)co_await sleep_for(1h);
                 auto stream = co_await x.upgrade("echo");
                 EXPECT_EQ(stream.error().value(), EINVAL);
             },
             {.handler_time = 1ms});
    start(std::move(site));
    while (slept_well == 0 && woken == 0) {
        client one = connect();
        one.send(asking("/up"));
        (void)one.read_to_end();
    }
    EXPECT_EQ(woken, 0);
    EXPECT_EQ(ask(asking("/late")).status, 503);
}

// The connection ends, or the stop came too late.
TEST_P(upgrade_test, stopped_on_its_way) {
    std::atomic<int> ended{0};
    http::site site;
    site.get("/up", [&](exchange& x) -> task<> {
        auto upgrade = x.upgrade("echo");
        auto stream = co_await with_deadline(0ms, std::move(upgrade));
        if (!stream) {
            EXPECT_TRUE(stream.error() == std::errc::timed_out ||
                        stream.error() == std::errc::connection_reset)
                << stream.error().message();
        }
        ++ended;
    });
    start(std::move(site));
    for (int each = 0; each < 10; ++each) {
        client one = connect();
        one.send(asking("/up"));
        const std::string got = one.read_to_end();
        EXPECT_TRUE(got.empty() || got.starts_with("HTTP/1.1 101 "));
    }
    EXPECT_TRUE(eventually([&] { return ended == 10 && open_upgraded() == 0; }));
}

// Two clients who are brought together: the first one's handler has ended, its connection not.
TEST_P(upgrade_test, a_stream_outlives_its_handler) {
    options_.threads = 1;
    matchmaker pair("echo");
    http::site site;
    site.get("/up", [&](exchange& x) { return pair.join(x); });
    start(std::move(site));
    client first = connect();
    first.send(asking("/up"));
    EXPECT_EQ(after_101(first, 0), "");
    EXPECT_TRUE(eventually([&] { return pair.first_is_there() && open_upgraded() == 0; }));
    client second = connect();
    second.send(asking("/up") + "to the other");
    EXPECT_EQ(take(first, 12), "to the other");
    second.end_sending();
    EXPECT_EQ(after_101(second, 0), "");
    EXPECT_TRUE(second.ends());
    EXPECT_TRUE(first.ends());
}

// The handler's generation of the site lives as long as it does, and not longer than the limit.
TEST_P(upgrade_test, counts_on_its_site) {
    options_.threads = 1;
    const auto count = std::make_shared<std::atomic<int>>(0);
    std::atomic<int> stopped{0};
    const auto made = [&] {
        http::site site;
        const std::shared_ptr<int> counted(new int(++*count), [count](const int* each) {
            --*count;
            delete each;
        });
        site.get("/up", [counted, &stopped](exchange& x) -> task<> {
            auto stream = co_await x.upgrade("echo");
            if (stream) co_await echo_until_end(*stream);
            if (x.scope().stopped()) ++stopped;
        });
        return site;
    };
    start(made());
    client one = connect();
    one.send(asking("/up") + "first");
    EXPECT_EQ(after_101(one, 5), "first");
    server_->replace(made());
    one.send("second");
    EXPECT_EQ(take(one, 6), "second");
    EXPECT_EQ(*count, 2);
    one.end_sending();
    EXPECT_TRUE(one.ends());
    EXPECT_TRUE(eventually([&] { return *count == 1; }));
    EXPECT_EQ(stopped, 0);

    std::vector<client> kept;
    while (stopped == 0) {
        kept.push_back(connect());
        kept.back().send(asking("/up"));
        EXPECT_EQ(after_101(kept.back(), 0), "");
        server_->replace(made());
        ASSERT_LE(kept.size(), http::limits::site_generations + 1);
    }
    EXPECT_TRUE(kept.front().ends());
    kept.clear();
    EXPECT_TRUE(eventually([&] { return open_upgraded() == 0; }));
}

// Those that were given a stream to go on with, when no exchange is left.
TEST_P(upgrade_test, what_throws_when_its_exchange_has_gone_is_told) {
    http::site site;
    site.get("/then",
             [](exchange& x) noexcept {
                 (void)x.upgrade("echo", [](http::upgraded_stream stream) -> task<> {
                     auto got = co_await stream.receive();
                     throw std::runtime_error(got ? "then: on purpose" : "nothing came");
                 });
             })
        .get("/socket", http::websocket([](http::websocket_peer peer) -> task<> {
                 auto message = co_await peer.receive();
                 throw std::runtime_error(message ? "socket: on purpose" : "nothing came");
             }));
    start(std::move(site));
    client one = connect();
    one.send(asking("/then") + "first");
    EXPECT_EQ(after_101(one, 0), "");
    EXPECT_TRUE(one.ends());
    EXPECT_TRUE(eventually([&] { return reports().size() == 1; }));
    client two = connect();
    two.send(get("/socket",
                 "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n") +
             std::string("\x81\x80\0\0\0\0", 6));
    EXPECT_EQ(after_101(two, 4), "\x88\x02\x03\xf3");  // 1011
    EXPECT_TRUE(eventually([&] { return reports().size() == 2; }));
    EXPECT_EQ(reports(),
              (std::vector<std::string>{"a handler threw behind its upgrade: then: on purpose",
                                        "a handler threw behind its upgrade: socket: on purpose"}));
}

}  // namespace
}  // namespace naru::testing
