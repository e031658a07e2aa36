// Reading by lines, delimiters and counts, and writing little by little, over every kind of stream.
#include "support/stream_pairs.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

class Reader : public conformance {};
NARU_ON_EVERY_BACKEND(Reader);

/// What a read gives, or its error's text.
std::string shown(const result<bytes_view>& got) {
    return got ? std::string(as_text(*got)) : "<" + got.error().message() + ">";
}

TEST_P(Reader, LinesDelimitersAndCounts) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto both = [&]() -> task<> {
            const std::string text = "first line\r\nsecond\n\nkey=value;--end--1234567890rest";
            auto sent = co_await send_whole(to, text);
            EXPECT_TRUE(sent) << sent.error().message();
            buffered_reader reader(from);
            EXPECT_EQ(shown(co_await reader.line()), "first line");
            EXPECT_EQ(shown(co_await reader.peek(3)).substr(0, 3), "sec");
            EXPECT_EQ(shown(co_await reader.line()), "second");
            EXPECT_EQ(shown(co_await reader.line()), "");
            EXPECT_EQ(shown(co_await reader.until("=")), "key");
            EXPECT_EQ(shown(co_await reader.until(";--end--")), "value");
            EXPECT_EQ(shown(co_await reader.exactly(4)), "1234");
            EXPECT_EQ(shown(co_await reader.exactly(0)), "");
            std::array<char, 6> six{};
            auto filled = co_await reader.fill(six);
            EXPECT_TRUE(filled && *filled == 6);
            EXPECT_EQ(std::string(six.data(), 6), "567890");
            EXPECT_EQ(error_of(co_await reader.until("")), std::errc::invalid_argument);
            // What is left is fewer than was asked for, and still there.
            EXPECT_EQ(error_of(co_await reader.exactly(5)), errc::ended_early);
            EXPECT_EQ(error_of(co_await reader.line()), errc::ended_early);
            EXPECT_EQ(as_text(reader.unread()), "rest");
            EXPECT_EQ(shown(co_await reader.some()), "rest");
            EXPECT_EQ(error_of(co_await reader.some()), errc::end_of_stream);
            EXPECT_EQ(error_of(co_await reader.peek(1)), errc::end_of_stream);
        };
        run_task(loop(), both());
    });
}

template <byte_stream Stream>
task<result<void>> send_byte_by_byte(Stream& to, const std::string& text) {
    for (const char& each : text) {
        auto sent = co_await to.send(std::string_view(&each, 1));
        if (!sent) co_return fail(sent.error());
        co_await yield();
    }
    co_return co_await to.shutdown();
}

TEST_P(Reader, ADelimiterMayComeInPieces) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto reads = [&]() -> task<> {
            buffered_reader reader(from);
            EXPECT_EQ(shown(co_await reader.until("\r\n\r\n")), "GET / HTTP/1.1\r\nHost: a\r\r");
            EXPECT_EQ(shown(co_await reader.exactly(8)), "a body..");
            EXPECT_EQ(shown(co_await reader.until("--b")), "-a--");
            EXPECT_EQ(error_of(co_await reader.some()), errc::end_of_stream);
        };
        auto both = [&]() -> task<> {
            const std::string text = "GET / HTTP/1.1\r\nHost: a\r\r\r\n\r\na body..-a----b";
            (void)co_await when_all(send_byte_by_byte(to, text), reads());
        };
        run_task(loop(), both());
    });
}

TEST_P(Reader, ReadsLargerThanABuffer) {
    std::string large = pattern(50'000);
    std::replace(large.begin(), large.end(), '\n', ' ');
    for_every_stream(loop(), [&](auto to, auto from) {
        auto reads = [&]() -> task<> {
            buffered_reader reader(from);
            EXPECT_TRUE(shown(co_await reader.line()) == large);
            EXPECT_TRUE(shown(co_await reader.exactly(50'000)) == large);
            std::vector<char> filled(50'000);
            auto all = co_await reader.fill(filled);
            EXPECT_TRUE(all && std::string(filled.data(), filled.size()) == large);
            EXPECT_EQ(error_of(co_await reader.some()), errc::end_of_stream);
        };
        auto both = [&]() -> task<> {
            (void)co_await when_all(send_whole(to, large + "\n" + large + large), reads());
        };
        run_task(loop(), both());
    });
}

TEST_P(Reader, PastTheLimitIsAnErrorThatConsumesNothing) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto both = [&]() -> task<> {
            auto sent = co_await to.send("0123456789\n01234567\n");
            EXPECT_TRUE(sent);
            buffered_reader reader(from, 8);
            auto line = co_await reader.line();
            EXPECT_EQ(line.error(), errc::read_limit);
            EXPECT_NE(line.error().message().find("limit"), std::string::npos);
            EXPECT_EQ(error_of(co_await reader.until("no such")), errc::read_limit);
            EXPECT_EQ(error_of(co_await reader.exactly(9)), errc::read_limit);
            EXPECT_EQ(error_of(co_await reader.peek(9)), errc::read_limit);
            EXPECT_EQ(shown(co_await reader.exactly(8)), "01234567");
            EXPECT_EQ(shown(co_await reader.line()), "89");
            EXPECT_EQ(shown(co_await reader.line()), "01234567");  // as long as the limit
        };
        run_task(loop(), both());
    });
}

TEST_P(Reader, AReadThatIsStoppedLosesNothing) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto all = [&]() -> task<> {
            buffered_reader reader(from);
            auto half = co_await to.send("half a ");
            EXPECT_TRUE(half);
            auto there = co_await reader.peek(7);
            EXPECT_TRUE(there);
            for (int each = 0; each < 3; ++each) {
                auto stopped = co_await with_deadline(1ms, reader.line());
                EXPECT_EQ(stopped.error(), std::errc::timed_out);
            }
            auto rest = co_await to.send("line\n");
            EXPECT_TRUE(rest);
            EXPECT_EQ(shown(co_await reader.line()), "half a line");
        };
        run_task(loop(), all());
    });
}

TEST_P(Reader, NoBufferIsHeldWhileMoreIsWaitedFor) {
    auto [to, from] = tcp_streams(loop());
    const std::size_t before = loop().buffers().leased();
    bool waits = false;
    auto reads = [&]() -> task<> {
        buffered_reader reader(from);
        auto half = co_await reader.peek(4);
        EXPECT_TRUE(half);
        waits = true;
        EXPECT_EQ(shown(co_await reader.line()), "half of it");
    };
    auto looks = [&]() -> task<> {
        auto sent = co_await to.send("half");
        EXPECT_TRUE(sent);
        while (!waits || (!on_uring() && loop().buffers().leased() > before)) {
            auto slept = co_await sleep_for(1ms);
            (void)slept;
        }
        auto rest = co_await to.send(" of it\n");
        EXPECT_TRUE(rest);
    };
    auto both = [&]() -> task<> { co_await when_all(reads(), looks()); };
    run_task(loop(), both());
}

TEST_P(Reader, WhatIsWrittenLittleByLittleIsSentInOneGo) {
    for_every_stream(loop(), [&](auto to, auto from) {
        auto writes = [&]() -> task<result<void>> {
            buffered_writer writer(to, 64);
            std::string owned = "owned ";
            auto kept = writer.write(std::move(owned));
            auto first = co_await std::move(kept);
            auto second = co_await writer.write("literal ");
            EXPECT_TRUE(first && second);
            EXPECT_EQ(writer.buffered(), 14u);
            auto flushed = co_await writer.flush();
            EXPECT_TRUE(flushed);
            EXPECT_EQ(writer.buffered(), 0u);
            for (int each = 0; each < 100; ++each) {
                const std::string number = std::to_string(each) + ",";
                auto written = co_await writer.write(number);
                EXPECT_TRUE(written) << written.error().message();
            }
            const std::string large = pattern(100'000);
            auto through = co_await writer.write(large);
            EXPECT_TRUE(through);
            EXPECT_EQ(writer.buffered(), 0u);
            auto last = co_await writer.write("end");
            EXPECT_TRUE(last);
            co_return co_await writer.shutdown();
        };
        std::string expected = "owned literal ";
        for (int each = 0; each < 100; ++each)
            expected += std::to_string(each) + ",";
        expected += pattern(100'000) + "end";
        auto both = [&]() -> task<> {
            auto [written, got] = co_await when_all(writes(), receive_all(from));
            EXPECT_TRUE(written) << written.error().message();
            EXPECT_TRUE(got.text == expected) << got.text.size();
        };
        run_task(loop(), both());
    });
}

TEST_P(Reader, AWriterThatHasFailedStaysSo) {
    auto [to, from] = tcp_streams(loop());
    auto all = [&]() -> task<> {
        auto closed = co_await to.close();
        EXPECT_TRUE(closed);
        buffered_writer writer(to, 16);
        auto held = co_await writer.write("held");
        EXPECT_TRUE(held);
        auto failed = co_await writer.flush();
        EXPECT_FALSE(failed);
        auto next = co_await writer.write("x");
        EXPECT_FALSE(next);
        EXPECT_EQ(next.error(), failed.error());
    };
    // A stream that is closed has no handle: every operation on it is EBADF.
    run_task(loop(), all());
}

class Buffers : public conformance {};
NARU_ON_EVERY_BACKEND(Buffers);

TEST_P(Buffers, AWaitForABufferHasItsTurn) {
    std::vector<lease> all;
    while (std::byte* const each = loop().buffers().acquire())
        all.emplace_back(loop().buffers(), mutable_bytes(each, limits::buffer_bytes));
    std::string order;
    auto one = [&](char name) -> task<> {
        auto buffer = co_await wait_for_buffer(loop());
        EXPECT_TRUE(buffer);
        if (!buffer) co_return;
        EXPECT_EQ(buffer->size(), limits::buffer_bytes);
        order += name;
    };
    auto gives = [&]() -> task<> {
        co_await yield();
        EXPECT_EQ(order, "");
        all.pop_back();  // each gives it to the next
    };
    auto main = [&]() -> task<> { co_await when_all(one('1'), one('2'), one('3'), gives()); };
    run_task(loop(), main());
    EXPECT_EQ(order, "123");
    all.clear();
}

TEST_P(Buffers, AWaitForABufferCanBeStoppedAndGivesUp) {
    std::vector<lease> all;
    while (std::byte* const each = loop().buffers().acquire())
        all.emplace_back(loop().buffers(), mutable_bytes(each, limits::buffer_bytes));
    auto stopped = run_task(loop(), with_deadline(2ms, wait_for_buffer(loop())));
    EXPECT_EQ(stopped.error(), std::errc::timed_out);
    loop().buffers().set_patience(20ms);
    auto gave_up = run_task(loop(), wait_for_buffer(loop()));
    EXPECT_EQ(gave_up.error(), errc::buffers_held);
    on_handle plain(operation_kind::buffer, handle());
    loop().submit(plain);
    ticks(2);
    EXPECT_FALSE(plain.done());
    loop().cancel(plain);
    ASSERT_TRUE(run_until(plain));
    EXPECT_EQ(plain.result, outcome::canceled);
    all.clear();
    ASSERT_TRUE(run_task(loop(), wait_for_buffer(loop())));
}

}  // namespace
}  // namespace naru::testing
