// TLS as a layer: streams and operations on its handle, on every backend; against tls_stream as the peer.
#include "support/conformance.hpp"
#include "tls/heard.hpp"
#include "tls/pair.hpp"

#include <naru/stream/tls/tls_layer.hpp>
#include <naru/stream/tls/tls_stream.hpp>

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

using tls_tcp = tls_stream<tcp_stream>;

struct layer_and_stream {
    tcp_stream server;  // before whose socket the layer stands
    tls_tcp client;
};

task<> connect_into(tcp_stream over, const tls_context& context, tls_tcp& into, result<void>& told) {
    auto made = co_await tls_tcp::connect(std::move(over), context, "localhost");
    if (made) into = std::move(*made);
    if (!made) told = fail(made.error());
}
task<> establish(tcp_stream& stream, result<std::int64_t>& told) {
    const auto done = co_await stream.writable();
    if (!done) told = fail(done.error());
}

template <class Stream>
task<> say(Stream& to, std::string text, result<std::size_t>& sent) {
    sent = co_await to.send(text);
    if (!sent) co_return;
    const auto ended = co_await to.shutdown();
    if (!ended) sent = fail(ended.error());
}
template <class Stream>
task<result<std::string>> receive_text(Stream& from) {
    auto got = co_await from.receive();
    if (!got) co_return fail(got.error());
    co_return std::string(got->text());
}
template <class Stream>
task<> note_text(Stream& from, result<std::string>& into) {
    into = co_await receive_text(from);
}
template <class Stream>
task<result<std::size_t>> send_text(Stream& to, std::string_view text) {
    co_return co_await to.send(text);
}
template <class Stream>
task<result<void>> close_it(Stream& of) {
    co_return co_await of.close();
}

class TlsLayer : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (loop_ != nullptr) among_.emplace(loop());
    }
    void TearDown() override {
        if (loop_ != nullptr) {
            ASSERT_TRUE(run_until([&] { return loop().in_flight() == 0; }));
            EXPECT_EQ(among_->under_way(), 0u);
        }
        among_.reset();
        conformance::TearDown();
    }
    tcp_stream layered(unique_descriptor& socket, const tls_context& context) {
        const auto made = tls_layer::accept(loop(), adopt(socket), context, *among_);
        EXPECT_TRUE(made);
        return tcp_stream(loop(), *made);
    }
    layer_and_stream connected(int send_buffer = 0, int receive_buffer = 0) {
        static const tls_context server_side = server_context();
        static const tls_context client_side = client_context();
        auto sockets = tcp_pair(send_buffer, receive_buffer);
        layer_and_stream both{layered(sockets.ours, server_side), {}};
        background group(loop());
        result<void> told;
        result<std::int64_t> told_here = 0;
        group.spawn(establish(both.server, told_here));
        group.spawn(connect_into(stream_of(sockets.peer), client_side, both.client, told));
        EXPECT_TRUE(run_until([&] { return group.running() == 0; }));
        EXPECT_TRUE(told) << told.error().message();
        EXPECT_TRUE(told_here) << told_here.error().message();
        return both;
    }
    tls_layer& layer_of(const tcp_stream& stream) { return *tls_layer::find(loop(), stream.native()); }
    std::size_t leased() { return loop().buffers().leased(); }

    std::optional<tls_handshakes> among_;
};
NARU_ON_EVERY_BACKEND(TlsLayer);

TEST_P(TlsLayer, BothDirectionsCarryMuchAtTheSameTime) {
    layer_and_stream both = connected(16'384, 16'384);
    EXPECT_TRUE(layer_of(both.server).established());
    EXPECT_EQ(layer_of(both.server).engine().version(), "TLSv1.3");
    EXPECT_EQ(layer_of(both.server).engine().server_name(), "localhost");
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
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).error(), errc::end_of_stream);
    EXPECT_TRUE(both.server.peer_address());
    EXPECT_TRUE(run_task(loop(), close_it(both.server)));
    EXPECT_TRUE(run_task(loop(), close_it(both.client)));
}

TEST_P(TlsLayer, PiecesLentMemoryAndFiles) {
    layer_and_stream both = connected();
    const std::string large = pattern(40'000, 3);
    slice pieces[] = {slice("one "), slice(""), slice("two "), slice(large), slice("three")};
    const auto send_all = [](tcp_stream& to, std::span<slice> all) -> task<result<std::size_t>> {
        co_return co_await to.send(all);
    };
    background group(loop());
    heard got;
    group.spawn(hear(both.client, got));
    EXPECT_EQ(run_task(loop(), send_all(both.server, pieces)).value_or(0), large.size() + 13);
    const scratch_directory files;
    const std::string path = files.write("f", large);
    std::FILE* const file = std::fopen(path.c_str(), "rb");
    ASSERT_NE(file, nullptr);
    const auto send_file = [](tcp_stream& to, lent_descriptor from, std::uint64_t offset,
                              std::uint64_t size) -> task<result<std::size_t>> {
        co_return co_await to.send_file(from, offset, size);
    };
    const lent_descriptor lent(fileno(file));
    EXPECT_EQ(run_task(loop(), send_file(both.server, lent, 100, 39'000)).value_or(0), 39'000u);
    EXPECT_EQ(run_task(loop(), send_file(both.server, lent, 39'000, 2'000)).error(), errc::end_of_file);
    std::fclose(file);
    EXPECT_EQ(run_task(loop(), send_text(both.server, "")).value_or(1), 0u);
    EXPECT_TRUE(run_task(loop(), close_it(both.server)));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_TRUE(got.text == "one two " + large + "three" + large.substr(100, 39'000) + large.substr(39'000));
    EXPECT_EQ(got.end, errc::end_of_stream);
}

TEST_P(TlsLayer, WhoWaitsHoldsNoBuffer) {
    const std::size_t before = leased();
    auto sockets = tcp_pair();
    const tls_context context = server_context();
    tcp_stream server = layered(sockets.ours, context);
    background group(loop());
    result<std::string> got = std::string();
    group.spawn(note_text(server, got));
    ticks(3);
    EXPECT_LE(leased(), before);
    tls_side client;
    ASSERT_TRUE(client.engine.connect(client_context(), "localhost"));
    client.step();
    std::string hello = client.output();
    // A byte at a time, from where a storm of them would end.
    for (const char each : hello) {
        write_all(sockets.peer.get(), std::string_view(&each, 1));
        ticks(1);
    }
    ASSERT_TRUE(run_until([&] { return leased() <= before; }));
    ASSERT_TRUE(run_until([&] {
        received_text now;
        now.read_from(sockets.peer.get());
        client.arrived = now.data;
        client.step();
        write_all(sockets.peer.get(), client.output());
        return client.established && *client.established && layer_of(server).established();
    }));
    ASSERT_TRUE(run_until([&] { return leased() <= before; }));
    client.write("a record that comes in two parts");
    write_all(sockets.peer.get(), std::string_view(client.sent).substr(0, 20));
    ticks(5);
    ASSERT_TRUE(run_until([&] { return leased() <= before; }));
    EXPECT_EQ(group.running(), 1u);
    write_all(sockets.peer.get(), std::string_view(client.sent).substr(20));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_EQ(got.value_or(""), "a record that comes in two parts");
}

TEST_P(TlsLayer, AnEndWithoutCloseNotifyIsAReset) {
    layer_and_stream both = connected();
    ASSERT_TRUE(run_task(loop(), send_text(both.server, "x")));
    ASSERT_TRUE(run_task(loop(), receive_text(both.client)));
    ASSERT_TRUE(run_task(loop(), send_text(both.client, "half of it")));
    both.client = tls_tcp();  // which goes without a word
    heard got;
    background group(loop());
    group.spawn(hear(both.server, got));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_EQ(got.text, "half of it");
    EXPECT_EQ(got.end, std::errc::connection_reset);
    EXPECT_EQ(layer_of(both.server).failure(), tls_errc::truncated);
}

TEST_P(TlsLayer, ACloseSaysSoAndAResetDoesNot) {
    for (const bool cut : {false, true}) {
        layer_and_stream both = connected();
        ASSERT_TRUE(run_task(loop(), send_text(both.server, "bye")));
        EXPECT_EQ(run_task(loop(), receive_text(both.client)).value_or(""), "bye");
        if (cut) both.server.reset_on_close();
        EXPECT_TRUE(run_task(loop(), close_it(both.server)));
        const auto end = run_task(loop(), receive_text(both.client));
        ASSERT_FALSE(end);
        EXPECT_EQ(end.error() == errc::end_of_stream, !cut) << end.error().message();
    }
}

TEST_P(TlsLayer, OneDirectionEndsAndTheOtherGoesOn) {
    layer_and_stream both = connected();
    const auto end = [](tcp_stream& of) -> task<result<std::int64_t>> {
        const auto ended = co_await of.shutdown();
        if (!ended) co_return fail(ended.error());
        co_return 0;
    };
    ASSERT_TRUE(run_task(loop(), end(both.server)));
    EXPECT_EQ(run_task(loop(), receive_text(both.client)).error(), errc::end_of_stream);
    EXPECT_EQ(run_task(loop(), send_text(both.server, "x")).error(), std::errc::broken_pipe);
    ASSERT_TRUE(run_task(loop(), send_text(both.client, "late")));
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).value_or(""), "late");
}

TEST_P(TlsLayer, GarbageIsAnError) {
    auto sockets = tcp_pair();
    const tls_context context = server_context();
    tcp_stream server = layered(sockets.ours, context);
    write_all(sockets.peer.get(), "GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(run_task(loop(), receive_text(server)).error(), std::errc::protocol_error);
    EXPECT_EQ(run_task(loop(), send_text(server, "x")).error(), std::errc::protocol_error);
    EXPECT_EQ(layer_of(server).failure(), tls_errc::protocol);
    EXPECT_EQ(among_->under_way(), 0u);
    EXPECT_EQ(among_->failed(), 1u);
    EXPECT_TRUE(run_task(loop(), close_it(server)));
}

TEST_P(TlsLayer, AHandshakeThatIsCutAfterAnyByteEnds) {
    const tls_context context = server_context();
    tls_side first;
    ASSERT_TRUE(first.engine.connect(client_context(), "localhost"));
    first.step();
    const std::string hello = first.output();
    for (std::size_t cut = 0; cut < hello.size(); cut += 1 + hello.size() / 40) {
        auto sockets = tcp_pair();
        tcp_stream server = layered(sockets.ours, context);
        write_all(sockets.peer.get(), std::string_view(hello).substr(0, cut));
        end_sending(sockets.peer.get());
        EXPECT_EQ(run_task(loop(), receive_text(server)).error(), std::errc::connection_reset);
    }
    EXPECT_EQ(among_->under_way(), 0u);
}

TEST_P(TlsLayer, WhatIsStoppedGoesOnLater) {
    layer_and_stream both = connected();
    background group(loop());
    result<std::string> got = std::string("unset");
    group.spawn(note_text(both.server, got));
    ticks(2);
    group.stop();
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), std::errc::operation_canceled);
    ASSERT_TRUE(run_task(loop(), send_text(both.client, "after it")));
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).value_or(""), "after it");
}

TEST_P(TlsLayer, ASendThatIsStoppedInARecordEndsOurDirection) {
    layer_and_stream both = connected(4'096, 4'096);
    background group(loop());
    result<std::size_t> sent = std::size_t{0};
    group.spawn(say(both.server, pattern(3'000'000, 4), sent));
    ticks(5);
    group.stop();
    // What has gone is taken: a send without a copy ends only then.
    heard got;
    background other(loop());
    other.spawn(hear(both.client, got));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error(), std::errc::operation_canceled);
    // Whole records may have gone: then the stream is none the worse.
    const auto again = run_task(loop(), send_text(both.server, "x"));
    if (!again) {
        EXPECT_EQ(again.error(), errc::cut_off);
    }
    EXPECT_TRUE(run_task(loop(), close_it(both.server)));
    ASSERT_TRUE(run_until([&] { return other.running() == 0; }));
    EXPECT_EQ(got.end == errc::end_of_stream, again.has_value());
}

TEST_P(TlsLayer, IsClosedWhateverIsUnderWay) {
    {  // in the handshake
        auto sockets = tcp_pair();
        const tls_context context = server_context();
        tcp_stream server = layered(sockets.ours, context);
        background group(loop());
        result<std::string> got = std::string();
        group.spawn(note_text(server, got));
        write_all(sockets.peer.get(), std::string("\x16\x03\x01\x01\x00", 5));
        ticks(2);
        EXPECT_TRUE(run_task(loop(), close_it(server)));
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
        EXPECT_EQ(got.error(), std::errc::operation_canceled);
    }
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    {  // while it reads, and sends what nobody takes
        layer_and_stream both = connected(4'096, 4'096);
        background group(loop());
        heard got;
        result<std::size_t> sent = std::size_t{0};
        group.spawn(hear(both.server, got));
        group.spawn(say(both.server, pattern(3'000'000, 4), sent));
        ticks(5);
        EXPECT_TRUE(run_task(loop(), close_it(both.server)));
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
        EXPECT_FALSE(sent);
        EXPECT_EQ(got.end, std::errc::operation_canceled);
    }
}

// Where the pool has no buffer the ciphertext's own does, and what is sent goes by the heap.
TEST_P(TlsLayer, GoesOnWhenThePoolIsOut) {
    layer_and_stream both = connected();
    std::vector<std::byte*> all;
    ASSERT_TRUE(run_task(loop(), send_text(both.client, "one")));
    while (std::byte* const each = loop().buffers().acquire())
        all.push_back(each);
    loop().buffers().release(all.back());
    all.pop_back();
    EXPECT_EQ(run_task(loop(), send_text(both.server, "back")).value_or(0), 4u);
    EXPECT_EQ(run_task(loop(), receive_text(both.server)).value_or(""), "one");
    for (std::byte* const each : all)
        loop().buffers().release(each);
    EXPECT_EQ(run_task(loop(), receive_text(both.client)).value_or(""), "back");
}

TEST_P(TlsLayer, AClientsLayerVerifiesTheName) {
    const tls_context server_side = server_context();
    const tls_context client_side = client_context();
    for (const char* host : {"localhost", "other.example"}) {
        auto sockets = tcp_pair();
        tcp_stream server = layered(sockets.ours, server_side);
        const auto made = tls_layer::connect(loop(), adopt(sockets.peer), client_side, host);
        ASSERT_TRUE(made);
        tcp_stream client(loop(), *made);
        background group(loop());
        result<std::int64_t> at_server = 0;
        result<std::int64_t> at_client = 0;
        group.spawn(establish(server, at_server));
        group.spawn(establish(client, at_client));
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
        if (host == std::string_view("localhost")) {
            ASSERT_TRUE(at_client) << at_client.error().message();
            ASSERT_TRUE(run_task(loop(), send_text(client, "hello")));
            EXPECT_EQ(run_task(loop(), receive_text(server)).value_or(""), "hello");
        } else {
            EXPECT_EQ(at_client.error(), std::errc::protocol_error);
            EXPECT_EQ(layer_of(client).failure(), tls_errc::certificate_refused);
            EXPECT_FALSE(at_server);
        }
        EXPECT_TRUE(run_task(loop(), close_it(client)));
        EXPECT_TRUE(run_task(loop(), close_it(server)));
    }
}

// More than may begin in one tick; dear ones on a worker; and no more than there may be.
TEST_P(TlsLayer, HandshakesShareTheLoop) {
    constexpr std::size_t count = 12;
    static_assert(count > limits::tls_handshakes_per_tick);
    for (const key_type type : {key_type::ecdsa, key_type::rsa}) {
        worker_pool workers(1);
        tls_handshakes among(loop(), &workers, count);
        tls_server_options how(common_authority().issue({"localhost"}, type));
        const tls_context server_side = or_throw(tls_context::server(how));
        const tls_context client_side = client_context();
        background group(loop());
        std::vector<tcp_stream> servers(count);
        std::vector<tls_tcp> clients(count);
        std::vector<result<void>> told(count);
        std::vector<result<std::int64_t>> told_here(count, 0);
        for (std::size_t each = 0; each < count; ++each) {
            auto sockets = tcp_pair();
            const auto made = tls_layer::accept(loop(), adopt(sockets.ours), server_side, among);
            ASSERT_TRUE(made);
            servers[each] = tcp_stream(loop(), *made);
            group.spawn(establish(servers[each], told_here[each]));
            group.spawn(connect_into(stream_of(sockets.peer), client_side, clients[each], told[each]));
        }
        auto one_more = tcp_pair();
        const handle beneath = adopt(one_more.ours);
        const auto refused = tls_layer::accept(loop(), beneath, server_side, among);
        EXPECT_EQ(refused.error(), std::errc::resource_unavailable_try_again);
        loop().close(beneath);
        ASSERT_TRUE(run_until([&] { return group.running() == 0; }, 60s));
        for (std::size_t each = 0; each < count; ++each) {
            EXPECT_TRUE(told[each]) << told[each].error().message();
            EXPECT_TRUE(told_here[each]) << told_here[each].error().message();
        }
        EXPECT_EQ(among.done(), count);
        EXPECT_EQ(among.refused(), 1u);
        servers.clear();
        clients.clear();
        ASSERT_TRUE(run_until([&] { return loop().in_flight() == 0; }));
    }
}

// Closed while its step is on a worker, and while it waits for its turn.
TEST_P(TlsLayer, IsClosedInEachStepOfAHandshake) {
    worker_pool workers(1);
    tls_handshakes among(loop(), &workers);
    tls_server_options how(common_authority().issue({"localhost"}, key_type::rsa));
    const tls_context server_side = or_throw(tls_context::server(how));
    tls_side client;
    ASSERT_TRUE(client.engine.connect(client_context(), "localhost"));
    client.step();
    const std::string hello = client.output();
    for (int after = 0; after < 6; ++after) {
        background group(loop());
        std::vector<tcp_stream> servers;
        std::vector<result<std::string>> got(12);
        std::vector<socket_pair> sockets(12);
        for (std::size_t each = 0; each < 12; ++each) {
            sockets[each] = tcp_pair();
            servers.push_back(tcp_stream(
                loop(), tls_layer::accept(loop(), adopt(sockets[each].ours), server_side, among).value()));
            write_all(sockets[each].peer.get(), hello);
        }
        for (std::size_t each = 0; each < 12; ++each)
            group.spawn(note_text(servers[each], got[each]));
        ticks(after);
        for (tcp_stream& each : servers)
            EXPECT_TRUE(run_task(loop(), close_it(each)));
        ASSERT_TRUE(run_until([&] { return group.running() == 0 && loop().in_flight() == 0; }));
        EXPECT_EQ(among.under_way(), 0u);
    }
}

}  // namespace
}  // namespace naru::testing
