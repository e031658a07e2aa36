// Idle connections: there for the whole run, and counted when they are not.
#include "load_fixture.hpp"

#include <naru/http/websocket/handshake.hpp>

namespace naru::load {
namespace {

class idle_test : public engine_test {};
NARU_LOAD_ON_EVERY_ENGINE(idle_test);

TEST_P(idle_test, they_ask_once_and_stay) {
    std::mutex mutex;
    unsigned once = 0;
    scripted_server server([&](conversation& client) {
        unsigned requests = 0;
        while (client.read_request()) {
            ++requests;
            client.answer();
        }
        const std::lock_guard lock(mutex);
        if (requests == 1) ++once;
    });
    run_options asked = options(server.where());
    asked.idle = 50;
    asked.requests = 400;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.completed, 400u) << "the idle ones' requests are not measured";
    EXPECT_EQ(got.counts.opened, 54u);
    EXPECT_EQ(got.counts.idle_open, 50u);
    EXPECT_EQ(got.counts.idle_lost, 0u);
    EXPECT_TRUE(testing::eventually([&] {
        const std::lock_guard lock(mutex);
        return once == 50;
    }));
}

TEST_P(idle_test, silent_ones_send_nothing) {
    std::atomic<unsigned> requests{0};
    scripted_server server([&](conversation& client) {
        while (client.read_request()) {
            ++requests;
            client.answer();
        }
    });
    run_options asked = options(server.where());
    asked.idle = 20;
    asked.idle_asks = false;
    asked.requests = 40;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.idle_open, 20u);
    EXPECT_EQ(requests, 40u);
}

run_options upgrading(run_options asked) {
    asked.idle = 20;
    asked.idle_upgrade = make_websocket_upgrade(*parse_url("http://here:8080/"), "/echo?a=b").value();
    asked.requests = 40;
    return asked;
}

// The example of RFC 6455 has another key: this one is 0, 1, 2, ... 15.
const std::string accepted =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: upgrade\r\n"
    "Sec-WebSocket-Accept: " +
    websocket::accept_value("AAECAwQFBgcICQoLDA0ODw==") + "\r\n\r\n";

TEST_P(idle_test, they_become_websockets_in_whatever_pieces_the_answer_comes) {
    std::atomic<unsigned> asked_for{0};
    std::atomic<unsigned> said_more{0};
    scripted_server server([&](conversation& client) {
        const auto first = client.read_request();
        if (!first) return;
        if (!first->starts_with("GET /echo?a=b HTTP/1.1\r\nHost: here:8080\r\nUpgrade: websocket\r\n")) {
            client.answer();
            return answer_all(client);
        }
        ++asked_for;
        const std::size_t cut = client.number() % accepted.size();
        client.send(accepted.substr(0, cut));
        client.send(accepted.substr(cut));
        client.send(std::string("\x89\x00", 2));  // a ping
        while (client.read_request())
            ++said_more;
    });
    const report got = carry_out(upgrading(options(server.where())));
    EXPECT_EQ(got.counts.completed, 40u);
    EXPECT_EQ(got.counts.idle_open, 20u);
    EXPECT_EQ(got.counts.idle_lost, 0u);
    EXPECT_EQ(asked_for, 20u);
    EXPECT_EQ(said_more, 0u);
}

TEST_P(idle_test, what_does_not_become_a_websocket_is_an_error_in_words) {
    for (const std::string& answer :
         {std::string("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: " +
              websocket::accept_value("another") + "\r\n\r\n"}) {
        scripted_server server([&](conversation& client) {
            const auto first = client.read_request();
            if (!first) return;
            if (!first->starts_with("GET /echo")) {
                client.answer();
                return answer_all(client);
            }
            client.send(answer);
        });
        run_options asked = upgrading(options(server.where()));
        asked.idle = 1;
        const report got = carry_out(asked);
        EXPECT_EQ(got.counts.completed, 40u);
        EXPECT_EQ(got.counts.idle_open, 0u);
        EXPECT_GE(got.counts.errors[static_cast<std::size_t>(failure::bad_response)], 1u);
    }
}

TEST(websocket_upgrade, wants_a_path) {
    const url where = *parse_url("http://here/");
    for (const char* const wrong : {"", "echo", "/a b", "/a\r\nb", "/a#b", "http://there/"})
        EXPECT_FALSE(make_websocket_upgrade(where, wrong)) << wrong;
}

TEST_P(idle_test, those_that_the_server_ends_are_counted_and_not_opened_again) {
    std::atomic<bool> go{false};
    scripted_server server([&](conversation& client) {
        if (!client.read_request()) return;
        client.answer();
        if (client.number() < 10) {  // the idle ones come first
            while (!go)
                std::this_thread::yield();
            return;
        }
        go = true;
        answer_all(client);
    });
    run_options asked = options(server.where());
    asked.idle = 10;
    asked.connections = 1;
    asked.rate = 500;
    asked.requests = 500;
    const report got = carry_out(asked);
    EXPECT_EQ(got.counts.idle_lost, 10u);
    EXPECT_EQ(got.counts.idle_open, 0u);
    EXPECT_EQ(server.connections(), 11u);
    EXPECT_TRUE(has_reason(got, "idle_lost"));
}

TEST_P(idle_test, a_ramp_takes_its_time) {
    scripted_server server(answer_all);
    run_options asked = options(server.where());
    asked.idle = 26;
    asked.ramp = 100;
    asked.requests = 10;
    const report got = carry_out(asked);
    EXPECT_GE(got.opening_seconds, 0.28) << "the last of 30 connections is due after 290 ms";
    EXPECT_EQ(got.counts.opened, 30u);
}

}  // namespace
}  // namespace naru::load
