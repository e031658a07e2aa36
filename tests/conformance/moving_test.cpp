// Connections and listeners that leave their loop for another: with all that was received or accepted ahead.
#include "support/conformance.hpp"
#include "support/gate.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

/// Two more loops of the same kind, each on a thread of its own; in a simulated world all are on the test's.
class Moving : public conformance {
 protected:
    void SetUp() override {
        conformance::SetUp();
        if (IsSkipped()) return;
        if (GetParam().name == "iocp") GTEST_SKIP() << "wine takes a socket in again by the same loop only";
        for (auto& each : others_) {
            if (on_sim()) {
                each.of_the_world = std::make_unique<naru::loop>(GetParam().make().backend);
                each.home = each.of_the_world.get();
                continue;
            }
            each.thread = std::thread([&each] {
                naru::loop there(GetParam().make().backend);
                each.home = &there;
                each.made.pass();
                there.run();
            });
            each.made.wait_for_arrival();
            each.made.open();
        }
    }
    void TearDown() override {
        for (auto& each : others_) {
            each.of_the_world.reset();
            if (!each.thread.joinable()) continue;
            each.home->stop();
            each.thread.join();
        }
        conformance::TearDown();
    }
    naru::loop& other(std::size_t which = 0) { return *others_[which].home; }

    /// Until the backend has received something of `of` ahead, where it does that.
    void until_received_ahead(handle of, std::size_t buffers) {
        if (!on_uring()) return;
        (void)run_until([&] { return loop().backend().kept_for(of) >= buffers; });
    }
    bool receives_ahead() const {
        return on_uring() && GetParam().name.find("single_recv") == std::string::npos &&
               GetParam().name.find("single_shot") == std::string::npos &&
               GetParam().name.find("tiny_pool") == std::string::npos &&
               GetParam().name.find("bundles") == std::string::npos;
    }

 private:
    struct running {
        gate made;
        naru::loop* home = nullptr;
        std::thread thread;
        std::unique_ptr<naru::loop> of_the_world;
    };
    running others_[2];
};
NARU_ON_EVERY_BACKEND(Moving);

task<std::string> receive_text(tcp_stream& from, std::size_t bytes) {
    std::string got;
    while (got.size() < bytes) {
        auto data = co_await from.receive();
        if (!data) co_return got + "<" + data.error().message() + ">";
        got += data->text();
    }
    co_return got;
}

TEST_P(Moving, WhatWasReceivedAheadIsDeliveredFirst) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    detached left;
    auto leave = [&]() -> task<> {
        for (const std::string_view text : {"one ", "two "}) {  // the first receive is for one only
            write_all(sockets.peer.get(), text);
            EXPECT_EQ(co_await receive_text(stream, 4), text);
        }
    };
    run_task(loop(), leave());
    write_all(sockets.peer.get(), "ahead ");
    if (receives_ahead()) until_received_ahead(stream.native(), 1);
    auto release = [&]() -> task<> {
        auto got = co_await stream.release();
        EXPECT_TRUE(got) << got.error().message();
        if (got) left = std::move(*got);
    };
    run_task(loop(), release());
    EXPECT_FALSE(stream);
    EXPECT_EQ(as_text(left.ahead.bytes), receives_ahead() ? "ahead " : "");
    write_all(sockets.peer.get(), "and behind");
    end_sending(sockets.peer.get());
    auto there = [&]() -> task<> {
        naru::loop& here = *co_await current_loop();
        auto again = tcp_stream::adopt(here, std::move(left));
        EXPECT_TRUE(again) << again.error().message();
        if (!again) co_return;
        EXPECT_TRUE(co_await again->readable());
        char first[3] = {};
        char second[2] = {};
        mutable_slice pieces[] = {mutable_slice(writable_bytes_of(first)),
                                  mutable_slice(writable_bytes_of(second))};
        auto scattered = co_await again->receive(std::span<mutable_slice>(pieces));
        EXPECT_TRUE(scattered && *scattered == 5);
        EXPECT_EQ(std::string(first, 3) + std::string(second, 2), "ahead");
        EXPECT_EQ(co_await receive_text(*again, 11), " and behind");
        EXPECT_EQ((co_await again->receive()).error(), errc::end_of_stream);
    };
    run_task(loop(), on(other(), there()));
}

TEST_P(Moving, WhatWasNotTakenGoesOnToTheNextLoop) {
    auto sockets = tcp_pair();
    detached moving{std::move(sockets.ours), {}};
    const std::string_view text = "received and not delivered";
    moving.ahead.bytes.resize(text.size());
    std::memcpy(moving.ahead.bytes.data(), text.data(), text.size());
    auto take_a_little = [&](std::string& got) -> task<> {
        auto stream = tcp_stream::adopt(*co_await current_loop(), std::move(moving));
        EXPECT_TRUE(stream);
        if (!stream) co_return;
        char some[9] = {};
        auto taken = co_await stream->receive(some);
        if (taken) got.append(some, *taken);
        // A cancelled one has what is there, too.
        stop_scope stopped;
        stopped.stop();
        char next[4] = {};
        auto more = co_await with_stop(stopped, stream->receive(next));
        if (more) got.append(next, *more);
        auto left = co_await stream->release();
        EXPECT_TRUE(left) << left.error().message();
        if (left) moving = std::move(*left);
    };
    std::string got;
    run_task(loop(), take_a_little(got));
    run_task(loop(), on(other(), take_a_little(got)));
    EXPECT_EQ(got + std::string(as_text(moving.ahead.bytes)), text);
}

TEST_P(Moving, TheEndAndAFailureGoWithIt) {
    for (const bool resets : {false, true}) {
        if (resets && !system_tells_resets()) continue;
        auto sockets = tcp_pair();
        tcp_stream stream = stream_of(sockets.ours);
        write_all(sockets.peer.get(), "x");
        run_task(loop(), receive_text(stream, 1));
        write_all(sockets.peer.get(), "y");
        run_task(loop(), receive_text(stream, 1));
        if (resets) {
            reset_connection(sockets.peer);
            // A send is told, and nobody is told by the system again.
            auto send = [&]() -> task<> {
                std::error_code why;
                while (!why) {
                    auto sent = co_await stream.send(pattern(100'000));
                    if (!sent) why = sent.error();
                }
            };
            run_task(loop(), send());
        } else {
            end_sending(sockets.peer.get());
            ticks(3);
        }
        auto move = [&]() -> task<std::error_code> {
            auto left = co_await stream.release();
            if (!left) co_return left.error();
            auto again = tcp_stream::adopt(loop(), std::move(*left));
            if (!again) co_return again.error();
            while (true) {
                auto got = co_await again->receive();
                if (!got) co_return got.error();
            }
        };
        const std::error_code end = run_task(loop(), move());
        if (resets) {
            EXPECT_EQ(end, std::errc::connection_reset) << end.message();
        } else {
            EXPECT_EQ(end, errc::end_of_stream) << end.message();
        }
    }
}

/// Echoes until it has echoed `share` bytes or the stream has ended; then lets go of it.
task<result<detached>> echo_a_share(detached taken, std::size_t share, bool& over) {
    auto stream = tcp_stream::adopt(*co_await current_loop(), std::move(taken));
    if (!stream) co_return fail(stream.error());
    std::size_t echoed = 0;
    while (echoed < share) {
        auto data = co_await stream->receive();
        if (!data && data.error() == errc::end_of_stream) {
            over = true;
            break;
        }
        if (!data) co_return fail(data.error());
        auto sent = co_await stream->send(*data);
        if (!sent) co_return fail(sent.error());
        echoed += *sent;
    }
    if (over) {
        auto ended = co_await stream->shutdown();
        if (!ended) co_return fail(ended.error());
    }
    co_return co_await stream->release();
}

task<> echo_everywhere(detached moving, naru::loop& first, naru::loop& second, unsigned seed,
                       unsigned& moves) {
    bool over = false;
    while (!over) {
        seed = seed * 1'103'515'245u + 12'345u;
        const std::size_t share = 1 + (seed >> 8) % 40'000;
        auto next =
            co_await on(moves % 2 == 0 ? first : second, echo_a_share(std::move(moving), share, over));
        EXPECT_TRUE(next) << next.error().message();
        if (!next) co_return;
        moving = std::move(*next);
        ++moves;
    }
}

task<> send_everything(tcp_stream& to, const std::string& text, unsigned seed) {
    std::size_t gone = 0;
    while (gone < text.size()) {
        seed = seed * 1'103'515'245u + 12'345u;
        const std::size_t step = std::min<std::size_t>(text.size() - gone, 1 + (seed >> 8) % 30'000);
        auto sent = co_await to.send(std::string_view(text).substr(gone, step));
        EXPECT_TRUE(sent) << sent.error().message();
        if (!sent) co_return;
        gone += *sent;
    }
    auto ended = co_await to.shutdown();
    EXPECT_TRUE(ended);
}

task<std::string> receive_everything(tcp_stream& from) {
    std::string got;
    while (auto data = co_await from.receive())
        got += data->text();
    co_return got;
}

TEST_P(Moving, ConnectionsMoveUnderLoadWithNothingLost) {
    constexpr std::size_t connections = 6;
    const std::string text = pattern(600'000);
    unsigned moves = 0;
    auto one = [&](unsigned seed) -> task<> {
        auto sockets = tcp_pair();
        tcp_stream client = stream_of(sockets.peer);
        unsigned own_moves = seed;
        const unsigned began = own_moves;
        auto [sent, got, echoed] = co_await when_all(
            send_everything(client, text, seed), receive_everything(client),
            echo_everywhere(detached{std::move(sockets.ours), {}}, other(0), other(1), seed, own_moves));
        EXPECT_TRUE(got == text) << got.size() << " of " << text.size();
        moves += own_moves - began;
    };
    auto all = [&](task_group& group) -> task<> {
        for (unsigned each = 0; each < connections; ++each)
            group.spawn(one(each + 1));
        co_return;
    };
    auto main = [&]() -> task<> {
        auto done = co_await with_group(all);
        (void)done;
    };
    run_task(loop(), main());
    EXPECT_GT(moves, connections * 10);
}

TEST_P(Moving, AListenerTakesWhomItHasAcceptedWithIt) {
    auto listening = listening_socket();
    const address where = local_of(listening.get()).value();
    const handle first = adopt(listening, descriptor_kind::listener);
    std::vector<unique_descriptor> clients;
    on_handle accept(operation_kind::accept, first);
    accept.flags = operation_flags::more;  // others may be accepted ahead
    loop().submit(accept);
    constexpr std::size_t count = 12;
    for (std::size_t each = 0; each < count; ++each) {
        clients.push_back(connect_to(where));
        write_all(clients.back().get(), std::string(1, static_cast<char>('a' + each)));
    }
    ASSERT_TRUE(run_until(accept));
    ASSERT_GE(accept.result, 0);
    ticks(5);  // time to accept ahead
    std::string served;
    {
        tcp_stream one(loop(), handle::unpack(accept.result));
        served += run_task(loop(), receive_text(one, 1));
    }
    received_ahead ahead;
    on_handle release(operation_kind::release, first);
    release.ahead = &ahead;
    loop().submit(release);
    ASSERT_TRUE(run_until(release));
    ASSERT_GE(release.result, 0);
    detached moving{unique_descriptor(static_cast<int>(release.result)), std::move(ahead)};
    auto serve = [&](std::size_t up_to) -> task<result<detached>> {
        auto listener = tcp_listener::adopt(*co_await current_loop(), std::move(moving));
        if (!listener) co_return fail(listener.error());
        while (served.size() < up_to) {
            auto stream = co_await listener->accept();
            if (!stream) co_return fail(stream.error());
            served += co_await receive_text(*stream, 1);
        }
        co_return co_await listener->release();
    };
    auto go_on = [&](std::size_t up_to) -> task<> {
        auto left = co_await on(other(up_to % 2), serve(up_to));
        EXPECT_TRUE(left) << left.error().message();
        if (left) moving = std::move(*left);
    };
    run_task(loop(), go_on(4));
    run_task(loop(), go_on(7));
    run_task(loop(), go_on(count));
    std::sort(served.begin(), served.end());
    EXPECT_EQ(served, "abcdefghijkl");
}

TEST_P(Moving, WhomNobodyHasTakenIsClosed) {
    auto sockets = tcp_pair();
    {
        received_ahead ahead;
        ahead.connections.push_back(sockets.ours.release());
        auto listening = listening_socket();
        const auto adopted =
            loop().attach(listening.release(), descriptor_kind::listener, ownership::own, std::move(ahead));
        ASSERT_TRUE(adopted);
        loop().close(*adopted);
        settle();
    }
    received_text got;
    ASSERT_TRUE(wait_readable(sockets.peer.get(), 10'000));
    got.read_from(sockets.peer.get());
    EXPECT_TRUE(got.ended || got.error != 0);
}

TEST_P(Moving, AReceiveFromWhatIsHeldWaitsForABuffer) {
    auto sockets = tcp_pair();
    detached moving{std::move(sockets.ours), {}};
    const std::string text = pattern(3 * limits::buffer_bytes);
    moving.ahead.bytes.resize(text.size());
    std::memcpy(moving.ahead.bytes.data(), text.data(), text.size());
    tcp_stream stream = tcp_stream::adopt(loop(), std::move(moving)).value();
    std::vector<lease> all;
    while (std::byte* const each = loop().buffers().acquire())
        all.emplace_back(loop().buffers(), mutable_bytes(each, limits::buffer_bytes));
    a_recv first(stream.native());
    a_recv second(stream.native());
    a_recv cancelled(stream.native());
    loop().submit(first);
    loop().submit(second);
    loop().submit(cancelled);
    ticks(3);
    EXPECT_FALSE(first.done() || second.done() || cancelled.done());
    loop().cancel(cancelled);
    ASSERT_TRUE(run_until(cancelled));
    EXPECT_EQ(cancelled.result, outcome::canceled);
    all.pop_back();
    ASSERT_TRUE(run_until(first));
    std::string got = first.take(loop());
    ASSERT_TRUE(run_until(second));
    got += second.take(loop());
    a_recv closed(stream.native());
    loop().submit(closed);
    all.clear();
    ASSERT_TRUE(run_until(closed));
    got += closed.take(loop());
    EXPECT_TRUE(got == text) << got.size();
}

}  // namespace
}  // namespace naru::testing
