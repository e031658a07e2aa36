// A server that is attached to a loop of the test's, on every engine: clients, timers and other servers are
// on the same loop, and on the same thread.
#include "attached_fixture.hpp"

#include <naru/coro/deadline.hpp>
#include <naru/coro/group.hpp>
#include <naru/coro/run.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/sync.hpp>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>

namespace naru::testing {
namespace {

using http::attached_server;
using http::exchange;

/// A handler that waits until it is told to go on, or stopped.
struct waiting_handler {
    async_event begun;
    async_event go_on;
    bool was_stopped = false;
    bool has_ended = false;

    auto handler() {
        return [this](exchange& x) -> task<> {
            begun.set();
            const auto waited = co_await go_on.wait();
            was_stopped = !waited.has_value();
            has_ended = true;
            if (waited) x.respond(200, "text/plain", "at last");
        };
    }
    http::site site() {
        http::site made;
        made.get("/wait", handler());
        return made;
    }
};

class attached_server_test : public attached_fixture {
 protected:
    void SetUp() override {
        attached_fixture::SetUp();
        options_.defer_accept = 0s;
    }

    static http::site hello() {
        http::site made;
        made.get("/hello/{name}",
                 [](exchange& x) noexcept { x.respond(200, "text/plain", x.param("name")); });
        return made;
    }
    std::unique_ptr<attached_server> make(http::site site) {
        return std::make_unique<attached_server>(*loop_, std::move(site), one_endpoint(), options_);
    }
    static std::vector<http::endpoint> one_endpoint() { return {{.listen = "127.0.0.1:0"}}; }
    static std::string url(const attached_server& of, std::string_view path) {
        return "http://" + of.local_address().text() + std::string(path);
    }
    /// A connection with this request on it, and nothing read.
    task<tcp_stream> say(const attached_server& to, std::string text) {
        auto made = co_await tcp_stream::connect(*loop_, to.local_address());
        if (!made) throw std::runtime_error(made.error().message());
        auto sent = co_await made->send(std::string_view(text));
        if (!sent) throw std::runtime_error(sent.error().message());
        co_return std::move(*made);
    }
    /// What comes until the end, which may be a reset.
    static task<std::string> rest_of(tcp_stream& from) {
        std::string got;
        while (auto piece = co_await from.receive())
            got += piece->text();
        co_return got;
    }
};
NARU_ON_EVERY_ENGINE(attached_server_test);

TEST_P(attached_server_test, serves_beside_clients_and_timers) {
    const temporary_directory files;
    files.write("one.txt", "a file\n");
    http::site site = hello();
    site.get("/work", http::blocking([](const http::request_view&, std::stop_token) {
                 return http::answer(200, "text/plain", "worked");
             }))
        .post("/size",
              [](exchange& x) -> task<> {
                  auto body = co_await x.read_all();
                  if (body) x.respond(200, "text/plain", std::to_string(body->size()));
              })
        .mount("/files/", http::files(files.path().string()));
    auto server = make(std::move(site));
    int turns = 0;
    auto body = [&]() -> task<> {
        http::client client(*loop_);
        EXPECT_EQ(co_await text_of(client, url(*server, "/hello/ferry")), "200 ferry");
        EXPECT_EQ(co_await text_of(client, url(*server, "/work")), "200 worked");
        EXPECT_EQ(co_await text_of(client, url(*server, "/files/one.txt")), "200 a file\n");
        EXPECT_EQ(client.kept_connections(), 1u);
        auto answer = co_await client.post(url(*server, "/size"), std::string(1'000'000, 'x'), "text/plain");
        EXPECT_TRUE(answer.has_value());
        if (!answer) co_return;
        auto size = co_await answer->text();
        EXPECT_EQ(size.value_or(""), "1000000");
        const http::server_metrics now = server->metrics();
        EXPECT_EQ(now.loops, 1u);
        EXPECT_EQ(now.answers[100], 4u);  // of status 200
        co_await server->drained();
        EXPECT_TRUE(server->has_ended());
        EXPECT_EQ(server->metrics().answers[100], 4u);
        EXPECT_TRUE(server->metrics().draining);
        for (; turns < 3; ++turns)
            EXPECT_TRUE((co_await sleep_for(1ms)).has_value());  // the loop goes on
        const std::string refused = co_await text_of(client, url(*server, "/hello/ferry"));
        EXPECT_TRUE(refused.starts_with("no answer: ")) << refused;
        std::optional<attached_server> second;
        second.emplace(*loop_, hello(), one_endpoint(), options_);
        attached_server status(*loop_, http::status_site(*second), one_endpoint(), options_);
        EXPECT_EQ(co_await text_of(client, url(*second, "/hello/again")), "200 again");
        const std::string metrics = co_await text_of(client, url(status, "/metrics"));
        EXPECT_NE(metrics.find("\nnaru_requests_total{protocol=\"HTTP/1.1\"} 1\n"), std::string::npos)
            << metrics;
        EXPECT_EQ(co_await text_of(client, url(status, "/readyz")), "200 ready\n");
        co_await second->stopped();
        EXPECT_EQ(co_await text_of(client, url(status, "/readyz")), "503 not ready: it ends\n");
        second.reset();  // whoever shows it need not end before it
        EXPECT_EQ(co_await text_of(client, url(status, "/readyz")), "503 not ready: it ends\n");
        co_await status.drained();
    };
    run(*loop_, body());
    EXPECT_EQ(turns, 3);
}

TEST_P(attached_server_test, drain_waits_for_what_is_under_way) {
    waiting_handler waits;
    auto server = make(waits.site());
    int told = 0;
    auto body = [&]() -> task<> {
        http::client client(*loop_);
        auto all = [&](task_group& group) -> task<> {
            child<std::string> answer = group.start(text_of(client, url(*server, "/wait")));
            (void)co_await waits.begun.wait();
            server->drain([&] { ++told; });
            child<bool> ended = group.start(server->ended());
            for (int each = 0; each < 10; ++each)
                co_await yield();
            EXPECT_TRUE(server->is_draining());
            EXPECT_FALSE(server->has_ended());
            EXPECT_EQ(told, 0);
            waits.go_on.set();
            EXPECT_EQ(co_await std::move(answer), "200 at last");
            EXPECT_TRUE(co_await std::move(ended));
            co_await server->drained();  // once more
        };
        (void)co_await with_group(all);
    };
    run(*loop_, body());
    EXPECT_EQ(told, 1);
    server->on_end([&] { ++told; });  // at once
    EXPECT_EQ(told, 2);
    EXPECT_FALSE(server->has_failed());
}

TEST_P(attached_server_test, the_drain_limit_and_a_stop_of_the_drain_stop_handlers) {
    for (const bool by_limit : {true, false}) {
        options_.timeouts.drain = by_limit ? 1ms : std::chrono::milliseconds(3'600'000);
        waiting_handler waits;
        auto server = make(waits.site());
        auto body = [&]() -> task<> {
            tcp_stream link = co_await say(*server, get("/wait"));
            (void)co_await waits.begun.wait();
            if (by_limit) {
                co_await server->drained();
            } else {
                (void)co_await with_deadline(1ms, server->drained());
            }
            EXPECT_TRUE(server->has_ended());
            EXPECT_TRUE(waits.was_stopped);
            EXPECT_EQ(co_await rest_of(link), "");
        };
        run(*loop_, body());
    }
}

// Its end makes the loop's ticks.
TEST_P(attached_server_test, is_destroyed_in_the_middle) {
    waiting_handler waits;
    waiting_handler reads;
    waiting_handler echoes;
    std::mutex mutex;
    std::condition_variable_any changed;
    async_event blocks;
    http::websocket_options goodbye;
    goodbye.close_timeout = 1ms;  // these clients answer nothing
    http::site site;
    site.get("/wait", waits.handler())
        .post("/read",
              [&](exchange& x) -> task<> {
                  reads.begun.set();
                  auto whole = co_await x.read_all();
                  reads.was_stopped = !whole.has_value();
              })
        .get("/socket", http::websocket(
                            [&](http::websocket_peer peer) -> task<> {
                                echoes.begun.set();
                                const auto message = co_await peer.receive();
                                echoes.was_stopped = !message.has_value();
                            },
                            goodbye))
        .get("/shout",
             [&](exchange& x) -> task<> {
                 auto stream = co_await x.upgrade("shout");
                 if (stream) (void)co_await stream->receive();
             })
        .get("/work", http::blocking([&](const http::request_view&, const std::stop_token& stop) {
                 loop_->post([&] { blocks.set(); });
                 std::unique_lock lock(mutex);
                 changed.wait(lock, stop, [] { return false; });
                 return http::answer(200, "text/plain", "worked");
             }));
    auto server = make(std::move(site));
    std::vector<tcp_stream> links;
    auto body = [&]() -> task<> {
        for (const std::string& each :
             {get("/wait"), request("POST", "/read", "Content-Length: 5\r\n") + "12", get("/work"),
              get("/socket",
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
              get("/shout", "Connection: Upgrade\r\nUpgrade: shout\r\n"), std::string("GET /ha")})
            links.push_back(co_await say(*server, each));
        (void)co_await waits.begun.wait();
        (void)co_await reads.begun.wait();
        (void)co_await blocks.wait();
        (void)co_await echoes.begun.wait();
    };
    run(*loop_, body());
    server.reset();
    EXPECT_TRUE(waits.was_stopped);
    EXPECT_TRUE(reads.was_stopped);
    EXPECT_TRUE(echoes.was_stopped);
    auto ends = [&]() -> task<> {
        for (tcp_stream& each : links)
            (void)co_await rest_of(each);
        links.clear();
    };
    run(*loop_, ends());
}

// Nobody makes ticks for it there: the loop does, at its end at the latest.
TEST_P(attached_server_test, is_destroyed_within_a_tick) {
    waiting_handler waits;
    auto body = [&]() -> task<std::vector<tcp_stream>> {
        attached_server server(*loop_, waits.site(), one_endpoint(), options_);
        std::vector<tcp_stream> links;
        links.push_back(co_await say(server, get("/wait")));
        (void)co_await waits.begun.wait();
        co_return links;
    };
    std::vector<tcp_stream> links = run(*loop_, body());
    EXPECT_FALSE(waits.has_ended);
    links.clear();
    loop_.reset();
    EXPECT_TRUE(waits.was_stopped);
}

TEST_P(attached_server_test, is_stopped_and_destroyed_by_its_own_handlers) {
    for (const bool waits_before : {false, true}) {
        std::unique_ptr<attached_server> server;
        bool had_ended = false;
        http::site site;
        site.get("/function",
                 [&](exchange& x) noexcept {
                     server->on_end([&] { had_ended = true; });
                     server.reset();
                     x.respond(200, "text/plain", "the last words");
                 })
            .get("/coroutine", [&](exchange& x) -> task<> {
                server->on_end([&] { had_ended = true; });
                co_await yield();
                server.reset();
                EXPECT_FALSE((co_await sleep_for(1h)).has_value());
                x.respond(200, "text/plain", "nobody hears it");
            });
        server = make(std::move(site));
        auto body = [&]() -> task<> {
            tcp_stream link = co_await say(*server, get(waits_before ? "/coroutine" : "/function"));
            (void)co_await rest_of(link);
            while (!had_ended)
                co_await yield();
        };
        run(*loop_, body());
        EXPECT_EQ(server, nullptr);
    }
}

TEST_P(attached_server_test, two_on_one_loop_have_state_and_logs_of_their_own) {
    const temporary_directory files;
    struct counter {
        int asked = 0;
    };
    const auto make_site = [] {
        http::site site;
        site.per_loop([] { return counter(); })
            .get("/count",
                 [](exchange& x) noexcept {
                     x.respond(200, "text/plain", std::to_string(++x.local<counter>().asked));
                 })
            .get("/shout", [](exchange& x) -> task<> {
                auto stream = co_await x.upgrade("shout");
                if (!stream) co_return;
                while (auto piece = co_await stream->receive())
                    (void)co_await stream->send(piece->text());
            });
        return site;
    };
    options_.access_log = (files.path() / "one").string();
    auto one = make(make_site());
    options_.access_log = (files.path() / "two").string();
    auto two = make(make_site());
    auto body = [&]() -> task<> {
        http::client client(*loop_);
        EXPECT_EQ(co_await text_of(client, url(*one, "/count")), "200 1");
        EXPECT_EQ(co_await text_of(client, url(*one, "/count")), "200 2");
        EXPECT_EQ(co_await text_of(client, url(*two, "/count")), "200 1");
        const std::string asks = get("/shout", "Connection: Upgrade\r\nUpgrade: shout\r\n");
        tcp_stream first = co_await say(*one, asks + "abc");
        tcp_stream second = co_await say(*two, asks + "defgh");
        for (auto& [link, last] : {std::pair(&first, "abc"), std::pair(&second, "defgh")}) {
            std::string got;
            while (!got.ends_with(last)) {
                auto piece = co_await link->receive();
                if (!piece) break;
                got += piece->text();
            }
            EXPECT_TRUE(got.starts_with("HTTP/1.1 101 ")) << got;
            (void)co_await link->close();
        }
        co_await one->drained();
        EXPECT_TRUE(one->has_ended());
        EXPECT_FALSE(two->is_draining());
        EXPECT_EQ(co_await text_of(client, url(*two, "/count")), "200 2");
        EXPECT_EQ(one->metrics().upgrades, 1u);
        EXPECT_EQ(two->metrics().upgrades, 1u);
        co_await two->drained();
    };
    run(*loop_, body());
    one.reset();  // and its log's thread
    two.reset();
    for (const auto& [name, bytes] : {std::pair("one", " 101 3 "), std::pair("two", " 101 5 ")}) {
        std::ifstream log(files.path() / name);
        std::string line;
        int upgrades = 0;
        while (std::getline(log, line)) {
            if (line.find("/shout") == std::string::npos) continue;
            ++upgrades;
            EXPECT_NE(line.find(bytes), std::string::npos) << line;
        }
        EXPECT_EQ(upgrades, 1) << name;
    }
}

TEST_P(attached_server_test, a_site_is_replaced_and_threads_are_shared) {
    options_.blocking = std::make_shared<http::blocking_threads>(1);
    const auto saying = [](std::string what) {
        http::site site;
        site.get("/work", http::blocking([what](const http::request_view&, std::stop_token) {
                     return http::answer(200, "text/plain", what);
                 }))
            .get("/replace", [](exchange& x) -> task<> { (void)co_await x.write("nothing"); });
        return site;
    };
    auto one = make(saying("one"));
    auto two = make(saying("two"));
    auto body = [&]() -> task<> {
        http::client client(*loop_);
        EXPECT_EQ(co_await text_of(client, url(*one, "/work")), "200 one");
        EXPECT_EQ(co_await text_of(client, url(*two, "/work")), "200 two");
        one->replace(saying("another"));
        EXPECT_EQ(co_await text_of(client, url(*one, "/work")), "200 another");
        EXPECT_EQ(one->metrics().reloads, 1u);
        co_await one->drained();
        EXPECT_EQ(co_await text_of(client, url(*two, "/work")), "200 two");
        one->replace(saying("too late"));
        co_await two->drained();
    };
    run(*loop_, body());
}

TEST_P(attached_server_test, a_program_of_callbacks_runs_and_drains_it) {
    auto server = make(http::site());
    http::site site;
    site.get("/end", [&](exchange& x) noexcept {
        x.respond(200, "text/plain", "it ends");
        server->drain([&] { loop_->stop(); });
    });
    server->replace(std::move(site));
    std::string got;
    std::thread asks([&, where = server->local_address()] { got = client(where).ask(get("/end")).body; });
    loop_->run();
    asks.join();
    EXPECT_EQ(got, "it ends");
    EXPECT_TRUE(server->has_ended());
}

TEST_P(attached_server_test, says_what_is_wrong) {
    auto server = make(hello());
    const std::string taken = server->local_address().text();
    EXPECT_THROW(attached_server(*loop_, hello(), {{.listen = taken}}, options_), std::runtime_error);
    EXPECT_THROW(attached_server(*loop_, hello(), {{.listen = "127.0.0.1:0"}, {.listen = taken}}, options_),
                 std::runtime_error);
    EXPECT_THROW(attached_server(*loop_, hello(), {}, options_), std::runtime_error);
    http::server_options signals = options_;
    signals.signals = true;
    EXPECT_THROW(attached_server(*loop_, hello(), one_endpoint(), signals), std::runtime_error);
    server.reset();  // before a tick
}

#ifndef _WIN32
// One loop each, as a program with loops of its own would have them: the port is shared.
TEST_P(attached_server_test, adopted_sockets_share_a_port) {
    options_.threads = 2;
    std::vector<http::endpoint> bound = http::bind_endpoints(one_endpoint(), options_);
    ASSERT_EQ(bound.size(), 1u);
    ASSERT_EQ(bound[0].adopted.size(), 2u);
    http::endpoint other = bound[0];
    other.adopted = {bound[0].adopted[1]};
    bound[0].adopted.pop_back();
    attached_server one(*loop_, hello(), bound, options_);
    attached_server two(*loop_, hello(), {other}, options_);
    EXPECT_EQ(one.local_address().text(), two.local_address().text());
    auto body = [&]() -> task<> {
        http::client client(*loop_);
        EXPECT_EQ(co_await text_of(client, url(one, "/hello/one")), "200 one");
        co_await one.drained();
        // The kernel closes the other's when it comes to it.
        while (co_await text_of(client, url(two, "/hello/two")) != "200 two")
            co_await yield();
        co_await two.drained();
    };
    run(*loop_, body());
}
#endif

}  // namespace
}  // namespace naru::testing
