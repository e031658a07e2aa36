// Coroutines: deadlines, stop scopes and task groups. A frame with a pending operation is never destroyed.
#include "support/conformance.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

class Coroutine : public conformance {};
NARU_ON_EVERY_BACKEND(Coroutine);

task<result<std::string>> recv_text(tcp_stream& from) {
    auto data = co_await from.receive();
    if (!data) co_return fail(data.error());
    co_return std::string(data->text());
}

task<result<std::string>> recv_text_until(tcp_stream& from, instant deadline) {
    auto data = co_await with_deadline(deadline, from.receive());
    if (!data) co_return fail(data.error());
    co_return std::string(data->text());
}

/// Says when the frame it lives in has gone.
struct end_marker {
    explicit end_marker(bool& flag) : ended(flag) {}
    ~end_marker() { ended = true; }
    end_marker(const end_marker&) = delete;
    end_marker& operator=(const end_marker&) = delete;
    bool& ended;
};

task<result<std::string>> deep_recv(tcp_stream& from, int depth, bool& ended) {
    if (depth > 0) co_return co_await deep_recv(from, depth - 1, ended);
    const end_marker marker(ended);
    co_return co_await recv_text(from);
}

TEST_P(Coroutine, ADeadlineEndsAnOperation) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    const instant deadline = clock::now() + 10ms;
    const auto got = run_task(loop(), recv_text_until(stream, deadline));
    EXPECT_GE(clock::now(), deadline);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), std::errc::timed_out);
    EXPECT_EQ(loop().in_flight(), 0u);
    write_all(sockets.peer.get(), "late");
    const auto late = run_task(loop(), recv_text(stream));
    ASSERT_TRUE(late);
    EXPECT_EQ(*late, "late");
}

TEST_P(Coroutine, DataInTimeWinsAgainstTheDeadline) {
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    write_all(sockets.peer.get(), "in time");
    const auto early = run_task(loop(), recv_text_until(stream, clock::now() + 1h));
    ASSERT_TRUE(early);
    EXPECT_EQ(*early, "in time");
    // Also when both are due at the same tick.
    write_all(sockets.peer.get(), "just in time");
    const auto tied = run_task(loop(), recv_text_until(stream, clock::now()));
    ASSERT_TRUE(tied) << tied.error().message();
    EXPECT_EQ(*tied, "just in time");
}

TEST_P(Coroutine, ADeadlineEndsAWholeTask) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    bool ended = false;
    const instant deadline = clock::now() + 10ms;
    const auto got = run_task(loop(), with_deadline(deadline, deep_recv(stream, 3, ended)));
    EXPECT_GE(clock::now(), deadline);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), std::errc::timed_out);
    EXPECT_TRUE(ended);
    EXPECT_EQ(loop().in_flight(), 0u);
    write_all(sockets.peer.get(), "next");
    ended = false;
    const auto next = run_task(loop(), with_deadline(clock::now() + 1h, deep_recv(stream, 3, ended)));
    ASSERT_TRUE(next);
    EXPECT_EQ(*next, "next");
}

task<result<std::size_t>> send_until(tcp_stream& to, std::string_view text, instant deadline) {
    co_return co_await with_deadline(deadline, to.send(text));
}

TEST_P(Coroutine, ADeadlineEndsASendThatNobodyReads) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    auto sockets = tcp_pair(8192, 8192);
    tcp_stream stream = stream_of(sockets.ours);
    const std::string text = pattern(4'000'000);
    const auto sent = run_task(loop(), send_until(stream, text, clock::now() + 10ms));
    ASSERT_FALSE(sent);
    EXPECT_EQ(sent.error(), std::errc::timed_out);
    EXPECT_EQ(loop().in_flight(), 0u);
}

task<result<void>> sleeper(duration span) { co_return co_await sleep_for(span); }

TEST_P(Coroutine, SleepIsNeverShort) {
    const instant start = clock::now();
    const auto slept = run_task(loop(), sleeper(7ms));
    EXPECT_TRUE(slept);
    EXPECT_GE(clock::now() - start, 7ms);
}

template <class Span>
task<result<void>> sleeper_of(Span span) {
    co_return co_await sleep_for(span);
}
template <class When>
task<result<void>> sleeper_until(When when) {
    co_return co_await sleep_until(when);
}
template <class When>
task<result<std::string>> bounded_recv(tcp_stream& from, When when) {
    auto data = co_await with_deadline(when, from.receive());
    if (!data) co_return fail(data.error());
    co_return std::string(data->text());
}
template <class When>
task<result<std::string>> bounded_task(tcp_stream& from, When when) {
    task<result<std::string>> inner = recv_text(from);
    co_return co_await with_deadline(when, std::move(inner));
}
task<> into(task<result<void>> what, bool& ended) {
    (void)co_await std::move(what);
    ended = true;
}

// What nanoseconds cannot count has no end: it must not wrap round into the past.
TEST_P(Coroutine, ASpanThatCannotBeCountedDoesNotEnd) {
    background group(loop());
    bool ended[7] = {};
    using years = std::chrono::duration<std::int64_t, std::ratio<31'556'952>>;
    using coarse = std::chrono::time_point<std::chrono::steady_clock, std::chrono::seconds>;
    group.spawn(into(sleeper_of(std::chrono::seconds::max()), ended[0]));
    group.spawn(into(sleeper_of(std::chrono::milliseconds::max()), ended[1]));
    group.spawn(into(sleeper_of(years(300)), ended[2]));
    group.spawn(into(sleeper_of(duration::max()), ended[3]));
    group.spawn(into(sleeper_of(std::chrono::duration<double>(1e300)), ended[4]));
    group.spawn(into(sleeper_until(coarse::max()), ended[5]));
    group.spawn(into(sleeper_of(std::chrono::hours::max()), ended[6]));
    ticks(20);
    for (const bool each : ended)
        EXPECT_FALSE(each);
    bool in_the_past = false;
    group.spawn(into(sleeper_of(std::chrono::seconds::min()), in_the_past));
    ASSERT_TRUE(run_until([&] { return in_the_past; }));
    group.stop();
    ASSERT_TRUE(run_until(
        [&] { return ended[0] && ended[1] && ended[2] && ended[3] && ended[4] && ended[5] && ended[6]; }));
}

TEST_P(Coroutine, ADeadlineThatCannotBeCountedDoesNotCome) {
    auto sockets = local_pair();
    tcp_stream stream = stream_of(sockets.ours);
    using coarse = std::chrono::time_point<std::chrono::steady_clock, std::chrono::seconds>;
    // Not before the deadline would have come, had it wrapped round.
    struct late_write : timer {
        explicit late_write(int to)
            : timer([](timer& self) noexcept { write_all(static_cast<late_write&>(self).socket, "x"); }),
              socket(to) {}
        int socket;
    } write(sockets.peer.get());
    loop().arm(write, clock::now() + 5ms);
    EXPECT_TRUE(run_task(loop(), bounded_recv(stream, coarse::max())));
    loop().arm(write, clock::now() + 5ms);
    EXPECT_TRUE(run_task(loop(), bounded_task(stream, coarse::max())));
}

task<> note(task<result<std::string>> what, result<std::string>& into) { into = co_await std::move(what); }
task<> note_sleep(task<result<void>> what, result<void>& into) { into = co_await std::move(what); }

TEST_P(Coroutine, StoppingAGroupEndsEverythingInIt) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    background group(loop());
    bool ended = false;
    result<std::string> received;
    result<void> slept;
    group.spawn(note(deep_recv(stream, 2, ended), received));
    group.spawn(note_sleep(sleeper(1h), slept));
    EXPECT_EQ(group.running(), 2u);
    ticks(3);
    group.stop();
    EXPECT_EQ(group.running(), 2u);  // a request: they end in later ticks
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_TRUE(ended);
    ASSERT_FALSE(received);
    EXPECT_EQ(received.error(), std::errc::operation_canceled);
    ASSERT_FALSE(slept);
    EXPECT_EQ(slept.error(), std::errc::operation_canceled);
    // What is spawned afterwards ends at its first wait.
    group.spawn(note_sleep(sleeper(1h), slept));
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    EXPECT_EQ(slept.error(), std::errc::operation_canceled);
}

task<result<std::string>> recv_in_scope(tcp_stream& from, stop_scope& scope) {
    auto data = co_await with_stop(scope, from.receive());
    if (!data) co_return fail(data.error());
    co_return std::string(data->text());
}

task<result<std::string>> recv_with_both(tcp_stream& from, stop_scope& scope, instant deadline) {
    auto data = co_await with_deadline(deadline, with_stop(scope, from.receive()));
    if (!data) co_return fail(data.error());
    co_return std::string(data->text());
}

TEST_P(Coroutine, ADeadlineAndAScopeGoTogether) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    stop_scope scope;
    const auto late = run_task(loop(), recv_with_both(stream, scope, clock::now() + 3ms));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error(), std::errc::timed_out);
    scope.stop();
    const auto stopped = run_task(loop(), recv_with_both(stream, scope, clock::now() + 1h));
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error(), std::errc::operation_canceled);
}

TEST_P(Coroutine, AScopeStopsItsChildrenAndNotItsParent) {
    auto one = tcp_pair();
    auto two = tcp_pair();
    tcp_stream first = stream_of(one.ours);
    tcp_stream second = stream_of(two.ours);
    stop_scope parent;
    stop_scope child(&parent);
    background group(loop());
    result<std::string> in_parent;
    result<std::string> in_child;
    group.spawn(note(recv_in_scope(first, parent), in_parent));
    group.spawn(note(recv_in_scope(second, child), in_child));
    ticks(2);
    child.stop();
    ASSERT_TRUE(run_until([&] { return group.running() == 1; }));
    EXPECT_EQ(in_child.error(), std::errc::operation_canceled);
    EXPECT_FALSE(parent.stopped());
    write_all(one.peer.get(), "parent lives");
    ASSERT_TRUE(run_until([&] { return group.running() == 0; }));
    ASSERT_TRUE(in_parent);
    stop_scope late(&parent);
    parent.stop();
    EXPECT_TRUE(late.stopped());
    const auto stopped_before = run_task(loop(), recv_in_scope(first, late));
    ASSERT_FALSE(stopped_before);
    EXPECT_EQ(stopped_before.error(), std::errc::operation_canceled);
}

task<std::unique_ptr<int>> move_only() { co_return std::make_unique<int>(7); }
task<int> adds_one() {
    auto value = co_await move_only();
    co_return *value + 1;
}
task<int> throws() {
    throw std::logic_error("at once");
    co_return 0;
}

TEST_P(Coroutine, ValuesAndExceptionsComeThrough) {
    EXPECT_EQ(run_task(loop(), adds_one()), 8);
    EXPECT_THROW(run_task(loop(), throws()), std::logic_error);
    {
        const auto never_started = adds_one();
    }
}

task<> echo(tcp_stream peer) {
    while (auto data = co_await peer.receive()) {
        if (!co_await peer.send(*data)) break;
    }
    (void)co_await peer.close();
}

task<> serve(tcp_listener listener, background& clients) {
    while (auto peer = co_await listener.accept())
        clients.spawn(echo(std::move(*peer)));
}

task<std::string> one_client(naru::loop& on, address where, std::string text) {
    auto stream = co_await tcp_stream::connect(on, where);
    if (!stream) co_return "cannot connect";
    if (!co_await stream->send(text)) co_return "cannot send";
    (void)co_await stream->shutdown();
    std::string got;
    while (auto data = co_await stream->receive())
        got += data->text();
    co_return got;
}

task<> check_client(naru::loop& on, address where, std::uint32_t seed, int& good) {
    const std::string text = pattern(1 + seed * 997 % 60'000, seed);
    const std::string got = co_await one_client(on, where, text);
    if (got == text) ++good;
}

TEST_P(Coroutine, StoppingTheLoopAsksTheTaskThatItRunsToEnd) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    bool ended = false;
    std::thread stopper([&] { loop().stop(); });
    const auto got = naru::run(loop(), deep_recv(stream, 2, ended));
    stopper.join();
    EXPECT_TRUE(ended);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error(), std::errc::operation_canceled);
    // Neither the next task nor the next run hears of it.
    write_all(sockets.peer.get(), "later");
    const auto later = naru::run(loop(), recv_text(stream));
    ASSERT_TRUE(later) << later.error().message();
    EXPECT_EQ(*later, "later");
    int ticks_run = 0;
    loop().post([&] {
        loop().post([&] {
            loop().post([&] {
                ticks_run = 3;
                loop().stop();
            });
        });
    });
    loop().run();
    EXPECT_EQ(ticks_run, 3);
}

TEST_P(Coroutine, AnEchoServerServesManyClients) {
    auto listener = tcp_listener::bind(loop(), "127.0.0.1:0");
    ASSERT_TRUE(listener);
    const address where = listener->local_address().value();
    background server(loop());
    background peers(loop());
    background clients(loop());
    server.spawn(serve(std::move(*listener), peers));
    int good = 0;
    for (std::uint32_t each = 0; each < 50; ++each)
        clients.spawn(check_client(loop(), where, each, good));
    ASSERT_TRUE(run_until([&] { return clients.running() == 0; }, 30s));
    EXPECT_EQ(good, 50);
    server.stop();
    peers.stop();
    ASSERT_TRUE(run_until([&] { return server.running() == 0 && peers.running() == 0; }));
}

TEST_P(Coroutine, EverythingCanBeTornDownInTheMiddle) {
    auto listener = tcp_listener::bind(loop(), "127.0.0.1:0");
    ASSERT_TRUE(listener);
    const address where = listener->local_address().value();
    std::vector<unique_descriptor> clients;
    {
        background server(loop());
        background peers(loop());
        server.spawn(serve(std::move(*listener), peers));
        for (std::uint32_t each = 0; each < 100; ++each) {
            clients.push_back(connect_to(where));
            write_all(clients.back().get(), pattern(each * 31 % 5000, each));
            if (each % 3 == 0) ticks(1);
        }
        ticks(3);
        server.stop();
        peers.stop();
        ASSERT_TRUE(run_until([&] { return server.running() == 0 && peers.running() == 0; }));
    }
    settle();
}

}  // namespace
}  // namespace naru::testing
