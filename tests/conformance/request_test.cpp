// Requests: nothing begins before they are awaited, and they may be kept, passed on and dropped.
#include "support/conformance.hpp"
#include "support/ending.hpp"

#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

class Request : public conformance {};
NARU_ON_EVERY_BACKEND(Request);

TEST_P(Request, MayBeKeptAndAwaitedLater) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    auto later = [&]() -> task<std::string> {
        auto receive = with_deadline(1h, stream.receive());
        auto send = stream.send(std::string("an owned string, long enough to be on the heap"));
        co_await yield();
        EXPECT_TRUE(co_await std::move(send));
        auto data = co_await std::move(receive);
        co_return std::string(data->text());
    };
    write_all(sockets.peer.get(), "hello");
    EXPECT_EQ(run_task(loop(), later()), "hello");
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() >= 46;
    }));
    EXPECT_EQ(got.data, "an owned string, long enough to be on the heap");
}

TEST_P(Request, NothingHappensWhenItIsDropped) {
    const unique_descriptor listener = listening_socket();
    const address where = local_of(listener.get()).value();
    const std::size_t before = open_descriptors();
    {
        auto dropped = tcp_stream::connect(loop(), where);
        EXPECT_EQ(open_descriptors(), before);
        [[maybe_unused]] const auto bounded = with_deadline(1h, std::move(dropped));
        EXPECT_EQ(open_descriptors(), before);
    }
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    {
        [[maybe_unused]] const auto dropped = stream.receive();
        [[maybe_unused]] const auto dropped_task = with_deadline(1h, sleep_task(1h));
    }
    {
        [[maybe_unused]] const auto dropped = stream.close();  // owns the handle: closes it
    }
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.ended;
    }));
}

TEST_P(Request, AnythingThatIsBytesIsSentAndReceivedInto) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    auto send_all = [&]() -> task<> {
        const std::string string = "string ";
        const std::string_view view = "view ";
        const std::vector<char> characters{'v', 'e', 'c', ' '};
        const std::array<unsigned char, 2> array{'a', ' '};
        char buffer[2] = {'b', ' '};
        const std::span<const std::byte> span = as_bytes(view);
        EXPECT_EQ(co_await stream.send(string), 7u);
        EXPECT_EQ(co_await stream.send(view), 5u);
        EXPECT_EQ(co_await stream.send(characters), 4u);
        EXPECT_EQ(co_await stream.send(array), 2u);
        EXPECT_EQ(co_await stream.send(buffer), 2u);
        EXPECT_EQ(co_await stream.send(span), 5u);
        EXPECT_EQ(co_await stream.send("literal"), 7u);
    };
    run_task(loop(), send_all());
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() >= 32;
    }));
    EXPECT_EQ(got.data, "string view vec a b view literal");
    auto receive_all = [&]() -> task<std::string> {
        char buffer[4];
        std::vector<char> vector(4);
        std::array<std::byte, 4> array;
        std::string text;
        text.append(buffer, (co_await stream.receive(buffer)).value());
        text.append(vector.data(), (co_await stream.receive(vector)).value());
        const std::size_t last = (co_await stream.receive(std::span(array))).value();
        co_return text + std::string(as_text(array).substr(0, last));
    };
    write_all(sockets.peer.get(), "twelve bytes");
    EXPECT_EQ(run_task(loop(), receive_all()), "twelve bytes");
}

TEST_P(Request, AConnectionHasItsAddressesAndNoNagle) {
    auto listener = tcp_listener::bind(loop(), "127.0.0.1:0");
    ASSERT_TRUE(listener);
    const address there = listener->local_address().value();
    auto both = [&]() -> task<> {
        const connect_options from(address::parse("127.0.0.2:0").value());
        auto [accepted, connected] =
            co_await when_all(listener->accept(), tcp_stream::connect(loop(), there.text(), from));
        if (!accepted || !connected) {
            ADD_FAILURE() << "not connected";
            co_return;
        }
        EXPECT_EQ(connected->peer_address()->text(), there.text());
        EXPECT_EQ(connected->local_address()->host_text(), "127.0.0.2");
        EXPECT_EQ(accepted->peer_address()->text(), connected->local_address()->text());
        EXPECT_EQ(loop().option(connected->native(), socket_option::no_delay), 1);
        EXPECT_EQ((co_await tcp_stream::connect(loop(), "no address")).error(), std::errc::invalid_argument);
    };
    run_task(loop(), both());
}

TEST_P(Request, AConnectionMayLeaveItsLoop) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    auto leave = [&]() -> task<result<unique_descriptor>> {
        co_return co_await stream.release_dropping_received_ahead();
    };
    auto left = run_task(loop(), leave());
    ASSERT_TRUE(left) << left.error().message();
    EXPECT_FALSE(stream);
    tcp_stream again = stream_of(*left);
    write_all(sockets.peer.get(), "still there");
    auto receive = [&]() -> task<std::string> {
        auto data = co_await again.receive();
        co_return data ? std::string(data->text()) : data.error().message();
    };
    EXPECT_EQ(run_task(loop(), receive()), "still there");
}

TEST_P(Request, ATaskOfAResultMayReturnBraces) {
    auto empty = []() -> task<result<void>> { co_return {}; };
    EXPECT_TRUE(run_task(loop(), empty()));
}

TEST_P(Request, WhenAllGivesAllAndStopsAtAFailure) {
    auto main = []() -> task<> {
        auto [number, none, text] =
            co_await when_all(value_after(1ms, 1), yield_once(), value_after(0ms, std::string("text")));
        EXPECT_EQ(number, 1);
        EXPECT_EQ(none, nothing());
        EXPECT_EQ(text, "text");
        auto failing = []() -> task<result<void>> { co_return fail_errno(EPIPE); };
        auto [failed, stopped] = co_await when_all(failing(), sleep_for(1h));
        EXPECT_EQ(failed.error(), std::errc::broken_pipe);
        EXPECT_EQ(stopped.error(), std::errc::operation_canceled);
        co_await when_all(yield_once(), yield_once());
    };
    run_task(loop(), main());
    auto throwing = []() -> task<> {
        co_await yield();
        throw std::runtime_error("one of them");
    };
    EXPECT_THROW((void)run_task(loop(), when_all(sleep_for(1h), throwing())), std::runtime_error);
}

TEST_P(Request, WhenAnyReturnsAfterTheLosersHaveEnded) {
    std::vector<std::string> log;
    auto loser = [](end_note) -> task<> { (void)co_await sleep_for(1h); };
    auto main = [&]() -> task<> {
        auto first = co_await when_any(loser(end_note(log, "loser")), value_after(1ms, 5), sleep_for(1h));
        log.push_back("returned");
        EXPECT_EQ(first.index(), 1u);
        EXPECT_EQ(std::get<1>(first), 5);
    };
    run_task(loop(), main());
    EXPECT_EQ(log, (std::vector<std::string>{"loser", "returned"}));
    EXPECT_EQ(loop().in_flight(), 0u);
}

TEST_P(Request, ShieldedCleaningUpHappensInAStoppedScope) {
    bool cleaned = false;
    auto clean = [&]() -> task<result<void>> {
        auto slept = co_await sleep_for(1ms);
        cleaned = slept.has_value();
        co_return slept;
    };
    auto main = [&]() -> task<result<void>> {
        EXPECT_FALSE(co_await sleep_for(1h));
        EXPECT_FALSE(co_await sleep_for(1ms));  // the scope is stopped
        EXPECT_TRUE(co_await shielded(1h, clean()));
        EXPECT_EQ((co_await shielded(1ms, sleep_task(1h))).error(), std::errc::timed_out);
        co_return {};
    };
    EXPECT_TRUE(run_task(loop(), with_deadline(1ms, main())));
    EXPECT_TRUE(cleaned);
}

TEST_P(Request, RetryBacksOffUntilItSucceeds) {
    int tries = 0;
    auto attempt = [&]() -> task<result<int>> {
        if (++tries < 3) co_return fail_errno(ECONNREFUSED);
        co_return tries;
    };
    EXPECT_EQ(run_task(loop(), retry(back_off(5, 1ms), attempt)), 3);
    tries = -10;
    EXPECT_EQ(run_task(loop(), retry(back_off(2, 1ms), attempt)).error(), std::errc::connection_refused);
    EXPECT_EQ(tries, -8);
    tries = -1000;
    EXPECT_EQ(run_task(loop(), with_deadline(2ms, retry(back_off(900, 1h), attempt))).error(),
              std::errc::timed_out);
}

TEST_P(Request, AnIntervalDoesNotDrift) {
    interval beat(2ms);
    const instant begin = clock::now();
    auto main = [&]() -> task<> {
        for (int each = 0; each < 3; ++each)
            EXPECT_TRUE(co_await beat.next());
    };
    run_task(loop(), main());
    EXPECT_GE(clock::now() - begin, 6ms);
}

TEST_P(Request, SleepsWithinAMillisecondEndInTheirOrder) {
    std::string order;
    const instant now = clock::now();
    auto sleep = [&](char name, duration after) -> task<> {
        (void)co_await sleep_until(now + after);
        EXPECT_GE(clock::now(), now + after);
        order += name;
    };
    auto main = [&]() -> task<> {
        co_await when_all(sleep('c', 2900us), sleep('a', 2100us), sleep('b', 2500us));
    };
    started_task<> sleeping(loop(), main());
    const bool in_reach = clock::now() - loop().now() < 15ms;  // else they were no near deadlines to the loop
    ASSERT_TRUE(run_until([&] { return sleeping.ended(); }));
    if (in_reach) {
        EXPECT_EQ(order, "abc");
    }
}

TEST_P(Request, StoppingTheLoopStopsRun) {
    loop().stop();
    auto main = []() -> task<result<void>> { co_return co_await sleep_for(1h); };
    EXPECT_EQ(naru::run(loop(), main()).error(), std::errc::operation_canceled);
    auto next = []() -> task<result<void>> { co_return co_await sleep_for(1ms); };
    EXPECT_TRUE(naru::run(loop(), next()));
}

// A program that keeps every lease: the next receive says so, instead of waiting for ever.
TEST_P(Request, ReceivingFailsWhenLeasesHoldAllBuffers) {
    auto sockets = tcp_pair();
    tcp_stream stream = stream_of(sockets.ours);
    loop().buffers().set_patience(20ms);
    std::vector<lease> kept;
    std::error_code why;
    auto hoard = [&]() -> task<> {
        while (true) {
            auto data = co_await stream.receive();
            if (!data) {
                why = data.error();
                co_return;
            }
            kept.push_back(std::move(*data));
        }
    };
    started_task<> hoarding(loop(), hoard());
    ::testing::internal::CaptureStderr();
    const instant end = clock::now() + 40s;
    while (!hoarding.ended() && clock::now() < end) {
        (void)write_some(sockets.peer.get(), "x");
        loop().run_for_one_tick(1ms);
    }
    const std::string said = ::testing::internal::GetCapturedStderr();
    if (!hoarding.ended()) {
        hoarding.stop();
        ASSERT_TRUE(run_until([&] { return hoarding.ended(); }));
    }
    EXPECT_EQ(why, errc::buffers_held) << kept.size();
    EXPECT_NE(said.find("from one connection (descriptor"), std::string::npos) << said;
    kept.clear();
    auto again = [&]() -> task<result<lease>> { co_return co_await stream.receive(); };
    write_all(sockets.peer.get(), "y");
    EXPECT_TRUE(run_task(loop(), again()));
}

}  // namespace
}  // namespace naru::testing
