// A client whose loop ends right behind it, in whatever phase its connections are: nothing of it may be in
// flight behind the loop's end, which says so itself (NARU_ASSERT). The servers are on other loops, so that
// none of what they do is needed.
#include "client_fixture.hpp"
#include "http2_by_hand.hpp"

#include <naru/http/server/server.hpp>
#include <naru/http/websocket/client.hpp>
#include <naru/http/websocket/handler.hpp>
#include <naru/stream/tls/tls_layer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

/// How a client speaks, and with which of the server's ports.
struct speech {
    const char* name;
    std::size_t port;
    bool secure;
    bool http2;
};
constexpr speech speeches[] = {
    {"HTTP/1.1", 0, false, false}, {"HTTP/1.1 over TLS", 1, true, false}, {"HTTP/2", 1, true, true}};

class ClientLoopEnd : public client_conformance {
 protected:
    void SetUp() override {
        client_conformance::SetUp();
        if (loop_ == nullptr) return;
        http::site site;
        site.get("/", [](http::exchange& x) noexcept { x.respond(200, "text/plain", "here"); })
            .get("/large", [](http::exchange& x) noexcept { x.respond(200, "text/plain", pattern(400'000)); })
            .get("/socket", http::websocket([](http::websocket_peer peer) -> task<> {
                     while (auto message = co_await peer.receive()) {
                     }
                 }))
            .post("/size", [](http::exchange& x) -> task<> {
                auto body = co_await x.read_all();
                if (body) x.respond(200, "text/plain", std::to_string(body->size()));
            });
        http::server_options how;
        how.engine = engine::poll;
        how.report = [](std::string_view) {};
        auto credentials = std::make_shared<http::tls_credentials>(
            server_context([](tls_server_options& change) { change.protocols = {"h2", "http/1.1"}; }));
        server_ = std::make_unique<http::server>(
            std::move(site),
            std::vector<http::endpoint>{{.listen = "127.0.0.1:0"},
                                        {.listen = "127.0.0.1:0", .tls = credentials}},
            std::move(how));
        server_->start();
        context_ = client_context([](tls_client_options& change) { change.protocols = {"http/1.1"}; });
    }
    void TearDown() override {
        server_.reset();
        client_conformance::TearDown();
    }

    std::unique_ptr<naru::loop> another_loop() {
        backend_choice made = GetParam().make();
        return std::make_unique<naru::loop>(std::move(made.backend));
    }
    static http::client_options options_of(const speech& by, duration idle_time = 1h) {
        http::client_options made;
        made.http2 = by.http2;
        made.idle_time = idle_time;
        made.tls.ca_file = common_authority().root_file();
        return made;
    }
    const address& where(std::size_t port) const { return server_->addresses()[port]; }
    std::string url(const speech& by, std::string_view target = "/") const {
        return (by.secure ? "https://" : "http://") + where(by.port).text() + std::string(target);
    }

    /// Runs what is begun for so many halves of ticks (what is done at once, and what is waited for), then
    /// stops it and runs it to its end. Whether it had ended before.
    static bool run_some(naru::loop& on, int halves, task<> what) {
        background one(on);
        one.spawn(std::move(what));
        on.run_until([&] { return halves-- <= 0 || one.running() == 0; });
        const bool had_ended = one.running() == 0;
        one.stop();
        EXPECT_TRUE(testing::run_until(on, [&] { return one.running() == 0; }, a_minute));
        return had_ended;
    }
    /// The same with a client's request; then the client ends, and the loop.
    bool ends_behind(int halves, const speech& by, duration idle_time, std::string_view target) {
        auto own = another_loop();
        auto ends = std::make_unique<http::client>(*own, options_of(by, idle_time));
        outcome_of_request got;
        http::client_request what("GET", url(by, target));
        if (target == "/size") {
            what = http::client_request("POST", url(by, target));
            what.body(pattern(400'000));
        }
        const bool had_ended = run_some(*own, halves, note(ask(*ends, std::move(what)), got));
        EXPECT_TRUE(!had_ended || got.status == 200) << by.name << ": " << got.text();
        ends.reset();
        own.reset();
        return had_ended;
    }
    /// One that has connections which it keeps.
    std::unique_ptr<http::client> idle_client(naru::loop& on, const speech& by, int connections = 1) {
        auto made = std::make_unique<http::client>(on, options_of(by));
        std::vector<outcome_of_request> got(static_cast<std::size_t>(connections));
        background askers(on);
        for (auto& each : got)
            askers.spawn(note(ask(*made, http::client_request("GET", url(by))), each));
        EXPECT_TRUE(testing::run_until(on, [&] { return askers.running() == 0; }, a_minute));
        EXPECT_GE(made->kept_connections(), 1u) << by.name << ": " << got[0].text();
        for (int each = 0; each < 3;
             ++each)  // and no close is under way, which the loop's end would wait for
            on.run_for_one_tick(0ms);
        return made;
    }

    task<> talk(naru::loop& on, bool secure) {
        auto stream = co_await tcp_stream::connect(on, where(secure ? 1 : 0));
        if (!stream) co_return;
        if (secure) {
            const auto layered = tls_layer::connect(on, stream->native(), *context_, "127.0.0.1");
            if (!layered) co_return;
            (void)stream->give_handle();
            *stream = tcp_stream(on, *layered);
        }
        auto peer = co_await websocket::shake_hands(std::move(*stream), "127.0.0.1", "/socket", nullptr);
        EXPECT_TRUE(peer || peer.error() == std::errc::operation_canceled) << peer.error().message();
        if (!peer) co_return;
        (void)co_await peer->send(websocket::prepared_message::text("said"));  // and it ends without a word
    }

    std::unique_ptr<http::server> server_;
    std::optional<tls_context> context_;
};
NARU_ON_SOME_BACKENDS(ClientLoopEnd);

TEST_P(ClientLoopEnd, BehindARequestInAnyPhase) {
    for (const speech& by : speeches) {
        int halves = 0;
        while (!ends_behind(halves, by, 1h, "/"))
            ++halves;
        EXPECT_GT(halves, 1) << by.name;
        for (halves = 1; !ends_behind(halves, by, duration::zero(), "/"); halves += 3) {
        }
        for (const std::string_view target : {"/large", "/size"}) {
            for (halves = 6; !ends_behind(halves, by, 1h, target); halves += halves / 2) {
            }
        }
    }
}

TEST_P(ClientLoopEnd, BehindIdleConnections) {
    for (const speech& by : speeches) {
        auto own = another_loop();
        auto ends = idle_client(*own, by, 3);
        ends.reset();
        own.reset();
    }
}

// The client's farewell is on its way, or has left, or the close behind it is under way.
TEST_P(ClientLoopEnd, BehindFarewells) {
    for (const speech& by : speeches) {
        for (int ticks = 1; ticks < 4; ++ticks) {
            auto own = another_loop();
            idle_client(*own, by).reset();
            for (int each = 0; each < ticks; ++each)
                own->run_for_one_tick(0ms);
            own.reset();
        }
    }
}

TEST_P(ClientLoopEnd, AConnectionWhoseIdleTimeIsOverIsNobodys) {
    for (const speech& by : speeches) {
        auto own = another_loop();
        auto ends = std::make_unique<http::client>(*own, options_of(by, 1ms));
        outcome_of_request got;
        run_some(*own, 1'000'000, note(ask(*ends, http::client_request("GET", url(by))), got));
        EXPECT_EQ(got.text(), "200 here") << by.name;
        EXPECT_TRUE(testing::run_until(*own, [&] { return ends->open_connections() == 0; }, a_minute));
        ends.reset();
        own.reset();
    }
}

TEST_P(ClientLoopEnd, AClientThatEndsWithinItsLoop) {
    for (const speech& by : speeches) {
        auto own = another_loop();
        auto ends = idle_client(*own, by);
        own->post([&] {
            ends.reset();
            own->stop();
        });
        own->run();
        EXPECT_EQ(own->in_flight(), 0u) << by.name << ": a run ends behind what goes on by itself";
        own.reset();
    }
}

TEST_P(ClientLoopEnd, AClientThatATaskOwnsWhichTheLoopNeverRan) {
    for (const speech& by : speeches) {
        auto own = another_loop();
        auto ends = idle_client(*own, by);
        own->post([owned = std::move(ends)]() mutable { owned.reset(); });
        own.reset();
    }
}

TEST_P(ClientLoopEnd, BehindAWebSocketInAnyPhase) {
    for (const bool secure : {false, true}) {
        bool has_ended = false;
        for (int halves = 0; !has_ended; ++halves) {
            auto own = another_loop();
            has_ended = run_some(*own, halves, talk(*own, secure));
            own.reset();
        }
    }
}

// Of each of a server's loops, where handlers ask others: it ends with the server.
TEST_P(ClientLoopEnd, AServersOwnClientKeepsConnections) {
    for (const speech& by : speeches) {
        http::site site;
        site.per_loop([how = options_of(by)](naru::loop& on) { return http::client(on, how); })
            .get("/", [from = url(by)](http::exchange& x) -> task<> {
                auto answer = co_await x.local<http::client>().get(from);
                if (answer) x.respond(answer->status(), "text/plain", "passed on");
            });
        http::server_options how;
        how.engine = engine_named(GetParam().name).value();
        how.report = [](std::string_view) {};
        http::server between(std::move(site), {{.listen = "127.0.0.1:0"}}, std::move(how));
        between.start();
        http::client_request what("GET", "http://" + between.local_address().text() + "/");
        EXPECT_EQ(send(std::move(what)).text(), "200 passed on") << by.name;
        end_client();
    }
}

// The server is on the test's loop, which stands still while the client's ends: what comes of its connection
// is what was sent by then.
TEST_P(ClientLoopEnd, TheServerHearsAWholeFarewell) {
    bool has_ended = false;
    bool was_told = false;
    bool is_whole = false;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        by_hand talk;
        if (!co_await talk.begin(peer)) co_return;
        const by_hand::request got = co_await talk.next();
        co_await talk.answer(got.id);
        (void)co_await talk.next();
        was_told = talk.was_told();
        is_whole = talk.is_whole();
        has_ended = true;
    });
    auto own = another_loop();
    auto ends = std::make_unique<http::client>(*own, options_of(speeches[2]));
    outcome_of_request got;
    {
        background one(*own);
        http::client_request what("GET", "https://" + server.where().text() + "/");
        one.spawn(note(ask(*ends, std::move(what)), got));
        while (one.running() > 0) {
            own->run_for_one_tick(1ms);
            loop().run_for_one_tick(1ms);
        }
    }
    EXPECT_EQ(got.text(), "200 ok");
    ends.reset();
    own.reset();
    ASSERT_TRUE(run_until([&] { return has_ended; }, a_minute));
    EXPECT_TRUE(was_told) << "by GOAWAY";
    EXPECT_TRUE(is_whole) << "and by TLS";
}

// Its connection is full of a body: there is no room for a farewell, and nobody waits for it.
TEST_P(ClientLoopEnd, BehindAServerThatDoesNotRead) {
    bool is_held = false;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        by_hand talk;
        if (!co_await talk.begin(peer)) co_return;
        co_await talk.open_windows();
        is_held = true;
        auto slept = co_await sleep_until(never);
        EXPECT_FALSE(slept);
    });
    auto own = another_loop();
    auto ends = std::make_unique<http::client>(*own, options_of(speeches[2]));
    const std::string piece = pattern(64 * 1024);
    std::size_t pieces = 0;
    outcome_of_request got;
    {
        background one(*own);
        http::client_request what("POST", "https://" + server.where().text() + "/");
        what.body([&]() -> task<result<bytes_view>> {
            ++pieces;
            co_return as_bytes(std::string_view(piece));
        });
        one.spawn(note(ask(*ends, std::move(what)), got));
        std::size_t before = 0;
        for (int still = 0; still < 50;) {  // ticks without a piece: it is full
            own->run_for_one_tick(1ms);
            loop().run_for_one_tick(1ms);
            still = is_held && pieces > 0 && pieces == before ? still + 1 : 0;
            before = pieces;
        }
        one.stop();
        EXPECT_TRUE(testing::run_until(*own, [&] { return one.running() == 0; }, a_minute));
    }
    EXPECT_TRUE(got.failed) << got.text();
    ends.reset();
    own.reset();
}

}  // namespace
}  // namespace naru::testing
