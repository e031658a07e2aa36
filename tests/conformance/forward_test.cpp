// Forwarding between sockets, by splice through a pipe and by copy.
#include "support/conformance.hpp"

#include <optional>
#include <vector>

namespace naru::testing {
namespace {

class Forward : public conformance {
 protected:
    /// By copy, and through a pipe where the system has splice.
    static std::vector<bool> with_pipe_or_not() {
        const auto pipe = splice_pipe::make();
        if (pipe) return {false, true};
        EXPECT_EQ(pipe.error(), std::errc::not_supported);
        return {false};
    }
};
NARU_ON_EVERY_BACKEND(Forward);

task<> forward_into(tcp_stream& from, tcp_stream& to, splice_pipe* pipe, result<std::uint64_t>& result,
                    bool& done) {
    result = co_await forward(from, to, pipe);
    done = true;
}

struct one_direction {
    std::optional<splice_pipe> pipe;
    result<std::uint64_t> moved = 0;
    bool done = false;

    void start(background& group, tcp_stream& from, tcp_stream& to, bool with_pipe) {
        if (with_pipe) pipe.emplace(splice_pipe::make().value());
        group.spawn(forward_into(from, to, pipe ? &*pipe : nullptr, moved, done));
    }
};

void join(naru::loop& on, background& group) {
    EXPECT_TRUE(run_until(on, [&] { return group.running() == 0; }));
}

TEST_P(Forward, EverythingArrivesInOrderAndThenTheEnd) {
    for (const bool with_pipe : with_pipe_or_not()) {
        auto source = tcp_pair();
        auto sink = tcp_pair(8192, 8192);  // the second half is short again and again
        tcp_stream from = stream_of(source.ours);
        tcp_stream to = stream_of(sink.ours);
        background group(loop());
        one_direction way;
        way.start(group, from, to, with_pipe);
        const std::string sent = pattern(1'000'000);
        std::size_t written = 0;
        received_text got;
        ASSERT_TRUE(run_until(
            [&] {
                written += write_some(source.peer.get(), std::string_view(sent).substr(written, 100'000));
                if (written == sent.size()) end_sending(source.peer.get());
                got.read_from(sink.peer.get(), 30'000);
                return got.ended;
            },
            20s));
        join(loop(), group);
        EXPECT_TRUE(got.data == sent);
        ASSERT_TRUE(way.moved) << way.moved.error().message();
        EXPECT_EQ(*way.moved, sent.size());
        if (way.pipe) {
            EXPECT_EQ(way.pipe->held, 0u);
        }
    }
}

TEST_P(Forward, WhatHadBeenReceivedAheadGoesFirst) {
    for (const bool with_pipe : with_pipe_or_not()) {
        auto source = tcp_pair();
        auto sink = tcp_pair();
        tcp_stream from = stream_of(source.ours);
        tcp_stream to = stream_of(sink.ours);
        // One receive of the loop's own: some backends go on receiving after it.
        a_recv first(from.native());
        loop().submit(first);
        write_all(source.peer.get(), "first ");
        ASSERT_TRUE(run_until(first));
        EXPECT_EQ(first.take(loop()), "first ");
        std::string expected = "ahead ";
        write_all(source.peer.get(), expected);
        ticks(3);
        background group(loop());
        one_direction way;
        way.start(group, from, to, with_pipe);
        received_text got;
        int step = 0;
        ASSERT_TRUE(run_until([&] {
            if (step < 300) {
                const std::string more =
                    std::to_string(step) + pattern(static_cast<std::size_t>(step) * 7 % 900) + " ";
                write_all(source.peer.get(), more);
                expected += more;
                if (++step == 300) end_sending(source.peer.get());
            }
            got.read_from(sink.peer.get());
            return got.ended;
        }));
        join(loop(), group);
        EXPECT_TRUE(got.data == expected);
        ASSERT_TRUE(way.moved);
        EXPECT_EQ(*way.moved, expected.size());
    }
}

TEST_P(Forward, OneDirectionMayEndLongBeforeTheOther) {
    for (const bool with_pipe : with_pipe_or_not()) {
        auto client = tcp_pair();
        auto server = tcp_pair();
        tcp_stream left = stream_of(client.ours);
        tcp_stream right = stream_of(server.ours);
        background group(loop());
        one_direction there;
        one_direction back;
        there.start(group, left, right, with_pipe);
        back.start(group, right, left, with_pipe);
        // Both directions are under way before one of them ends.
        received_text greetings[2];
        write_all(client.peer.get(), "hello ");
        write_all(server.peer.get(), "welcome");
        ASSERT_TRUE(run_until([&] {
            greetings[0].read_from(server.peer.get());
            greetings[1].read_from(client.peer.get());
            return greetings[0].data == "hello " && greetings[1].data == "welcome";
        }));
        write_all(client.peer.get(), "question");
        end_sending(client.peer.get());
        received_text question;
        ASSERT_TRUE(run_until([&] {
            question.read_from(server.peer.get());
            return question.ended && there.done;
        }));
        EXPECT_EQ(question.data, "question");
        ticks(5);  // nothing to forward: the loop must stay alive
        const std::string reply = pattern(400'000);
        std::size_t written = 0;
        received_text answer;
        ASSERT_TRUE(run_until([&] {
            written += write_some(server.peer.get(), std::string_view(reply).substr(written, 50'000));
            if (written == reply.size()) end_sending(server.peer.get());
            answer.read_from(client.peer.get());
            return answer.ended;
        }));
        EXPECT_TRUE(answer.data == reply);
        join(loop(), group);
    }
}

TEST_P(Forward, AnEmptyStreamIsForwardedAsItsEnd) {
    for (const bool with_pipe : with_pipe_or_not()) {
        auto source = tcp_pair();
        auto sink = tcp_pair();
        tcp_stream from = stream_of(source.ours);
        tcp_stream to = stream_of(sink.ours);
        background group(loop());
        one_direction way;
        way.start(group, from, to, with_pipe);
        source.peer.reset();
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(sink.peer.get());
            return got.ended;
        }));
        join(loop(), group);
        EXPECT_EQ(got.data, "");
        ASSERT_TRUE(way.moved);
        EXPECT_EQ(*way.moved, 0u);
    }
}

TEST_P(Forward, AReceiverThatGoesEndsItWithAnError) {
    for (const bool with_pipe : with_pipe_or_not()) {
        auto source = tcp_pair();
        auto sink = tcp_pair();
        tcp_stream from = stream_of(source.ours);
        tcp_stream to = stream_of(sink.ours);
        background group(loop());
        one_direction way;
        way.start(group, from, to, with_pipe);
        reset_connection(sink.peer);
        ASSERT_TRUE(run_until([&] {
            write_some(source.peer.get(), "more and more");
            return way.done;
        }));
        join(loop(), group);
        ASSERT_FALSE(way.moved);
        EXPECT_TRUE(way.moved.error() == std::errc::broken_pipe ||
                    way.moved.error() == std::errc::connection_reset)
            << way.moved.error().message();
    }
}

#if defined(__linux__)

TEST_P(Forward, PeersThatNeverKeepItWaitingLeaveTheLoopItsTurns) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    // /dev/null takes everything, and what the source has to send is there already.
    auto source = tcp_pair();
    const std::string piece = pattern(1 << 20);
    std::size_t waiting = 0;
    while (const std::size_t wrote = write_some(source.peer.get(), piece))
        waiting += wrote;
    end_sending(source.peer.get());
    ASSERT_GT(waiting, 4 * limits::forward_turn);
    unique_descriptor sink(checked(::open("/dev/null", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/null"));
    tcp_stream from = stream_of(source.ours);
    tcp_stream to = stream_of(sink);
    background group(loop());
    one_direction way;
    way.pipe.emplace(splice_pipe::make().value());
    group.spawn(forward_into(from, to, &*way.pipe, way.moved, way.done));
    std::size_t turns = 0;
    for (; !way.done && turns < 10'000; ++turns)
        ticks(1);
    ASSERT_TRUE(way.done);
    EXPECT_GT(turns, waiting / (2 * limits::forward_turn));
}

#endif

TEST_P(Forward, ItCanBeStopped) {
    for (const bool with_pipe : with_pipe_or_not()) {
        auto source = tcp_pair();
        auto sink = tcp_pair();
        tcp_stream from = stream_of(source.ours);
        tcp_stream to = stream_of(sink.ours);
        background group(loop());
        one_direction way;
        way.start(group, from, to, with_pipe);
        write_all(source.peer.get(), "some");
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(sink.peer.get());
            return got.data == "some";
        }));
        group.stop();
        join(loop(), group);
        ASSERT_FALSE(way.moved);
        EXPECT_EQ(way.moved.error(), std::errc::operation_canceled);
    }
}

task<> forward_both_into(tcp_stream& left, tcp_stream& right, splice_pipe* there, splice_pipe* back,
                         result<forwarded>& result, bool& done) {
    result = co_await forward_both(left, right, there, back);
    done = true;
}

TEST_P(Forward, BothDirectionsEndWithTheirPeers) {
    for (const bool with_pipe : with_pipe_or_not()) {
        auto client = tcp_pair();
        auto server = tcp_pair();
        tcp_stream left = stream_of(client.ours);
        tcp_stream right = stream_of(server.ours);
        std::optional<splice_pipe> pipes[2];
        if (with_pipe) {
            for (auto& each : pipes)
                each.emplace(splice_pipe::make().value());
        }
        background group(loop());
        result<forwarded> moved;
        bool done = false;
        group.spawn(forward_both_into(left, right, with_pipe ? &*pipes[0] : nullptr,
                                      with_pipe ? &*pipes[1] : nullptr, moved, done));
        write_all(client.peer.get(), "question");
        end_sending(client.peer.get());
        received_text question;
        ASSERT_TRUE(run_until([&] {
            question.read_from(server.peer.get());
            return question.ended;
        }));
        EXPECT_EQ(question.data, "question");
        write_all(server.peer.get(), "the answer");
        end_sending(server.peer.get());
        ASSERT_TRUE(run_until([&] { return done; }));
        join(loop(), group);
        ASSERT_TRUE(moved) << moved.error().message();
        EXPECT_EQ(moved->there, 8u);
        EXPECT_EQ(moved->back, 10u);
        received_text answer;
        ASSERT_TRUE(wait_readable(client.peer.get(), 10'000));
        answer.read_from(client.peer.get());
        EXPECT_EQ(answer.data, "the answer");
    }
}

TEST_P(Forward, APeerThatIsResetTakesTheOtherWithIt) {
    const bool told = system_tells_resets();
    for (const bool with_pipe : with_pipe_or_not()) {
        auto client = tcp_pair();
        auto server = tcp_pair();
        background group(loop());
        result<forwarded> moved;
        bool done = false;
        {
            tcp_stream left = stream_of(client.ours);
            tcp_stream right = stream_of(server.ours);
            std::optional<splice_pipe> pipes[2];
            if (with_pipe) {
                for (auto& each : pipes)
                    each.emplace(splice_pipe::make().value());
            }
            group.spawn(forward_both_into(left, right, with_pipe ? &*pipes[0] : nullptr,
                                          with_pipe ? &*pipes[1] : nullptr, moved, done));
            write_all(client.peer.get(), "half a ");
            received_text half;
            ASSERT_TRUE(run_until([&] {
                half.read_from(server.peer.get());
                return half.data == "half a ";
            }));
            // The server says nothing: only the client's end can end both.
            reset_connection(client.peer);
            ASSERT_TRUE(run_until([&] { return done || !told; }));
            if (!told) group.stop();
            join(loop(), group);
        }
        settle();
        if (!told) continue;
        ASSERT_FALSE(moved);
        EXPECT_EQ(moved.error(), std::errc::connection_reset) << moved.error().message();
        received_text rest;
        ASSERT_TRUE(wait_readable(server.peer.get(), 10'000));
        rest.read_from(server.peer.get());
        EXPECT_EQ(rest.data, "");
        EXPECT_EQ(rest.error, ECONNRESET) << (rest.ended ? "what was cut looks whole" : "nothing came");
    }
}

}  // namespace
}  // namespace naru::testing
