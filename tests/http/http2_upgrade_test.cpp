// Upgrades that a coroutine handler waits for, on streams of HTTP/2 (RFC 8441), on every engine.
#include "fixture.hpp"
#include "http2_client.hpp"
#include "upgrade_handlers.hpp"

#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>

#include <atomic>
#include <optional>
#include <semaphore>
#include <stdexcept>

namespace naru::testing {
namespace {

using http::exchange;

class http2_upgrade_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        options_.h2c = true;
        options_.threads = 1;
    }
    http2_client speak() { return http2_client(server_->local_address()); }
    static std::int32_t open(http2_client& by, std::string_view path) { return by.open_tunnel("mine", path); }
    bool all_is_gone() {
        return eventually([&] {
            const auto seen = server_->metrics();
            return seen.open_streams == 0 && seen.open_upgraded == 0;
        });
    }
};
NARU_ON_EVERY_ENGINE(http2_upgrade_test);

TEST_P(http2_upgrade_test, the_handler_goes_on_with_the_bytes) {
    http::site site;
    site.get("/up/{name}",
             [](exchange& x) -> task<> {
                 const std::string_view name = x.param("name");
                 (void)co_await sleep_for(1ms);
                 x.add("X-More", "of it");
                 auto stream = co_await x.upgrade("mine");
                 EXPECT_TRUE(stream);
                 if (!stream) co_return;
                 EXPECT_EQ(name, "one");
                 EXPECT_TRUE(x.is_http2() && x.from().peer && stream->peer_address());
                 auto again = co_await x.upgrade("mine");
                 EXPECT_EQ(again.error().value(), EINVAL);
                 co_await echo_until_end(*stream);
             })
        .get("/other", [](exchange& x) noexcept { x.respond(200, "text/plain", "other"); })
        .get("/refuses", [](exchange& x) -> task<> {
            auto stream = co_await x.upgrade("theirs");
            EXPECT_EQ(stream.error().value(), EPROTOTYPE);
            x.respond(426, "text/plain", "no");
        });
    start(std::move(site));
    http2_client one = speak();
    const std::int32_t first = open(one, "/up/one");
    const std::int32_t second = open(one, "/up/one");
    EXPECT_EQ(one.at(first)["x-more"], "of it");
    EXPECT_EQ(server_->metrics().open_upgraded, 2U);
    const std::string large(200'000, 'l');
    one.add_body(second, large, true);
    one.add_body(first, "first", false);
    EXPECT_EQ(one.read_body(first, 5), "first");
    EXPECT_EQ(one.read_body(second, large.size()).size(), large.size());
    EXPECT_TRUE(one.wait(second).ended);
    EXPECT_EQ(one.ask("GET", "/other").body, "other");
    EXPECT_EQ(one.ask("GET", "/refuses").status, 426);
    one.add_body(first, " and last", true);
    EXPECT_EQ(one.wait(first).body, "first and last");
    EXPECT_TRUE(one.at(first).ended);
    EXPECT_EQ(one.at(first).reset_with, 0U);
    EXPECT_TRUE(all_is_gone());
    EXPECT_EQ(server_->metrics().upgrades, 2U);
    EXPECT_TRUE(reports().empty());
}

TEST_P(http2_upgrade_test, a_handler_that_ends_at_once_or_throws) {
    http::site site;
    site.get("/ends",
             [](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("mine");
                 EXPECT_TRUE(stream);
             })
        .get("/closes",
             [](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("mine");
                 if (!stream) co_return;
                 auto closed = co_await stream->close();
                 EXPECT_TRUE(closed);
                 (void)co_await sleep_for(1ms);
             })
        .get("/resets",
             [](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("mine");
                 if (!stream) co_return;
                 stream->reset_on_close();
                 (void)co_await stream->send(std::string_view("half"));
             })
        .get("/throws", [](exchange& x) -> task<> {
            auto stream = co_await x.upgrade("mine");
            throw std::runtime_error("on purpose");
        });
    start(std::move(site));
    http2_client one = speak();
    for (const std::string_view path : {"/ends", "/closes", "/throws", "/resets"}) {
        const std::int32_t id = open(one, path);
        if (path == "/resets") {
            EXPECT_TRUE(one.until([&] { return one.at(id).closed; }));
            EXPECT_NE(one.at(id).reset_with, 0U);
            continue;
        }
        EXPECT_TRUE(one.until([&] { return one.at(id).ended; }));
        EXPECT_EQ(one.at(id).body, "");
        one.add_body(id, "", true);
        EXPECT_TRUE(one.wait(id).closed);
    }
    EXPECT_TRUE(all_is_gone());
    EXPECT_EQ(reports(), (std::vector<std::string>{"the handler of /throws threw: on purpose"}));
}

TEST_P(http2_upgrade_test, clients_that_leave) {
    std::atomic<int> running{0};
    std::atomic<int> told{0};
    http::site site;
    site.get("/up", [&](exchange& x) -> task<> {
        ++running;
        auto stream = co_await x.upgrade("mine");
        if (stream) {
            auto come = co_await stream->receive();
            while (come)
                come = co_await stream->receive();
            if (come.error() == std::errc::connection_reset) ++told;
            (void)co_await sleep_for(1ms);  // its tunnel may have ended before it
        }
        --running;
    });
    start(std::move(site));
    http2_client stays = speak();
    const std::int32_t id = open(stays, "/up");
    stays.reset(id);
    EXPECT_TRUE(stays.round_trip());
    EXPECT_TRUE(eventually([&] { return told == 1 && running == 0; }));
    const std::int32_t at_once = stays.begin_tunnel("mine", "/up");
    stays.flush();
    stays.reset(at_once);
    EXPECT_TRUE(stays.round_trip());
    for (const bool reset : {false, true}) {
        http2_client leaves = speak();
        (void)open(leaves, "/up");
        (void)open(leaves, "/up");
        reset ? leaves.socket().reset() : leaves.socket().close();
    }
    EXPECT_TRUE(eventually([&] { return told >= 5 && running == 0; }));
    EXPECT_TRUE(all_is_gone());
    EXPECT_EQ(server_->metrics().open_http2, 1U);
}

TEST_P(http2_upgrade_test, a_drain_stops_its_scope) {
    std::binary_semaphore begun(0);
    std::atomic<bool> stopped{false};
    options_.timeouts.drain = 50ms;
    http::site site;
    site.get("/up", [&](exchange& x) -> task<> {
        auto stream = co_await x.upgrade("mine");
        if (!stream) co_return;
        begun.release();
        auto come = co_await stream->receive();
        stopped = !come && come.error() == std::errc::operation_canceled && x.draining();
        auto goodbye = stream->send(std::string_view("goodbye"));
        auto sent = co_await shielded(10s, std::move(goodbye));
        EXPECT_TRUE(sent);
        auto shut = stream->shutdown();
        (void)co_await shielded(10s, std::move(shut));
    });
    start(std::move(site));
    http2_client one = speak();
    const std::int32_t id = open(one, "/up");
    begun.acquire();
    server_->drain();
    EXPECT_TRUE(one.until([&] { return one.at(id).ended; }));
    EXPECT_EQ(one.at(id).body, "goodbye");
    EXPECT_TRUE(stopped);
    one.add_body(id, "", true);
    EXPECT_FALSE(one.until([] { return false; }));
    one.socket().close();
    server_->wait();
}

// Two clients who are brought together: the first one's handler has ended, its stream not.
TEST_P(http2_upgrade_test, a_stream_outlives_its_handler) {
    matchmaker pair("mine");
    http::site site;
    site.get("/up", [&](exchange& x) { return pair.join(x); });
    start(std::move(site));
    http2_client one = speak();
    const std::int32_t first = open(one, "/up");
    EXPECT_TRUE(eventually([&] { return pair.first_is_there() && server_->metrics().open_upgraded == 0; }));
    const std::int32_t second = open(one, "/up");
    one.add_body(second, "to the other", true);
    EXPECT_EQ(one.read_body(first, 12), "to the other");
    EXPECT_TRUE(one.until([&] { return one.at(first).ended && one.at(second).ended; }));
    one.add_body(first, "", true);
    EXPECT_TRUE(one.wait(first).closed);
    EXPECT_TRUE(all_is_gone());
}

}  // namespace
}  // namespace naru::testing
