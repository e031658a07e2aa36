// The connections of a client: kept, lost in the worst moment, limited, and never trusted twice.
#include "client_fixture.hpp"

#include <random>

namespace naru::testing {
namespace {

using http::client_request;
using http::client_step;

class ClientPool : public client_conformance {};
NARU_ON_EVERY_BACKEND(ClientPool);

server_script answers(std::string fields = {}) {
    return [fields](served& peer) -> task<> {
        while (auto request = co_await peer.request())
            if (!co_await peer.say(answer_of("ok", fields))) co_return;
    };
}

TEST_P(ClientPool, AConnectionIsUsedAgain) {
    scripted_server server(loop(), answers());
    for (int each = 0; each < 20; ++each)
        EXPECT_EQ(get(server.url()).text(), "200 ok");
    EXPECT_EQ(server.connections(), 1u);
    EXPECT_EQ(client().kept_connections(), 1u);
    scripted_server closing(loop(), answers("Connection: close\r\n"));
    for (int each = 0; each < 3; ++each)
        EXPECT_EQ(get(closing.url()).text(), "200 ok");
    EXPECT_EQ(closing.connections(), 3u);
    EXPECT_EQ(client().kept_connections(), 1u);
}

TEST_P(ClientPool, AKeptConnectionThatEndsIsForgotten) {
    for (const bool resets : {false, true}) {
        scripted_server server(loop(), [resets](served& peer) -> task<> {
            (void)co_await peer.request();
            (void)co_await peer.say(answer_of("ok"));
            co_await peer.yields(5);
            if (resets) peer.reset();
        });
        EXPECT_EQ(get(server.url()).text(), "200 ok");
        EXPECT_TRUE(run_until([&] { return client().open_connections() == 0; }));
    }
}

TEST_P(ClientPool, AKeptConnectionEndsAfterItsTime) {
    options_.idle_time = 1ms;
    scripted_server server(loop(), answers());
    EXPECT_EQ(get(server.url()).text(), "200 ok");
    EXPECT_TRUE(run_until([&] { return client().open_connections() == 0; }));
    end_client();
    options_.idle_time = 0ms;
    EXPECT_EQ(get(server.url()).text(), "200 ok");
    EXPECT_EQ(client().open_connections(), 0u);
    end_client();
    options_.idle_time = 1h;
    scripted_server short_lived(loop(), answers("Keep-Alive: max=3, Timeout=0\r\n"));
    EXPECT_EQ(get(short_lived.url()).text(), "200 ok");
    EXPECT_EQ(client().open_connections(), 0u);
}

/// Ends connections that have carried an answer in the worst ways that there are.
task<> ends_at_the_worst_moment(served& peer, std::minstd_rand& random) {
    auto any_byte = [](const std::string& text) { return !text.empty(); };
    while (true) {
        const unsigned way = peer.index == 0 ? 0 : static_cast<unsigned>(random() % 8);
        if (!co_await peer.request()) co_return;
        if (!co_await peer.say(answer_of("ok"))) co_return;
        switch (way) {
            case 0:  // at once
                co_return;
            case 1:
                peer.reset();
                co_return;
            case 2:  // when the next request is on its way: unread, so that it is answered by a reset
                (void)co_await peer.stream.readable();
                co_return;
            case 3:
                (void)co_await peer.more_until(any_byte);
                co_return;
            case 4:  // whole, and without an answer
                (void)co_await peer.request();
                co_return;
            case 5:
                (void)co_await peer.request();
                peer.reset();
                co_return;
            case 6: {
                const int pause = static_cast<int>(random() % 6);
                co_await peer.yields(pause);
                co_return;
            }
            default:
                break;
        }
    }
}

task<> many(http::client& client, std::string url, std::size_t count, std::size_t& failed,
            std::string& first) {
    for (std::size_t each = 0; each < count; ++each) {
        const auto got = co_await ask(client, client_request(each % 2 == 0 ? "GET" : "PUT", url));
        if (got.text() == "200 ok") continue;
        if (failed++ == 0) first = got.text();
    }
}

// Idempotent requests do not fail because a server ends idle connections: 10,000 trials.
TEST_P(ClientPool, TheIdleRaceIsLostByNobody) {
    std::minstd_rand random(7);
    scripted_server server(loop(), [&](served& peer) { return ends_at_the_worst_moment(peer, random); });
    const bool main_engine = GetParam().name.find("io_uring_") == std::string::npos;
    const std::size_t trials = main_engine ? 10'000 : 1'000;
    std::size_t failed = 0;
    std::string first;
    background askers(loop());
    for (int each = 0; each < 4; ++each)
        askers.spawn(many(client(), server.url(), trials / 4, failed, first));
    ASSERT_TRUE(run_until([&] { return askers.running() == 0; }, 100s));
    EXPECT_EQ(failed, 0u) << first;
    EXPECT_GT(server.connections(), trials / 20);
}

// A server that says why it ends an idle connection: the 408 answers no request.
TEST_P(ClientPool, ATimeoutOfTheServersIsNoAnswer) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        (void)co_await peer.request();
        (void)co_await peer.say(answer_of("ok", "Keep-Alive: timeout=3600\r\n"));
        (void)co_await peer.request();
        (void)co_await peer.say(answer_of("late", "Connection: close\r\n", "408 Request Timeout"));
    });
    for (int each = 0; each < 3; ++each)
        EXPECT_EQ(get(server.url()).text(), "200 ok");
    EXPECT_EQ(server.connections(), 3u);
    EXPECT_EQ(send(client_request("POST", server.url())).text(), "408 late");
    EXPECT_EQ(server.connections(), 3u);
}

// A POST is never sent twice: on a connection that ends under it, it fails and says so.
TEST_P(ClientPool, APostIsNotSentTwice) {
    for (const int way : {0, 1, 2}) {
        std::size_t posts = 0;
        scripted_server server(loop(), [&posts, way](served& peer) -> task<> {
            while (auto request = co_await peer.request()) {
                if (request.has("POST ")) {
                    ++posts;
                    if (way == 1) peer.reset();
                    if (way == 2) (void)co_await peer.say("HTTP/1.1 2");
                    co_return;
                }
                if (!co_await peer.say(answer_of("ok", "Keep-Alive: timeout=3600\r\n"))) co_return;
            }
        });
        EXPECT_EQ(get(server.url()).text(), "200 ok");
        client_request post("POST", server.url());
        post.body("once");
        const auto got = send(std::move(post));
        ASSERT_TRUE(got.failed);
        EXPECT_TRUE(got.error.maybe_processed);
        EXPECT_NE(got.text().find("may have acted"), std::string::npos) << got.text();
        EXPECT_EQ(posts, 1u);
        EXPECT_EQ(server.connections(), 1u);
    }
}

TEST_P(ClientPool, AStreamedPutIsNotSentTwice) {
    scripted_server server(loop(), [](served& peer) -> task<> {
        while (auto request = co_await peer.request()) {
            if (request.has("PUT ")) co_return;
            if (!co_await peer.say(answer_of("ok", "Keep-Alive: timeout=3600\r\n"))) co_return;
        }
    });
    EXPECT_EQ(get(server.url()).text(), "200 ok");
    client_request put("PUT", server.url());
    int pieces = 0;
    put.body([&pieces]() -> task<result<bytes_view>> {
        co_return pieces++ == 0 ? as_bytes("once") : bytes_view();
    });
    EXPECT_TRUE(send(std::move(put)).failed);
    EXPECT_EQ(pieces, 2);
}

TEST_P(ClientPool, APostTakesAFreshConnectionPastHalfOfTheKeepAliveTime) {
    options_.keep_alive = 1ns;  // of a server that does not say: half of it is over at once
    scripted_server silent(loop(), answers());
    EXPECT_EQ(get(silent.url()).text(), "200 ok");
    EXPECT_EQ(send(client_request("POST", silent.url())).text(), "200 ok");
    EXPECT_EQ(silent.connections(), 2u);
    EXPECT_EQ(get(silent.url()).text(), "200 ok");
    EXPECT_EQ(silent.connections(), 2u);
    scripted_server patient(loop(), answers("keep-alive: timeout=3600\r\n"));
    EXPECT_EQ(get(patient.url()).text(), "200 ok");
    EXPECT_EQ(send(client_request("POST", patient.url())).text(), "200 ok");
    EXPECT_EQ(patient.connections(), 1u);
}

// As many connections as may be, the others wait for their turn, first come, first served.
TEST_P(ClientPool, AnOriginHasALimit) {
    options_.connections_per_origin = 2;
    std::size_t busy = 0;
    std::size_t most = 0;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (co_await peer.request()) {
            most = std::max(most, ++busy);
            co_await peer.yields(3);
            --busy;
            if (!co_await peer.say(answer_of("ok"))) co_return;
        }
    });
    std::size_t failed = 0;
    std::string first;
    background askers(loop());
    for (int each = 0; each < 12; ++each)
        askers.spawn(many(client(), server.url(), 5, failed, first));
    ASSERT_TRUE(run_until([&] { return askers.running() == 0; }));
    EXPECT_EQ(failed, 0u) << first;
    EXPECT_LE(most, 2u);
    EXPECT_EQ(server.connections(), 2u);
    EXPECT_EQ(client().open_connections(), 2u);
}

TEST_P(ClientPool, AllOriginsHaveALimit) {
    options_.connections = 3;
    std::vector<std::string> urls;
    std::vector<std::unique_ptr<scripted_server>> servers;
    for (int each = 0; each < 6; ++each) {
        servers.push_back(std::make_unique<scripted_server>(loop(), answers()));
        urls.push_back(servers.back()->url());
    }
    for (int round = 0; round < 3; ++round) {
        for (const std::string& url : urls) {
            EXPECT_EQ(get(url).text(), "200 ok");
            EXPECT_LE(client().open_connections(), 3u);
        }
    }
    std::size_t failed = 0;
    std::string first;
    background askers(loop());
    for (const std::string& url : urls) {
        askers.spawn(many(client(), url, 5, failed, first));
        askers.spawn(many(client(), url, 5, failed, first));
    }
    ASSERT_TRUE(run_until([&] {
        EXPECT_LE(client().open_connections(), 3u);
        return askers.running() == 0;
    }));
    EXPECT_EQ(failed, 0u) << first;
}

TEST_P(ClientPool, WhoWaitsTooLongOrWithTooManyIsToldSo) {
    options_.connections_per_origin = 1;
    options_.waiting_requests = 1;
    options_.timeouts.wait = 20ms;
    async_event answered;
    scripted_server server(loop(), [&](served& peer) -> task<> {
        while (co_await peer.request()) {
            (void)co_await answered.wait();
            if (!co_await peer.say(answer_of("ok"))) co_return;
        }
    });
    background askers(loop());
    outcome_of_request got[3];
    auto note = [](task<outcome_of_request> what, outcome_of_request& into) -> task<> {
        into = co_await std::move(what);
    };
    for (auto& each : got)
        askers.spawn(note(ask(client(), client_request("GET", server.url())), each));
    ASSERT_TRUE(run_until([&] { return got[1].failed && got[2].failed; }));
    EXPECT_EQ(got[1].error.step, client_step::wait);
    EXPECT_EQ(got[1].error.error, std::errc::timed_out);
    EXPECT_EQ(got[2].error.step, client_step::wait);
    EXPECT_EQ(got[2].error.error, std::errc::resource_unavailable_try_again);
    EXPECT_FALSE(got[1].error.maybe_processed);
    answered.set();
    ASSERT_TRUE(run_until([&] { return askers.running() == 0; }));
    EXPECT_EQ(got[0].text(), "200 ok");
}

}  // namespace
}  // namespace naru::testing
