// TLS over TCP in a loop, on every backend.
#include "support/conformance.hpp"
#include "tls/heard.hpp"
#include "tls/pair.hpp"

#include <naru/stream/tls/tls_stream.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

using tls_tcp = tls_stream<tcp_stream>;

struct two_streams {
    tls_tcp server;
    tls_tcp client;
};

class TlsStream : public conformance {
 protected:
    /// Both ends in this loop; established. `send_buffer`: of the server's side.
    two_streams connected(int send_buffer = 0, int receive_buffer = 0) {
        static const tls_context server_side = server_context();
        static const tls_context client_side = client_context();
        auto sockets = tcp_pair(send_buffer, receive_buffer);
        return connected(stream_of(sockets.ours), stream_of(sockets.peer), server_side, client_side);
    }
    two_streams connected(tcp_stream server, tcp_stream client, const tls_context& server_side,
                          const tls_context& client_side) {
        two_streams made;
        background group(loop());
        result<void> told[2];
        group.spawn(accept_into(std::move(server), server_side, made.server, told[0]));
        group.spawn(connect_into(std::move(client), client_side, "localhost", made.client, told[1]));
        EXPECT_TRUE(run_until([&] { return group.running() == 0; }));
        EXPECT_TRUE(told[0]) << told[0].error().message();
        EXPECT_TRUE(told[1]) << told[1].error().message();
        return made;
    }
    static task<> accept_into(tcp_stream over, const tls_context& context, tls_tcp& into, result<void>& told,
                              duration within = 10s) {
        auto made = co_await tls_tcp::accept(std::move(over), context, within);
        if (made) into = std::move(*made);
        if (!made) told = fail(made.error());
    }
    static task<> connect_into(tcp_stream over, const tls_context& context, std::string_view host,
                               tls_tcp& into, result<void>& told) {
        auto made = co_await tls_tcp::connect(std::move(over), context, host);
        if (made) into = std::move(*made);
        if (!made) told = fail(made.error());
    }
    std::size_t leased() { return loop().buffers().leased(); }
};
NARU_ON_EVERY_BACKEND(TlsStream);

task<> say(tls_tcp& to, std::string text, result<std::size_t>& sent, bool ends = true) {
    sent = co_await to.send(text);
    if (ends && sent) {
        const auto ended = co_await to.shutdown();
        if (!ended) sent = fail(ended.error());
    }
}
task<result<std::string>> receive_text(tls_tcp& from) {
    auto got = co_await from.receive();
    if (!got) co_return fail(got.error());
    co_return std::string(got->text());
}
task<> note_text(tls_tcp& from, result<std::string>& into) { into = co_await receive_text(from); }
task<result<void>> close_it(tls_tcp& of) { co_return co_await of.close(); }
task<result<void>> shut(tls_tcp& of) { co_return co_await of.shutdown(); }
task<result<std::size_t>> send_text(tls_tcp& to, std::string_view text) { co_return co_await to.send(text); }

TEST_P(TlsStream, BothDirectionsCarryMuchAtTheSameTime) {
    two_streams both = connected(16'384, 16'384);
    const std::string there = pattern(1'500'000, 1);
    const std::string back = pattern(1'300'000, 2);
    background group(loop());
    heard at_server;
    heard at_client;
    result<std::size_t> sent[2];
    group.spawn(hear(both.server, at_server));
    group.spawn(hear(both.client, at_client));
    group.spawn(say(both.client, there, sent[0]));
    group.spawn(say(both.server, back, sent[1]));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }, 60s));
    EXPECT_TRUE(at_server.text == there);
    EXPECT_TRUE(at_client.text == back);
    EXPECT_EQ(at_server.end, errc::end_of_stream);
    EXPECT_EQ(at_client.end, errc::end_of_stream);
    EXPECT_EQ(sent[0].value_or(0), there.size());
    EXPECT_EQ(sent[1].value_or(0), back.size());
    // It is told again.
    EXPECT_EQ(run_task(loop(), receive_text(both.client)).error(), errc::end_of_stream);
    EXPECT_TRUE(run_task(loop(), close_it(both.server)));
    EXPECT_TRUE(run_task(loop(), close_it(both.client)));
    EXPECT_FALSE(both.server);
}

task<result<std::size_t>> send_pieces(tls_tcp& to, std::span<slice> pieces) {
    co_return co_await to.send(pieces);
}
task<result<std::string>> receive_into(tls_tcp& from, std::size_t size) {
    std::string memory(size, '\0');
    std::string all;
    while (all.size() < size) {
        const auto got = co_await from.receive(std::span(memory.data(), size - all.size()));
        if (!got) co_return fail(got.error());
        all += memory.substr(0, *got);
    }
    co_return all;
}

TEST_P(TlsStream, PiecesAndLentMemory) {
    two_streams both = connected();
    slice pieces[] = {slice("one "), slice(""), slice("two "), slice("three")};
    const auto sent = run_task(loop(), send_pieces(both.client, pieces));
    EXPECT_EQ(sent.value_or(0), 13u);
    const auto got = run_task(loop(), receive_into(both.server, 13));
    ASSERT_TRUE(got);
    EXPECT_EQ(*got, "one two three");
    EXPECT_EQ(run_task(loop(), send_text(both.client, "")).value_or(1), 0u);
    EXPECT_EQ(run_task(loop(), receive_into(both.server, 0)).value_or("x"), "");
    EXPECT_EQ(run_task(loop(), both.client.send_some(std::string("temporary"))).value_or(0), 9u);
    EXPECT_EQ(run_task(loop(), receive_into(both.server, 9)).value_or(""), "temporary");
    EXPECT_TRUE(both.client.peer_address());
}

// However long it waits: in the handshake, idle, and with a part of a record received.
TEST_P(TlsStream, WhoWaitsHoldsNoBuffer) {
    const std::size_t before = leased();
    auto sockets = tcp_pair();
    const tls_context context = server_context();
    background group(loop());
    tls_tcp server;
    result<void> told;
    group.spawn(accept_into(stream_of(sockets.ours), context, server, told));
    ticks(3);
    EXPECT_LE(leased(), before);
    tls_side client;
    ASSERT_TRUE(client.engine.connect(client_context(), "localhost"));
    client.step();
    const std::string hello = client.output();
    write_all(sockets.peer.get(), std::string_view(hello).substr(0, 50));
    ticks(3);
    EXPECT_LE(leased(), before);
    write_all(sockets.peer.get(), std::string_view(hello).substr(50));
    received_text from_server;
    ASSERT_TRUE(run_until([&] {
        client.arrived.clear();
        received_text now;
        now.read_from(sockets.peer.get());
        client.arrived = now.data;
        client.step();
        write_all(sockets.peer.get(), client.output());
        return group.running() == 0;
    }));
    ASSERT_TRUE(told) << told.error().message();
    result<std::string> got = std::string();
    group.spawn(note_text(server, got));
    ticks(3);
    EXPECT_LE(leased(), before);
    client.write("a record that comes in two parts");
    write_all(sockets.peer.get(), std::string_view(client.sent).substr(0, 20));
    ticks(5);
    EXPECT_LE(leased(), before);
    EXPECT_EQ(group.running(), 1u);
    write_all(sockets.peer.get(), std::string_view(client.sent).substr(20));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_EQ(got.value_or(""), "a record that comes in two parts");
}

TEST_P(TlsStream, AnEndWithoutCloseNotifyIsATruncation) {
    two_streams both = connected();
    // A client that has read its tickets: bytes that are left unread would make its close a reset.
    ASSERT_TRUE(run_task(loop(), send_text(both.server, "x")));
    ASSERT_TRUE(run_task(loop(), receive_text(both.client)));
    ASSERT_TRUE(run_task(loop(), send_text(both.client, "half of it")));
    both.client = tls_tcp();  // which goes without a word
    heard at_server;
    background group(loop());
    group.spawn(hear(both.server, at_server));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_EQ(at_server.text, "half of it");
    EXPECT_EQ(at_server.end, tls_errc::truncated);
}

TEST_P(TlsStream, ClosesInBothOrders) {
    for (const bool server_first : {true, false}) {
        two_streams both = connected();
        tls_tcp& first = server_first ? both.server : both.client;
        tls_tcp& second = server_first ? both.client : both.server;
        ASSERT_TRUE(run_task(loop(), send_text(first, "bye")));
        if (!server_first) {  // which has tickets to read
            EXPECT_TRUE(run_task(loop(), send_text(second, "x")));
            EXPECT_EQ(run_task(loop(), receive_text(first)).value_or(""), "x");
        }
        EXPECT_TRUE(run_task(loop(), close_it(first)));
        heard got;
        background group(loop());
        group.spawn(hear(second, got));
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
        EXPECT_EQ(got.text, "bye");
        EXPECT_EQ(got.end, errc::end_of_stream);
        EXPECT_TRUE(run_task(loop(), close_it(second)));
    }
}

TEST_P(TlsStream, OneDirectionEndsAndTheOtherGoesOn) {
    two_streams both = connected();
    ASSERT_TRUE(run_task(loop(), shut(both.client)));
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).error(), errc::end_of_stream);
    EXPECT_EQ(run_task(loop(), send_text(both.client, "x")).error(), std::errc::broken_pipe);
    ASSERT_TRUE(run_task(loop(), send_text(both.server, "late")));
    EXPECT_EQ(run_task(loop(), receive_text(both.client)).value_or(""), "late");
}

TEST_P(TlsStream, AResetIsAReset) {
    if (!system_tells_resets()) GTEST_SKIP();
    auto sockets = tcp_pair();
    const tls_context context = server_context();
    background group(loop());
    tls_tcp server;
    result<void> told;
    group.spawn(accept_into(stream_of(sockets.ours), context, server, told));
    ticks(2);
    reset_connection(sockets.peer);
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error(), std::errc::connection_reset);
}

TEST_P(TlsStream, GarbageInTheHandshakeAndAfterIt) {
    auto sockets = tcp_pair();
    const tls_context context = server_context();
    background group(loop());
    tls_tcp server;
    result<void> told;
    group.spawn(accept_into(stream_of(sockets.ours), context, server, told));
    write_all(sockets.peer.get(), "GET / HTTP/1.1\r\n\r\n");
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error(), tls_errc::protocol);

    // A record that nobody has sealed.
    two_streams both = connected();
    ASSERT_TRUE(run_task(
        loop(), both.client.transport().send(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'))));
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).error(), tls_errc::protocol);
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).error(), tls_errc::protocol);
    EXPECT_EQ(run_task(loop(), send_text(both.server, "x")).error(), tls_errc::protocol);
    // The alert tells the other side.
    EXPECT_EQ(run_task(loop(), receive_text(both.client)).error(), tls_errc::alert);
}

TEST_P(TlsStream, AHandshakeThatIsNotGoneOnWithEndsAtItsDeadline) {
    auto sockets = tcp_pair();
    const tls_context context = server_context();
    background group(loop());
    tls_tcp server;
    result<void> told;
    const instant start = clock::now();
    group.spawn(accept_into(stream_of(sockets.ours), context, server, told, 10ms));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_GE(clock::now() - start, 10ms);
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error(), std::errc::timed_out);
    received_text end;
    ASSERT_TRUE(run_until([&] {
        end.read_from(sockets.peer.get());
        return end.ended || end.error != 0;
    }));
}

TEST_P(TlsStream, AStopEndsAHandshakeAndClosesTheConnection) {
    auto sockets = tcp_pair();
    const tls_context context = client_context();
    background group(loop());
    tls_tcp client;
    result<void> told;
    group.spawn(connect_into(stream_of(sockets.ours), context, "localhost", client, told));
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() > 100;  // its hello
    }));
    group.stop();
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error(), std::errc::operation_canceled);
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.ended || got.error != 0;
    }));
}

task<result<std::string>> receive_within(tls_tcp& from, duration span) {
    auto got = co_await with_deadline(span, from.receive());
    if (!got) co_return fail(got.error());
    co_return std::string(got->text());
}
task<result<std::size_t>> send_within(tls_tcp& to, std::string_view text, duration span) {
    co_return co_await with_deadline(span, to.send(text));
}

TEST_P(TlsStream, AHandshakeWhosePeerGoesIsATruncation) {
    auto sockets = tcp_pair();
    const tls_context context = server_context();
    background group(loop());
    tls_tcp server;
    result<void> told;
    group.spawn(accept_into(stream_of(sockets.ours), context, server, told));
    write_all(sockets.peer.get(), std::string("\x16\x03\x01\x01\x00", 5));
    end_sending(sockets.peer.get());
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    ASSERT_FALSE(told);
    EXPECT_EQ(told.error(), tls_errc::truncated);
}

TEST_P(TlsStream, TheNextConnectionResumesTheSession) {
    struct resuming {
        static task<> connect(tcp_stream over, const tls_context& context, const tls_session& session,
                              tls_tcp& into) {
            auto made = co_await tls_tcp::connect(std::move(over), context, "localhost", 10s, session);
            if (made) into = std::move(*made);
        }
    };
    const tls_context server_side = server_context();
    const tls_context client_side = client_context();
    tls_session session;
    for (const bool again : {false, true}) {
        auto sockets = tcp_pair();
        two_streams both;
        background group(loop());
        result<void> told;
        group.spawn(accept_into(stream_of(sockets.ours), server_side, both.server, told));
        group.spawn(resuming::connect(stream_of(sockets.peer), client_side, session, both.client));
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
        ASSERT_TRUE(both.server && both.client);
        EXPECT_EQ(both.server.resumed(), again);
        EXPECT_EQ(both.client.resumed(), again);
        ASSERT_TRUE(run_task(loop(), send_text(both.server, "with the tickets before it")));
        EXPECT_TRUE(run_task(loop(), receive_text(both.client)));
        session = both.client.session();
        EXPECT_TRUE(session);
    }
}

TEST_P(TlsStream, AReceiveThatIsStoppedLosesNothing) {
    two_streams both = connected();
    EXPECT_EQ(run_task(loop(), receive_within(both.server, 5ms)).error(), std::errc::timed_out);
    ASSERT_TRUE(run_task(loop(), send_text(both.client, "later")));
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).value_or(""), "later");
}

TEST_P(TlsStream, ASendThatIsStoppedInTheMiddleEndsItsDirectionOnly) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    two_streams both = connected(8192, 8192);
    const std::string text = pattern(8'000'000);
    EXPECT_EQ(run_task(loop(), send_within(both.server, text, 20ms)).error(), std::errc::timed_out);
    EXPECT_EQ(run_task(loop(), send_text(both.server, "more")).error(), tls_errc::send_interrupted);
    ASSERT_TRUE(run_task(loop(), send_text(both.client, "still heard")));
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).value_or(""), "still heard");
    EXPECT_TRUE(run_task(loop(), close_it(both.server)));
    heard got;
    background group(loop());
    group.spawn(hear(both.client, got));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_TRUE(text.starts_with(got.text));
    EXPECT_NE(got.end, errc::end_of_stream) << "what is not whole does not look so";
}

TEST_P(TlsStream, ACloseEndsWhatIsInFlight) {
    two_streams both = connected();
    background group(loop());
    result<std::string> got[2];
    group.spawn(note_text(both.server, got[0]));
    group.spawn(note_text(both.server, got[1]));  // which waits for the first
    ticks(2);
    EXPECT_TRUE(run_task(loop(), close_it(both.server)));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    for (const auto& each : got) {
        ASSERT_FALSE(each);
        EXPECT_EQ(each.error(), std::errc::operation_canceled);
    }
    EXPECT_EQ(run_task(loop(), receive_text(both.client)).error(), errc::end_of_stream);
}

TEST_P(TlsStream, AStreamThatGoesEndsWhatIsInFlight) {
    two_streams both = connected();
    background group(loop());
    result<std::string> got[2];
    group.spawn(note_text(both.server, got[0]));
    group.spawn(note_text(both.server, got[1]));
    ticks(2);
    both.server = tls_tcp();
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    for (const auto& each : got)
        EXPECT_EQ(each.error(), std::errc::operation_canceled);
}

TEST_P(TlsStream, ACloseInAStoppedScopeStillTellsThePeer) {
    two_streams both = connected();
    struct closing {
        static task<> after_stop(tls_tcp& of, result<void>& closed) {
            (void)co_await of.receive();
            closed = co_await of.close();
        }
    };
    background group(loop());
    result<void> closed = fail_errno(EBUSY);
    group.spawn(closing::after_stop(both.server, closed));
    ticks(2);
    group.stop();
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_TRUE(closed);
    EXPECT_EQ(run_task(loop(), receive_text(both.client)).error(), errc::end_of_stream);
}

// Layers are streams themselves.
TEST_P(TlsStream, TlsOverTls) {
    using outer = tls_stream<tls_tcp>;
    two_streams both = connected();
    struct nested {
        static task<> serve(tls_tcp over, const tls_context& context, result<std::string>& got) {
            auto made = co_await outer::accept(std::move(over), context);
            if (!made) {
                got = fail(made.error());
                co_return;
            }
            auto received = co_await made->receive();
            if (received) got = std::string(received->text());
            (void)co_await made->close();
        }
        static task<> ask(tls_tcp over, const tls_context& context, std::error_code& end) {
            auto made = co_await outer::connect(std::move(over), context, "localhost");
            if (!made) {
                end = made.error();
                co_return;
            }
            (void)co_await made->send("through two");
            auto received = co_await made->receive();
            if (!received) end = received.error();
        }
    };
    const tls_context server_side = server_context();
    const tls_context client_side = client_context();
    background group(loop());
    result<std::string> got = std::string();
    std::error_code end;
    group.spawn(nested::serve(std::move(both.server), server_side, got));
    group.spawn(nested::ask(std::move(both.client), client_side, end));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_EQ(got.value_or("nothing"), "through two");
    EXPECT_EQ(end, errc::end_of_stream);
}

// Those who hold all buffers may be the ones who send: an echo of much must not stand still.
TEST_P(TlsStream, SendingGoesOnWithoutPoolBuffers) {
    two_streams both = connected();
    const std::string text = pattern(100'000);
    std::vector<std::byte*> held;
    while (std::byte* const each = loop().buffers().acquire())
        held.push_back(each);
    background group(loop());
    result<std::size_t> sent;
    group.spawn(say(both.server, text, sent));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_EQ(sent.value_or(0), text.size());
    for (std::byte* const each : held)
        loop().buffers().release(each);
    heard got;
    group.spawn(hear(both.client, got));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_TRUE(got.text == text);
}

// One buffer is enough: it takes the ciphertext, and the plaintext then.
TEST_P(TlsStream, ReceivingGoesOnWithTheLastBuffer) {
    two_streams both = connected();
    std::vector<std::byte*> held;
    while (std::byte* const each = loop().buffers().acquire())
        held.push_back(each);
    if (!on_uring() && !held.empty()) {  // whose kernel has some already
        loop().buffers().release(held.back());
        held.pop_back();
    }
    for (int round = 0; round < 3; ++round) {
        background group(loop());
        result<std::string> got = std::string();
        group.spawn(note_text(both.server, got));
        result<std::size_t> sent;
        group.spawn(say(both.client, "short of memory", sent, false));
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
        EXPECT_EQ(got.value_or("nothing"), "short of memory");
    }
    for (std::byte* const each : held)
        loop().buffers().release(each);
}

}  // namespace
}  // namespace naru::testing
