// What is sent to WebSockets whose peers are slow, many, or gone; on every backend.
#include "accepting.hpp"
#include "support/conformance.hpp"
#include "support/sockets.hpp"

#include <naru/coro/combine.hpp>
#include <naru/coro/sleep.hpp>

#include <functional>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

using websocket::peer;
using websocket::prepared_message;
using websocket::send_policy;

constexpr std::size_t large = 4 * 1024 * 1024;  // more than two sockets hold

class WebsocketSend : public conformance {
 protected:
    void connect(const std::function<void(websocket::options&)>& change = [](websocket::options&) {}) {
        auto with = std::make_shared<websocket::options>();
        with->close_timeout = 50ms;
        change(*with);
        socket_pair sockets = tcp_pair(64 * 1024, 64 * 1024);
        client_ = std::move(sockets.peer);
        server_ = peer(stream_of(sockets.ours), {}, websocket::role::server, std::move(with), {});
    }
    void TearDown() override {
        server_ = peer();
        client_.reset();
        conformance::TearDown();
    }

    /// The frames that have come whole, by their payloads; control frames by code, as "<8>".
    std::vector<std::string> frames() {
        client_got_.read_from(client_.get());
        std::vector<std::string> all;
        std::string copy = client_got_.data;
        mutable_bytes input(reinterpret_cast<std::byte*>(copy.data()), copy.size());
        websocket::frame_parser parser;
        websocket::frame_parser::rules with;
        with.masked = false;
        std::string payload;
        for (;;) {
            switch (parser.next(input, with)) {
                case websocket::frame_parser::event::head:
                    payload = websocket::is_control(parser.kind())
                                  ? "<" + std::to_string(static_cast<int>(parser.kind())) + ">"
                                  : "";
                    break;
                case websocket::frame_parser::event::payload:
                    payload += as_text(parser.unmasked_piece());
                    break;
                case websocket::frame_parser::event::end:
                    all.push_back(payload);
                    break;
                case websocket::frame_parser::event::refused:
                    ADD_FAILURE() << parser.reason();
                    return all;
                case websocket::frame_parser::event::need_more:
                    return all;
            }
        }
    }

    unique_descriptor client_;
    received_text client_got_;
    peer server_;
};
NARU_ON_EVERY_BACKEND(WebsocketSend);

TEST_P(WebsocketSend, SmallMessagesOfOneTurnLeaveTogetherAndInOrder) {
    connect();
    auto main = [&]() -> task<> {
        for (int each = 0; each < 100; ++each)
            EXPECT_TRUE(co_await server_.send_text(std::to_string(each)));
    };
    run_task(loop(), main());
    std::vector<std::string> got;
    run_until([&] { return (got = frames()).size() >= 100; });
    for (int each = 0; each < 100; ++each)
        EXPECT_EQ(got.at(static_cast<std::size_t>(each)), std::to_string(each));
}

TEST_P(WebsocketSend, AWaitingSenderHasThePeersSpeed) {
    connect([](websocket::options& with) { with.send_queue = 32 * 1024; });
    int sent = 0;
    auto sender = [&]() -> task<> {
        const std::string message(1000, 'm');
        for (; sent < 2000; ++sent) {
            if (!co_await server_.send_text(message)) co_return;
        }
    };
    started_task<> running(loop(), sender());
    int before = -1;
    run_until([&] {  // until nothing moves any more
        const bool still = sent == before;
        before = sent;
        return still && sent > 0;
    });
    EXPECT_LT(sent, 2000);
    EXPECT_LE(server_.queued_bytes(), 33u * 1024);
    std::size_t received = 0;
    run_until([&] {
        received_text some;
        some.read_from(client_.get());
        received += some.data.size();
        return running.ended() && server_.queued_bytes() == 0 && received == 2000u * 1004;
    });
    EXPECT_EQ(sent, 2000);
}

TEST_P(WebsocketSend, SendersKeepTheirOrderWhileTheyWait) {
    connect([](websocket::options& with) { with.send_queue = 4 * 1024; });
    background senders(loop());
    auto one = [&](int number) -> task<> {
        for (int each = 0; each < 30; ++each) {
            const std::string text = std::to_string(number) + ':' + std::to_string(each) + ' ' +
                                     std::string(each % 3 == 0 ? 20'000 : 200, 'x');
            EXPECT_TRUE(co_await server_.send_text(text));
        }
    };
    for (int number = 0; number < 3; ++number)
        senders.spawn(one, number);
    run_until([&] {
        client_got_.read_from(client_.get());
        return senders.running() == 0 && server_.queued_bytes() == 0;
    });
    std::vector<std::string> got;
    run_until([&] { return (got = frames()).size() >= 90; });
    std::vector<int> next(3, 0);
    for (const std::string& each : got) {
        const auto number = static_cast<std::size_t>(each[0] - '0');
        EXPECT_EQ(std::stoi(each.substr(2)), next.at(number)++);
    }
    EXPECT_EQ(next, (std::vector<int>{30, 30, 30}));
}

TEST_P(WebsocketSend, TheOldestAreDroppedNeverPartOfOne) {
    connect([](websocket::options& with) {
        with.when_full = send_policy::drop_oldest;
        with.send_queue = 64 * 1024;
    });
    constexpr int count = 5000;
    auto main = [&]() -> task<> {
        for (int each = 0; each < count; ++each) {
            EXPECT_TRUE(co_await server_.send_text(std::to_string(each) + std::string(1000, ' ')));
            EXPECT_LE(server_.queued_bytes(), 65u * 1024 + 24 * 1100);
            if (each % 500 == 0) co_await yield();
        }
    };
    run_task(loop(), main());
    std::vector<std::string> got;
    run_until([&] {
        got = frames();
        return !got.empty() && server_.queued_bytes() == 0 && std::stoi(got.back()) == count - 1;
    });
    EXPECT_LT(got.size(), static_cast<std::size_t>(count));
    int last = -1;
    for (const std::string& each : got) {
        EXPECT_GT(std::stoi(each), last);
        last = std::stoi(each);
    }
}

TEST_P(WebsocketSend, WhoIsTooSlowIsClosedIfThatIsThePolicy) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    connect([](websocket::options& with) {
        with.when_full = send_policy::close;
        with.send_queue = 64 * 1024;
    });
    std::error_code told;
    auto handler = [&told](peer with) -> task<> {
        const std::string message(1000, 'm');
        while (true) {
            auto sent = co_await with.send_text(message);
            if (sent) continue;
            told = sent.error();
            EXPECT_EQ(with.close_code(), 1008);
            co_return;
        }
    };
    started_task<> running(loop(), websocket::attend(std::move(server_), handler));
    run_until([&] { return running.ended(); });
    EXPECT_EQ(told, make_error_code(websocket::errc::too_slow)) << told.message();
}

TEST_P(WebsocketSend, ALargeMessageIsLentAndArrives) {
    connect();
    const std::string message = pattern(large);
    auto main = [&]() -> task<> { EXPECT_TRUE(co_await server_.send_binary(message)); };
    started_task<> running(loop(), main());
    run_until([&] {
        client_got_.read_from(client_.get());
        return running.ended() && client_got_.data.size() == large + 10;
    });
    EXPECT_TRUE(frames().at(0) == message);
}

TEST_P(WebsocketSend, AStoppedSendEndsAndEndsTheConnectionIfItHadBegun) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    connect([](websocket::options& with) { with.send_queue = 16 * 1024; });
    const std::string message = pattern(large);
    auto main = [&]() -> task<> {
        auto lent = co_await with_deadline(5ms, server_.send_binary(message));
        EXPECT_TRUE(!lent && lent.error() == std::errc::timed_out)
            << (lent ? "sent" : lent.error().message());
        EXPECT_FALSE(server_.open());
        EXPECT_FALSE(co_await server_.send_text("no more"));
        EXPECT_FALSE(co_await server_.receive());
    };
    run_task(loop(), main());

    client_got_ = received_text();
    connect([](websocket::options& with) { with.send_queue = 16 * 1024; });
    auto waiting = [&]() -> task<> {
        const std::string small(2000, 's');
        int before = 0;
        for (;; ++before) {  // until there is no room
            auto sent = co_await with_deadline(3ms, server_.send_text(small));
            if (sent) continue;
            EXPECT_TRUE(sent.error() == std::errc::timed_out);
            break;
        }
        EXPECT_TRUE(server_.open());  // nothing of it had gone
        EXPECT_GT(before, 7);
    };
    run_task(loop(), waiting());
    std::size_t count = 0;
    run_until([&] {
        count = frames().size();
        return server_.queued_bytes() == 0;
    });
    run_until([&] { return frames().size() >= count; });
    auto after = [&]() -> task<> { EXPECT_TRUE(co_await server_.send_text("after")); };
    run_task(loop(), after());
    run_until([&] { return frames().back() == "after"; });
}

TEST_P(WebsocketSend, WhoeverWaitsIsToldWhenTheConnectionBreaks) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    for (const bool reset : {true, false}) {
        client_got_ = received_text();
        connect([](websocket::options& with) { with.send_queue = 16 * 1024; });
        background all(loop());
        int failed = 0;
        const std::string message = pattern(large);
        auto lent = [&]() -> task<> {
            if (!co_await server_.send_binary(message)) ++failed;
        };
        auto small = [&]() -> task<> {
            if (!co_await server_.send_text("waits behind it")) ++failed;
        };
        auto reader = [&]() -> task<> {
            if (!co_await server_.receive()) ++failed;
        };
        all.spawn(lent);
        all.spawn(lent);
        for (int each = 0; each < 10; ++each)
            all.spawn(small);
        all.spawn(reader);
        ticks(3);
        EXPECT_EQ(all.running(), 13u);
        if (reset) {
            reset_connection(client_);
        } else {
            all.stop();
        }
        run_until([&] { return all.running() == 0; });
        EXPECT_EQ(failed, 13);
    }
}

TEST_P(WebsocketSend, AFrameIsMadeOnceForMany) {
    constexpr std::size_t count = 40;
    std::vector<unique_descriptor> clients;
    std::vector<peer> peers;
    auto with = std::make_shared<websocket::options>();
    with->when_full = send_policy::drop_oldest;
    for (std::size_t each = 0; each < count; ++each) {
        socket_pair sockets = local_pair();
        clients.push_back(std::move(sockets.peer));
        peers.emplace_back(stream_of(sockets.ours), "", websocket::role::server, with,
                           websocket::agreement());
    }
    {
        const auto news = prepared_message::text("news for all");
        for (peer& each : peers)
            EXPECT_TRUE(each.try_send(news));
    }
    std::size_t complete = 0;
    std::vector<received_text> got(count);
    run_until([&] {
        complete = 0;
        for (std::size_t each = 0; each < count; ++each) {
            got[each].read_from(clients[each].get());
            if (got[each].data == "\x81\x0cnews for all") ++complete;
        }
        return complete == count;
    });
    EXPECT_EQ(complete, count);
}

TEST_P(WebsocketSend, APeerMayGoWhileEverythingIsUnderWay) {
    connect();
    for (int each = 0; each < 200; ++each)
        (void)server_.try_send(prepared_message::text(std::string(3000, 'x')));
    loop().run_for_one_tick(0ms);
    server_ = peer();  // TearDown looks for what it left behind
}

TEST_P(WebsocketSend, AFloodOfPingsByWhoDoesNotReadIsNotTaken) {
    connect();
    auto handler = [](peer with) -> task<> {
        while (co_await with.receive()) {
        }
    };
    started_task<> running(loop(), websocket::attend(std::move(server_), handler));
    const std::string ping =
        "\x89\x84"
        "abcd"
        "\x01\x02\x03\x04";
    std::string many;
    for (int each = 0; each < 1000; ++each)
        many += ping;
    std::size_t taken = 0;
    std::size_t before = 1;
    run_until([&] {
        const bool still = taken == before;
        before = taken;
        std::size_t at = taken % ping.size();
        taken += write_some(client_.get(), std::string_view(many).substr(at));
        return still && taken > 0;
    });
    EXPECT_LT(taken, 32u * 1024 * 1024);
    reset_connection(client_);
    run_until([&] { return running.ended(); });
}

}  // namespace
}  // namespace naru::testing
