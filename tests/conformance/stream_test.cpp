// What every stream does alike, whatever it is made of: the tests of tcp are passed by a layer over it.
#include "support/stream_pairs.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

class Stream : public conformance {};
NARU_ON_EVERY_BACKEND(Stream);

TEST_P(Stream, BytesArriveInOrderAndThenTheEnd) {
    const std::string text = pattern(300'000);
    for_every_stream(loop(), [&](auto to, auto from) {
        auto both = [&]() -> task<> {
            auto [sent, got] = co_await when_all(send_whole(to, text), receive_all(from));
            EXPECT_TRUE(sent) << sent.error().message();
            if (sent) {
                EXPECT_EQ(*sent, text.size());
            }
            EXPECT_TRUE(got.text == text) << got.text.size();
            EXPECT_EQ(got.end, errc::end_of_stream) << got.end.message();
            auto again = co_await from.receive();
            EXPECT_EQ(again.error(), errc::end_of_stream);
        };
        run_task(loop(), both());
    });
}

template <byte_stream Stream>
task<result<std::uint64_t>> send_back(Stream& with) {
    co_return co_await forward(with, with);
}

TEST_P(Stream, TwoDirectionsAreIndependent) {
    const std::string text = pattern(200'000);
    for_every_duplex(loop(), [&](auto ours, auto theirs) {
        auto all = [&]() -> task<> {
            auto [sent, got, echoed] =
                co_await when_all(send_whole(ours, text), receive_all(ours), send_back(theirs));
            EXPECT_TRUE(got.text == text) << got.text.size();
            EXPECT_EQ(got.end, errc::end_of_stream) << got.end.message();
            EXPECT_TRUE(echoed) << echoed.error().message();
            if (echoed) {
                EXPECT_EQ(*echoed, text.size());
            }
        };
        run_task(loop(), all());
    });
}

TEST_P(Stream, AnythingThatIsBytesIsTaken) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto sends = [&]() -> task<result<void>> {
            const char array[] = {'a', 'b'};
            char text[] = "cd";
            const std::vector<char> chars{'e', 'f'};
            const std::vector<std::byte> bytes{std::byte{'g'}, std::byte{'h'}};
            const std::array<unsigned char, 2> unsigned_chars{'i', 'j'};
            const std::string string = "kl";
            const std::string_view view = "mn";
            const auto expect_two = [](const result<std::size_t>& sent) { EXPECT_TRUE(sent && *sent == 2); };
            expect_two(co_await to.send(array));
            expect_two(co_await to.send(text));
            expect_two(co_await to.send(chars));
            expect_two(co_await to.send(bytes));
            expect_two(co_await to.send(unsigned_chars));
            expect_two(co_await to.send(string));
            expect_two(co_await to.send(view));
            expect_two(co_await to.send(std::span<const char>(chars)));
            std::string owned = "op";
            auto kept = to.send(std::move(owned));
            EXPECT_TRUE(co_await std::move(kept));
            co_return co_await to.shutdown();
        };
        auto both = [&]() -> task<> {
            auto [sent, got] = co_await when_all(sends(), receive_all(from));
            EXPECT_EQ(got.text, "abcdefghijklmnefop");
        };
        run_task(loop(), both());
    });
}

TEST_P(Stream, MemoryOfAnyKindIsFilled) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto both = [&]() -> task<> {
            auto sent = co_await to.send("abcdef");
            EXPECT_TRUE(sent);
            char array[2] = {};
            std::vector<char> chars(2);
            std::array<std::byte, 2> bytes{};
            auto first = co_await from.receive(array);
            auto second = co_await from.receive(chars);
            auto third = co_await from.receive(std::span(bytes));
            EXPECT_TRUE(first && *first == 2 && second && *second == 2 && third && *third == 2);
            EXPECT_EQ(std::string(array, 2) + std::string(chars.data(), 2) + std::string(as_text(bytes)),
                      "abcdef");
            auto none = co_await from.receive(mutable_bytes());
            EXPECT_EQ(none.error(), std::errc::invalid_argument);
        };
        run_task(loop(), both());
    });
}

TEST_P(Stream, SendSomeSendsWhatGoesAtOnce) {
    const std::string text = pattern(3'000'000);
    for_every_stream(loop(), [&](auto to, auto from) {
        std::size_t calls = 0;
        auto sends = [&]() -> task<result<void>> {
            std::size_t gone = 0;
            while (gone < text.size()) {
                auto sent = co_await to.send_some(std::string_view(text).substr(gone));
                if (!sent) co_return fail(sent.error());
                EXPECT_GT(*sent, 0u);
                gone += *sent;
                ++calls;
            }
            EXPECT_EQ(gone, text.size());
            auto nothing = co_await to.send_some("");
            EXPECT_TRUE(nothing && *nothing == 0);
            co_return co_await to.shutdown();
        };
        auto both = [&]() -> task<> {
            auto [sent, got] = co_await when_all(sends(), receive_all(from));
            EXPECT_TRUE(sent) << sent.error().message();
            EXPECT_TRUE(got.text == text) << got.text.size();
        };
        run_task(loop(), both());
        EXPECT_GE(calls, 1u);
    });
}

TEST_P(Stream, SendSomeEndsWhereASendWouldWait) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what is sent is pending until the peer has it";
    for_every_stream(loop(), [&](auto to, auto from) {
        const std::string text(16 * 1024 * 1024, 'x');  // more than any socket holds
        auto some = [&]() -> task<> {
            auto sent = co_await to.send_some(text);
            EXPECT_TRUE(sent) << sent.error().message();
            if (!sent) co_return;
            EXPECT_LT(*sent, text.size());
            auto got = co_await from.receive();
            EXPECT_TRUE(got && text.starts_with(got->text()));
        };
        run_task(loop(), some());
    });
}

TEST_P(Stream, PiecesAreSentAndReceivedAsOne) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto both = [&]() -> task<> {
            slice pieces[] = {slice("one "), slice(""), slice("two "), slice("three")};
            auto sent = co_await to.send(std::span<slice>(pieces));
            EXPECT_TRUE(sent && *sent == 13);
            char first[3] = {};
            char second[7] = {};
            char third[20] = {};
            mutable_slice into[] = {mutable_slice(), mutable_slice(writable_bytes_of(first)),
                                    mutable_slice(writable_bytes_of(second)),
                                    mutable_slice(writable_bytes_of(third))};
            std::size_t total = 0;
            while (total < 13) {  // a receive may bring less
                std::vector<mutable_slice> left;
                std::size_t skip = total;
                for (const mutable_slice& each : into) {
                    const std::size_t step = std::min(skip, each.size);
                    left.push_back({each.data + step, each.size - step});
                    skip -= step;
                }
                auto got = co_await from.receive(std::span<mutable_slice>(left));
                EXPECT_TRUE(got) << got.error().message();
                if (!got) co_return;
                total += *got;
            }
            EXPECT_EQ(std::string(first, 3) + std::string(second, 7) + std::string(third, 3),
                      "one two three");
            mutable_slice none[] = {mutable_slice(), mutable_slice()};
            auto refused = co_await from.receive(std::span<mutable_slice>(none));
            EXPECT_EQ(refused.error(), std::errc::invalid_argument);
        };
        run_task(loop(), both());
    });
}

TEST_P(Stream, AShutdownTakesItsPlaceBehindTheSends) {
    const std::string text = pattern(2'000'000);
    for_every_stream(loop(), [&](auto to, auto from) {
        auto sends = [&]() -> task<result<std::size_t>> { co_return co_await to.send(text); };
        auto sends_more = [&]() -> task<result<std::size_t>> { co_return co_await to.send("the last"); };
        auto ends = [&]() -> task<result<void>> { co_return co_await to.shutdown(); };
        auto all = [&]() -> task<> {
            auto [sent, more, ended, got] =
                co_await when_all(sends(), sends_more(), ends(), receive_all(from));
            EXPECT_TRUE(sent) << sent.error().message();
            EXPECT_TRUE(more) << more.error().message();
            EXPECT_TRUE(ended) << ended.error().message();
            EXPECT_TRUE(got.text == text + "the last") << got.text.size();
            EXPECT_EQ(got.end, errc::end_of_stream);
        };
        run_task(loop(), all());
    });
}

TEST_P(Stream, AStoppedReceiveLosesNothing) {
    const std::string text = pattern(100'000);
    for_every_stream(loop(), [&](auto to, auto from) {
        auto impatient = [&]() -> task<std::string> {
            std::string got;
            unsigned calls = 0;
            while (true) {
                stop_scope at_once;
                if (++calls % 2 == 0) at_once.stop();  // only what is there
                auto data = co_await with_stop(at_once, from.receive());
                if (data) got += data->text();
                if (!data && data.error() != std::errc::operation_canceled) co_return got;
            }
        };
        auto both = [&]() -> task<> {
            auto [sent, got] = co_await when_all(send_whole(to, text), impatient());
            EXPECT_TRUE(sent) << sent.error().message();
            EXPECT_TRUE(got == text) << got.size();
        };
        run_task(loop(), both());
    });
}

TEST_P(Stream, SeveralReceivesCompleteInOrder) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto one = [&]() -> task<char> {
            char got = 0;
            auto done = co_await from.receive(std::span(&got, 1));
            co_return done ? got : '?';
        };
        auto send = [&]() -> task<result<std::size_t>> { co_return co_await to.send("123"); };
        auto all = [&]() -> task<> {
            auto [first, second, third, sent] = co_await when_all(one(), one(), one(), send());
            EXPECT_EQ(std::string({first, second, third}), "123");
        };
        run_task(loop(), all());
    });
}

TEST_P(Stream, ACloseIsAnEndToThePeerAndAFailureToWhoSends) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto all = [&]() -> task<> {
            auto sent = co_await to.send("bye");
            EXPECT_TRUE(sent);
            auto closed = co_await to.close();
            EXPECT_TRUE(closed);
            auto got = co_await receive_all(from);
            EXPECT_EQ(got.text, "bye");
            EXPECT_TRUE(got.end == errc::end_of_stream || got.end == errc::ended_early) << got.end.message();
        };
        run_task(loop(), all());
    });
    for_every_stream(loop(), [&](auto to, auto from) {
        auto all = [&]() -> task<> {
            auto closed = co_await from.close();
            EXPECT_TRUE(closed);
            const std::string text = pattern(100'000);
            std::error_code why;
            for (int each = 0; each < 1'000 && !why; ++each) {
                auto sent = co_await to.send(text);
                if (!sent) why = sent.error();
            }
            EXPECT_TRUE(why == std::errc::broken_pipe || why == std::errc::connection_reset) << why.message();
        };
        run_task(loop(), all());
    });
}

TEST_P(Stream, EveryKindForwardsToEveryOther) {
    const std::string text = pattern(120'000);
    for_every_stream(loop(), [&](auto to, auto from) {
        // Through one of each kind: to a pipe's end or the other way, and out of a layer.
        auto [first_to, first_from] = tcp_streams(loop());
        auto [last_to, last_from] = tcp_streams(loop());
        auto pipes = {splice_pipe::make(), splice_pipe::make()};
        auto forwards = [](auto& in, auto& out,
                           const result<splice_pipe>& by) -> task<result<std::uint64_t>> {
            co_return co_await forward(in, out, by ? const_cast<splice_pipe*>(&*by) : nullptr);
        };
        auto all = [&]() -> task<> {
            auto [sent, in, out, got] =
                co_await when_all(send_whole(first_to, text), forwards(first_from, to, *pipes.begin()),
                                  forwards(from, last_to, *(pipes.begin() + 1)), receive_all(last_from));
            EXPECT_TRUE(in) << in.error().message();
            EXPECT_TRUE(out) << out.error().message();
            EXPECT_TRUE(got.text == text) << got.text.size();
            EXPECT_EQ(got.end, errc::end_of_stream) << got.end.message();
        };
        run_task(loop(), all());
    });
}

TEST_P(Stream, ALayerTellsACutFromAnEnd) {
    auto [ours, theirs] = toys(tcp_streams(loop()));
    auto [plain, beneath] = tcp_streams(loop());
    toy_stream<tcp_stream> over(std::move(beneath));
    auto all = [&]() -> task<> {
        // Half a record, and then the end of what is beneath.
        const char half[] = {16, 0, 0, 0, 'h', 'a', 'l', 'f'};
        auto sent = co_await plain.send(half);
        EXPECT_TRUE(sent);
        auto ended = co_await plain.shutdown();
        EXPECT_TRUE(ended);
        auto got = co_await over.receive();
        EXPECT_EQ(got.error(), errc::ended_early) << got.error().message();
        // A send that is stopped in the middle of a record poisons its stream.
        const std::string text(16 * 1024 * 1024, 'x');
        auto stopped = co_await with_deadline(20ms, ours.send(text));
        EXPECT_EQ(stopped.error(), std::errc::timed_out);
        auto next = co_await ours.send("more");
        EXPECT_EQ(next.error(), errc::cut_off) << next.error().message();
    };
    run_task(loop(), all());
}

}  // namespace
}  // namespace naru::testing
