// WebSockets on every backend: a naru client, or plain bytes from a socket, against a naru server.
#include "accepting.hpp"
#include "support/conformance.hpp"
#include "support/sockets.hpp"

#include <naru/coro/combine.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/websocket/client.hpp>
#include <naru/net/tcp_listener.hpp>

#include <functional>
#include <random>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::string_view_literals;
using websocket::message_kind;
using websocket::peer;

std::shared_ptr<const websocket::options> options_with(
    const std::function<void(websocket::options&)>& change = [](websocket::options&) {}) {
    auto made = std::make_shared<websocket::options>();
    change(*made);
    return made;
}

class Websocket : public conformance {
 protected:
    struct both {
        peer server;
        peer client;
    };
    /// A server's and a client's end of one connection, on the same loop.
    task<both> pair(std::shared_ptr<const websocket::options> with = options_with()) {
        auto listener = tcp_listener::bind(loop(), "127.0.0.1:0");
        auto accepted = [](tcp_listener& from, std::shared_ptr<const websocket::options> how) -> task<peer> {
            auto stream = co_await from.accept();
            co_return co_await accept_websocket(std::move(stream.value()), std::move(how));
        };
        auto [server, client] = co_await when_all(
            accepted(*listener, with),
            websocket::connect(loop(), listener->local_address().value(), "localhost", "/", with));
        EXPECT_TRUE(server);
        EXPECT_TRUE(client) << client.error().message();
        both made;
        made.server = std::move(server);
        made.client = std::move(client.value());
        co_return std::move(made);
    }
    /// Runs a server's handler and a client's side of one connection.
    template <class Handler, class Client>
    void run(const Handler& handler, Client client,
             std::shared_ptr<const websocket::options> with = options_with()) {
        auto main = [&]() -> task<> {
            both ends = co_await pair(std::move(with));
            co_await when_all(websocket::attend(std::move(ends.server), handler), client(ends.client));
        };
        run_task(loop(), main());
    }

    /// A server's peer whose client is the test itself, with plain bytes.
    struct by_hand {
        unique_descriptor client;
        peer server;
    };
    by_hand hand_made(std::shared_ptr<const websocket::options> with = options_with(), int send_buffer = 0,
                      std::string_view ahead = {}) {
        socket_pair sockets = tcp_pair(send_buffer, send_buffer);
        by_hand made;
        made.client = std::move(sockets.peer);
        made.server = peer(stream_of(sockets.ours), ahead, websocket::role::server, std::move(with), {});
        return made;
    }
};
NARU_ON_EVERY_BACKEND(Websocket);

std::string client_frame(unsigned code, std::string_view payload, bool final = true) {
    const websocket::mask_key key{std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}};
    const auto head =
        websocket::make_frame_head(static_cast<websocket::opcode>(code), final, false, payload.size(), &key);
    std::string made(as_text(head.view()));
    for (std::size_t index = 0; index < payload.size(); ++index)
        made += static_cast<char>(payload[index] ^ static_cast<char>(key[index % 4]));
    return made;
}

task<> expect_echo(peer& client, message_kind kind, std::string text) {
    if (kind == message_kind::text) {
        EXPECT_TRUE(co_await client.send_text(text));
    } else {
        EXPECT_TRUE(co_await client.send_binary(text));
    }
    auto answer = co_await client.receive();
    EXPECT_TRUE(answer) << answer.error().message();
    if (!answer) co_return;
    EXPECT_EQ(answer->kind(), kind);
    EXPECT_TRUE(answer->text() == text) << answer->size() << " bytes for " << text.size();
}

task<> expect_clean_close(peer& client, std::uint16_t code = 1000, std::string reason = "") {
    EXPECT_TRUE(co_await client.close(code, reason));
    EXPECT_EQ(client.close_code(), code);
    EXPECT_FALSE(client.open());
}

/// ASCII, so that it may be a text.
std::string text_of(std::size_t size) {
    std::string text(size, ' ');
    for (std::size_t index = 0; index < size; ++index)
        text[index] = static_cast<char>('a' + index * 31 % 26);
    return text;
}

TEST_P(Websocket, MessagesComeBackAsTheyAre) {
    auto client = [](peer& with) -> task<> {
        for (const std::size_t size : {0u, 1u, 125u, 126u, 4096u, 4097u, 65535u, 65536u, 1'000'000u}) {
            co_await expect_echo(with, message_kind::text, text_of(size));
            co_await expect_echo(with, message_kind::binary, text_of(size) + "\xff\xfe");
        }
        co_await expect_clean_close(with, 4000, "that was all");
    };
    run(echo_messages, client);
}

TEST_P(Websocket, CompressedMessagesComeBackAsTheyAre) {
    if (!websocket::deflate_available()) GTEST_SKIP() << "this build has no zlib";
    for (const bool takeover : {true, false}) {
        auto client = [](peer& with) -> task<> {
            EXPECT_TRUE(with.compresses());
            for (const std::size_t size : {0u, 63u, 64u, 1000u, 100'000u, 1'000'000u})
                co_await expect_echo(with, message_kind::text, text_of(size));
            std::mt19937 chance(1);
            std::string random(50'000, ' ');
            for (char& each : random)
                each = static_cast<char>(chance());
            co_await expect_echo(with, message_kind::binary, random);
            co_await expect_clean_close(with);
        };
        run(echo_messages, client, options_with([&](websocket::options& with) {
                with.deflate.enabled = true;
                with.deflate.no_context_takeover = with.deflate.peer_no_context_takeover = !takeover;
            }));
    }
}

TEST_P(Websocket, ManyMessagesAreUnderWayInBothDirections) {
    constexpr int count = 3000;
    auto client = [](peer& with) -> task<> {
        auto send = [](peer& to) -> task<> {
            for (int each = 0; each < count; ++each)
                EXPECT_TRUE(co_await to.send_text("message " + std::to_string(each)));
        };
        auto receive = [](peer& from) -> task<> {
            for (int each = 0; each < count; ++each) {
                auto message = co_await from.receive();
                EXPECT_TRUE(message);
                if (!message) co_return;
                EXPECT_EQ(message->text(), "message " + std::to_string(each));
            }
        };
        co_await when_all(send(with), receive(with));
        co_await expect_clean_close(with);
    };
    run(echo_messages, client);
}

TEST_P(Websocket, AMessageCanBeReadInPieces) {
    auto handler = [](peer with) -> task<> {
        std::string whole;
        std::size_t pieces = 0;
        for (bool last = false; !last;) {
            auto piece = co_await with.receive_piece();
            EXPECT_TRUE(piece);
            if (!piece) co_return;
            EXPECT_LE(piece->size(), 16u * 1024);
            whole += piece->text();
            last = piece->last();
            ++pieces;
        }
        EXPECT_GT(pieces, 10u);
        EXPECT_TRUE(whole == text_of(600'000));
        EXPECT_TRUE(co_await with.send_text("whole"));
        auto next = co_await with.receive();
        EXPECT_TRUE(next);
        if (next) {
            EXPECT_EQ(next->text(), "short");
        }
        EXPECT_FALSE(co_await with.receive());
    };
    for (const bool compressed : {false, websocket::deflate_available()}) {
        auto client = [](peer& with) -> task<> {
            EXPECT_TRUE(co_await with.send_text(text_of(600'000)));
            auto answer = co_await with.receive();
            EXPECT_TRUE(answer);
            EXPECT_TRUE(co_await with.send_text("short"));
            co_await expect_clean_close(with);
        };
        run(handler, client,
            options_with([&](websocket::options& with) { with.deflate.enabled = compressed; }));
    }
}

TEST_P(Websocket, TheHandlersEndClosesAndItsExceptionIsToldWith1011) {
    auto returns = [](peer with) -> task<> {
        EXPECT_TRUE(co_await with.receive());
        co_return;
    };
    auto client = [](peer& with) -> task<> {
        EXPECT_TRUE(co_await with.send_text("go"));
        auto end = co_await with.receive();
        EXPECT_FALSE(end);
        if (!end) {
            EXPECT_EQ(end.error(), naru::errc::end_of_stream) << end.error().message();
        }
        EXPECT_EQ(with.close_code(), 1000);
        EXPECT_TRUE(co_await with.close());
    };
    run(returns, client);

    auto throws = [](peer with) -> task<> {
        EXPECT_TRUE(co_await with.receive());
        throw std::runtime_error("the handler's");
    };
    auto main = [&]() -> task<> {
        both ends = co_await pair();
        auto server = [](peer with, const auto& handler) -> task<> {
            bool thrown = false;
            try {
                co_await websocket::attend(std::move(with), handler);
            } catch (const std::runtime_error&) {
                thrown = true;
            }
            EXPECT_TRUE(thrown);
        };
        auto other = [](peer& with) -> task<> {
            EXPECT_TRUE(co_await with.send_text("go"));
            EXPECT_FALSE(co_await with.receive());
            EXPECT_EQ(with.close_code(), 1011);
            (void)co_await with.close();
        };
        co_await when_all(server(std::move(ends.server), throws), other(ends.client));
    };
    run_task(loop(), main());
}

TEST_P(Websocket, WhatBreaksTheProtocolIsAnsweredWithItsCodeAndTold) {
    struct wrong {
        std::string bytes;
        unsigned code;
        std::error_code error;
    };
    const std::vector<wrong> cases{
        {"\x81\x01x", 1002, make_error_code(websocket::errc::protocol_error)},
        {client_frame(3, "x"), 1002, make_error_code(websocket::errc::protocol_error)},
        {client_frame(8, "\x03"), 1002, make_error_code(websocket::errc::protocol_error)},
        {client_frame(8, "\x03\xee"), 1002, make_error_code(websocket::errc::protocol_error)},
        {client_frame(1, "\xff"), 1007, make_error_code(websocket::errc::invalid_data)},
        {client_frame(1, "\xc3"), 1007, make_error_code(websocket::errc::invalid_data)},
        {client_frame(1, "\xed\xa0", false), 1007, make_error_code(websocket::errc::invalid_data)},
        {client_frame(2, std::string(5000, 'x')), 1009, make_error_code(websocket::errc::message_too_big)},
    };
    for (const wrong& each : cases) {
        for (const std::size_t step : {each.bytes.size(), std::size_t{1}}) {
            by_hand ends =
                hand_made(options_with([](websocket::options& with) { with.message_limit = 4096; }));
            std::error_code told;
            auto handler = [&told](peer with) -> task<> {
                auto message = co_await with.receive();
                EXPECT_FALSE(message);
                if (!message) told = message.error();
                EXPECT_FALSE(co_await with.send_text("too late"));
            };
            started_task<> running(loop(), websocket::attend(std::move(ends.server), handler));
            received_text answer;
            std::size_t at = 0;
            run_until([&] {
                if (at < each.bytes.size() && each.bytes.size() < 100) {
                    at += write_some(ends.client.get(), std::string_view(each.bytes).substr(at, step));
                } else if (at < each.bytes.size()) {
                    at += write_some(ends.client.get(), std::string_view(each.bytes).substr(at));
                }
                answer.read_from(ends.client.get());
                return answer.ended;
            });
            ASSERT_GE(answer.data.size(), 4u);
            EXPECT_EQ(static_cast<unsigned char>(answer.data[0]), 0x88u);
            EXPECT_EQ(static_cast<unsigned>(static_cast<unsigned char>(answer.data[2])) * 256 +
                          static_cast<unsigned char>(answer.data[3]),
                      each.code);
            ends.client.reset();
            run_until([&] { return running.ended(); });
            EXPECT_EQ(told, each.error) << told.message();
        }
    }
}

TEST_P(Websocket, BytesBehindTheHandshakeAreTheFirstOnes) {
    by_hand ends =
        hand_made(options_with(), 0, client_frame(1, "first") + client_frame(1, "second").substr(0, 4));
    std::vector<std::string> got;
    auto handler = [&got](peer with) -> task<> {
        while (auto message = co_await with.receive())
            got.emplace_back(message->text());
    };
    started_task<> running(loop(), websocket::attend(std::move(ends.server), handler));
    run_until([&] { return got.size() == 1; });
    write_all(ends.client.get(), client_frame(1, "second").substr(4));
    run_until([&] { return got.size() == 2; });
    EXPECT_EQ(got, (std::vector<std::string>{"first", "second"}));
    ends.client.reset();
    run_until([&] { return running.ended(); });
}

TEST_P(Websocket, APeerThatGoesWithoutACloseFrameIsToldApart) {
    for (const bool reset : {false, true}) {
        by_hand ends = hand_made();
        std::error_code told;
        auto handler = [&told](peer with) -> task<> {
            while (true) {
                auto message = co_await with.receive();
                if (message) continue;
                told = message.error();
                break;
            }
        };
        started_task<> running(loop(), websocket::attend(std::move(ends.server), handler));
        write_all(ends.client.get(), client_frame(2, "whole") + client_frame(2, "half of it").substr(0, 9));
        ticks(3);
        if (reset) {
            reset_connection(ends.client);
        } else {
            ends.client.reset();
        }
        run_until([&] { return running.ended(); });
        if (reset) {
            EXPECT_TRUE(told == std::errc::connection_reset) << told.message();
        } else {
            EXPECT_EQ(told, make_error_code(websocket::errc::no_close_frame)) << told.message();
        }
    }
}

TEST_P(Websocket, PingsAreAnsweredBetweenFragments) {
    by_hand ends = hand_made();
    std::string got;
    auto handler = [&got](peer with) -> task<> {
        while (auto message = co_await with.receive())
            got += message->text();
    };
    started_task<> running(loop(), websocket::attend(std::move(ends.server), handler));
    write_all(ends.client.get(), client_frame(1, "be", false) + client_frame(9, "are you there?"));
    received_text answer;
    run_until([&] { return answer.read_from(ends.client.get()), answer.data.size() >= 16; });
    EXPECT_EQ(answer.data,
              "\x8a\x0e"
              "are you there?");
    EXPECT_EQ(got, "");
    write_all(ends.client.get(), client_frame(0, "gun"));
    run_until([&] { return got == "begun"; });
    write_all(ends.client.get(), client_frame(8, ""));
    answer.data.clear();
    run_until([&] { return answer.read_from(ends.client.get()), answer.data.size() >= 2; });
    EXPECT_EQ(answer.data, "\x88\0"sv);  // its echo, empty as it was
    ends.client.reset();
    run_until([&] { return running.ended(); });
}

// Two tests: on a busy machine both times may have passed when somebody looks, and then it ends unasked.
TEST_P(Websocket, SilenceIsAskedAboutOnce) {
    by_hand ends = hand_made(options_with([](websocket::options& with) {
        with.ping_after = 5ms;
        with.idle_timeout = 0ms;
    }));
    started_task<> running(loop(), websocket::attend(std::move(ends.server), echo_messages));
    received_text answer;
    run_until([&] { return answer.read_from(ends.client.get()), answer.data.size() >= 2; });
    EXPECT_EQ(answer.data, "\x89\0"sv);
    answer.data.clear();
    write_all(ends.client.get(), client_frame(8, ""));
    run_until([&] { return answer.read_from(ends.client.get()), answer.data.size() >= 2; });
    EXPECT_EQ(answer.data, "\x88\0"sv);  // and no ping before it
    ends.client.reset();
    run_until([&] { return running.ended(); });
}

TEST_P(Websocket, SilenceEnds) {
    by_hand ends = hand_made(options_with([](websocket::options& with) {
        with.ping_after = 0ms;
        with.idle_timeout = 20ms;
        with.close_timeout = 20ms;
    }));
    std::error_code told;
    auto handler = [&told](peer with) -> task<> {
        auto message = co_await with.receive();
        if (!message) told = message.error();
    };
    started_task<> running(loop(), websocket::attend(std::move(ends.server), handler));
    received_text answer;
    run_until([&] {
        answer.read_from(ends.client.get());
        return running.ended();
    });
    answer.read_from(ends.client.get());
    EXPECT_TRUE(answer.data.starts_with("\x88")) << answer.data.size();
    EXPECT_TRUE(told == std::errc::timed_out) << told.message();
}

TEST_P(Websocket, ACloseThatIsNotAnsweredEndsInTime) {
    by_hand ends = hand_made(options_with([](websocket::options& with) { with.close_timeout = 20ms; }));
    auto main = [](peer with) -> task<std::error_code> {
        auto closed = co_await with.close(1001, "good bye");
        co_return closed ? std::error_code() : closed.error();
    };
    EXPECT_TRUE(run_task(loop(), main(std::move(ends.server))) == std::errc::timed_out);
    received_text answer;
    answer.read_from(ends.client.get());
    EXPECT_EQ(answer.data, "\x88\x0a\x03\xe9good bye");
}

TEST_P(Websocket, AStopEndsAReceiveAndTheConnectionGoesOn) {
    auto main = [&]() -> task<> {
        both ends = co_await pair();
        auto late = co_await with_deadline(5ms, ends.server.receive());
        EXPECT_TRUE(!late && late.error() == std::errc::timed_out);
        EXPECT_TRUE(co_await ends.client.send_text("still"));
        auto message = co_await ends.server.receive();
        EXPECT_TRUE(message && message->text() == "still");
        for (int each = 0; each < 50; ++each) {  // the stop and the message meet at every distance
            EXPECT_TRUE(co_await ends.client.send_text(std::to_string(each)));
            auto first = co_await with_deadline(std::chrono::microseconds(each * 10), ends.server.receive());
            if (!first) {
                EXPECT_TRUE(first.error() == std::errc::timed_out);
                first = co_await ends.server.receive();
            }
            EXPECT_TRUE(first);
            if (first) {
                EXPECT_EQ(first->text(), std::to_string(each));
            }
        }
        stop_scope stopped;
        stopped.stop();
        auto at_once = co_await with_stop(stopped, ends.server.receive());
        EXPECT_TRUE(!at_once && at_once.error() == std::errc::operation_canceled);
    };
    run_task(loop(), main());
}

TEST_P(Websocket, AStoppedServerSaysGoingAway) {
    by_hand ends = hand_made(options_with([](websocket::options& with) { with.close_timeout = 50ms; }));
    started_task<> running(loop(), websocket::attend(std::move(ends.server), echo_messages));
    ticks(2);
    running.stop();
    received_text answer;
    run_until([&] {
        answer.read_from(ends.client.get());
        return answer.data.size() >= 4;
    });
    EXPECT_EQ(answer.data, "\x88\x02\x03\xe9");
    write_all(ends.client.get(), client_frame(8, "\x03\xe9"));
    ends.client.reset();
    run_until([&] { return running.ended(); });
}

}  // namespace
}  // namespace naru::testing
