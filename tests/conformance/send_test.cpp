// Sends: short writes continue, gathered slices arrive in order, errors are values and never signals.
#include "support/conformance.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

namespace naru::testing {
namespace {

#if defined(_WIN32)
constexpr bool is_posix = false;  // iocp hands sends over to the system
#else
constexpr bool is_posix = true;
#endif

class Send : public conformance {};
NARU_ON_EVERY_BACKEND(Send);

TEST_P(Send, GatheredSlicesReachASlowReaderWhole) {
    if (is_zero_copy(GetParam()))
        GTEST_SKIP() << "with buffers this small every few slices wait for an acknowledgement: a minute";
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    const std::string content = pattern(3'000'000);
    // Slices of many sizes, empty ones among them, and more than one system call takes.
    std::vector<slice> pieces;
    std::size_t at = 0;
    for (std::size_t index = 0; at < content.size(); ++index) {
        const std::size_t wanted = index % 7 == 0 ? 0 : index % 5 == 0 ? 40'000 : 1 + index * 37 % 9'000;
        const std::size_t size = std::min(wanted, content.size() - at);
        pieces.emplace_back(std::string_view(content).substr(at, size));
        at += size;
    }
    pieces.emplace_back(std::string_view());
    ASSERT_GT(pieces.size(), 2 * limits::slices_per_send);
    any_send send;
    send.set(ours, pieces.data(), static_cast<std::uint32_t>(pieces.size()));
    loop().submit(send);
    received_text got;
    ASSERT_TRUE(run_until(
        [&] {
            got.read_from(sockets.peer.get(), 30'000);
            return got.data.size() == content.size();
        },
        30s));
    ASSERT_TRUE(run_until(send));
    EXPECT_TRUE(got.data == content);
    EXPECT_EQ(send.result, static_cast<std::int64_t>(content.size()));
    EXPECT_EQ(send.progress, content.size());
    loop().close(ours);
}

TEST_P(Send, ManySmallSlicesGoInOneOperation) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    const std::string content = pattern(500);
    std::vector<slice> pieces;
    for (const char& each : content)
        pieces.emplace_back(std::string_view(&each, 1));
    any_send send;
    send.set(ours, pieces.data(), static_cast<std::uint32_t>(pieces.size()));
    loop().submit(send);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.result, 500);
    received_text got;
    got.read_from(sockets.peer.get());
    EXPECT_EQ(got.data, content);
    loop().close(ours);
}

TEST_P(Send, NothingToSendCompletesWithNothingSent) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_send send(ours, "");
    loop().submit(send);
    EXPECT_EQ(send.completions, 0);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.result, 0);
    any_send no_slices;
    no_slices.set(ours, nullptr, 0);
    loop().submit(no_slices);
    ASSERT_TRUE(run_until(no_slices));
    EXPECT_EQ(no_slices.result, 0);
    loop().close(ours);
}

TEST_P(Send, ToAPeerThatHasGoneFailsWithoutASignal) {
    for (const bool reset : {false, true}) {
        auto sockets = tcp_pair();
        const handle ours = adopt(sockets.ours);
        if (reset) {
            reset_connection(sockets.peer);
        } else {
            sockets.peer.reset();
        }
        std::error_code error;
        for (int attempt = 0; attempt < 100 && !error; ++attempt) {
            a_send send(ours, pattern(1000));
            loop().submit(send);
            ASSERT_TRUE(run_until(send));
            error = send.error();
        }
        EXPECT_TRUE(error == std::errc::broken_pipe || error == std::errc::connection_reset)
            << error.message();
        loop().close(ours);
    }
}

TEST_P(Send, AFileToAPeerThatHasGoneFailsWithoutASignal) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    const unique_descriptor file = file_with(pattern(1000));
    reset_connection(sockets.peer);
    std::error_code error;
    for (int attempt = 0; attempt < 100 && !error; ++attempt) {
        any_send_file send;
        send.set(ours, file, 0, 1000);
        loop().submit(send);
        ASSERT_TRUE(run_until(send));
        error = send.error();
    }
    EXPECT_TRUE(error == std::errc::broken_pipe || error == std::errc::connection_reset) << error.message();
    loop().close(ours);
}

#if !defined(_WIN32)

TEST_P(Send, AFileThatNeverHasToWaitHasOneTurnATick) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    if (is_direct(GetParam())) GTEST_SKIP() << "a copy through a buffer is no turn of sendfile(2)";
    // How much a socket takes depends on its reader. /dev/null takes everything, so that each tick shows how
    // many turns it gave.
    constexpr auto turn = std::uint64_t{limits::send_file_turn};
    unique_descriptor sink(checked(::open("/dev/null", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/null"));
    const handle ours = adopt(sink);
    const unique_descriptor file = file_with("");
    checked(::ftruncate(file.get(), static_cast<off_t>(64 * turn)), "ftruncate");
    const auto moved_in_a_tick = [this](const any_send_file& send) {
        const std::uint64_t before = send.progress;
        ticks(1);
        return send.progress - before;
    };
    any_send_file send;
    send.set(ours, file, 0, 64 * turn);
    loop().submit(send);
    ticks(1);
    for (int each = 0; each < 4; ++each)
        EXPECT_EQ(moved_in_a_tick(send), turn);
    if (!on_uring()) {
        // One that is cancelled leaves its turns to nobody.
        any_send_file next;
        next.set(ours, file, 0, 64 * turn);
        loop().cancel(send);
        loop().submit(next);
        ticks(1);
        for (int each = 0; each < 4; ++each)
            EXPECT_EQ(moved_in_a_tick(next), turn);
        loop().cancel(next);
        settle();
        send.completions = 0;
        send.set(ours, file, 0, 64 * turn);
        loop().submit(send);
        ticks(1);
    }
    // While something else waits on the handle the poller tells of both directions, at each wait.
    on_handle readable(operation_kind::readable, ours);
    loop().submit(readable);
    ticks(2);
    if (!send.done()) {  // epoll does not watch such a sink: an error
        for (int each = 0; each < 4; ++each)
            EXPECT_EQ(moved_in_a_tick(send), turn);
    }
    loop().close(ours);
    settle();
}

// Thousands of files that go into empty send buffers at once: a tick is no longer for that.
TEST_P(Send, ManyFilesShareTheTurnOfATick) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    if (is_direct(GetParam())) GTEST_SKIP() << "a copy through a buffer is no turn of sendfile(2)";
    constexpr std::uint64_t in_a_tick = limits::send_file_bytes_per_tick;
    constexpr std::size_t count = 8;
    const unique_descriptor file = file_with("");
    checked(::ftruncate(file.get(), static_cast<off_t>(64 * in_a_tick)), "ftruncate");
    std::array<any_send_file, count> sends;
    for (any_send_file& each : sends) {
        unique_descriptor sink(checked(::open("/dev/null", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/null"));
        each.set(adopt(sink), file, 0, 64 * in_a_tick);
        loop().submit(each);
    }
    const auto moved = [&] {
        std::uint64_t sum = 0;
        for (const any_send_file& each : sends)
            sum += each.progress;
        return sum;
    };
    ticks(1);
    for (std::size_t each = 0; each < 2 * count; ++each) {
        const std::uint64_t before = moved();
        ticks(1);
        EXPECT_EQ(moved() - before, in_a_tick);
    }
    for (const any_send_file& each : sends)
        EXPECT_GE(each.progress, 2 * in_a_tick);  // who has waited for longest goes first
    for (const any_send_file& each : sends)
        loop().close(each.target);
    settle();
}

#else

TEST_P(Send, ManyFilesShareTheTurnOfATick) { GTEST_SKIP() << "Windows has no sink that is polled"; }
TEST_P(Send, AFileThatNeverHasToWaitHasOneTurnATick) { GTEST_SKIP() << "Windows has no sink that is polled"; }

#endif

// The same of memory: hundreds of answers of some size at once are sent in several ticks, and all of them
// are.
TEST_P(Send, ManyLargeSendsShareTheTurnOfATick) {
    constexpr std::size_t count = 96;
    const std::string content = pattern(60'000);
    struct one {
        socket_pair sockets;
        handle ours;
        std::unique_ptr<a_send> send;
        received_text got;
    };
    std::vector<one> all(count);
    for (one& each : all) {
        each.sockets = tcp_pair();
        each.ours = adopt(each.sockets.ours);
        each.send = std::make_unique<a_send>(each.ours, content);
        loop().submit(*each.send);
    }
    ASSERT_GT(count * content.size(), 2 * limits::send_file_bytes_per_tick);
    const auto moved = [&] {
        std::uint64_t sum = 0;
        for (const one& each : all)
            sum += each.send->progress;
        return sum;
    };
    // A tick may begin with the turn that the one before has left, a turn may be one send too long, and the
    // last bytes of a send need none. When the kernel sends (io_uring) or the peer has room (sim), ticks do
    // not tell.
    const std::uint64_t most =
        2 * (limits::send_file_bytes_per_tick + content.size()) + count * limits::buffer_bytes;
    const bool ticks_tell = !on_uring() && !on_sim() && is_posix;
    std::uint64_t before = 0;
    ASSERT_TRUE(run_until([&] {
        if (ticks_tell) {
            EXPECT_LE(moved() - before, most);
        }
        before = moved();
        bool whole = true;
        for (one& each : all) {
            each.got.read_from(each.sockets.peer.get());
            whole = whole && each.got.data.size() == content.size() && each.send->done();
        }
        return whole;
    }));
    for (const one& each : all) {
        EXPECT_TRUE(each.got.data == content);
        loop().close(each.ours);
    }
}

// What waits for its turn is cancelled, closed and sent behind like all that waits.
TEST_P(Send, ALargeSendThatWaitsForItsTurnEndsLikeAny) {
    constexpr std::size_t count = 48;
    const std::string content = pattern(60'000);
    std::vector<socket_pair> sockets;
    std::vector<handle> ours;
    std::vector<std::unique_ptr<a_send>> sends;
    for (std::size_t each = 0; each < count; ++each) {
        sockets.push_back(tcp_pair());
        ours.push_back(adopt(sockets.back().ours));
        sends.push_back(std::make_unique<a_send>(ours.back(), content));
        loop().submit(*sends.back());
    }
    a_send behind(ours.back(), "behind");
    a_send cancelled(ours[count - 2], "never");
    loop().submit(behind);
    loop().submit(cancelled);
    ticks(1);
    loop().cancel(cancelled);
    loop().cancel(*sends[count - 2]);
    loop().close(ours[count - 3]);
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.back().peer.get());
        return behind.done() && got.data.size() == content.size() + 6 && cancelled.done() &&
               sends[count - 2]->done() && sends[count - 3]->done();
    }));
    EXPECT_TRUE(got.data == content + "behind");
    ours.erase(ours.end() - 3);
    for (const handle each : ours)
        loop().close(each);
    ASSERT_TRUE(
        run_until([&] { return std::ranges::all_of(sends, [](const auto& each) { return each->done(); }); }));
}

TEST_P(Send, APeerThatGoesInTheMiddleEndsTheSend) {
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    a_send send(ours, pattern(3'000'000));
    a_send next(ours, "never");
    loop().submit(send);
    loop().submit(next);
    ticks(4);
    ASSERT_EQ(send.completions, 0);
    reset_connection(sockets.peer);
    ASSERT_TRUE(run_until(send));
    EXPECT_TRUE(send.error() == std::errc::broken_pipe || send.error() == std::errc::connection_reset);
    ASSERT_TRUE(run_until(next));
    EXPECT_TRUE(next.failed());
    loop().close(ours);
}

TEST_P(Send, MoreToComeIsSentAllTheSame) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    a_send head(ours, "head ");
    head.flags = operation_flags::more;
    a_send body(ours, "body");
    loop().submit(head);
    loop().submit(body);
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() == 9;
    }));
    EXPECT_EQ(got.data, "head body");
    ASSERT_TRUE(run_until(body));
    EXPECT_EQ(head.completions, 1);
    loop().close(ours);
}

TEST_P(Send, BothDirectionsGoOnAtTheSameTime) {
    auto sockets = tcp_pair(16384, 16384);
    const handle ours = adopt(sockets.ours);
    const std::string inwards = pattern(500'000, 2);
    a_send send(ours, pattern(500'000, 3));
    std::string got;
    a_recv recv(ours);
    recv.then = [&] {
        ASSERT_FALSE(recv.failed());
        got += recv.take(loop());
        if (got.size() < inwards.size()) loop().submit(recv);
    };
    loop().submit(send);
    loop().submit(recv);
    std::size_t written = 0;
    received_text out;
    ASSERT_TRUE(run_until(
        [&] {
            written += write_some(sockets.peer.get(), std::string_view(inwards).substr(written, 20'000));
            out.read_from(sockets.peer.get(), 20'000);
            return send.done() && got.size() == inwards.size() && out.data.size() == send.text.size();
        },
        30s));
    EXPECT_TRUE(got == inwards);
    EXPECT_TRUE(out.data == send.text);
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
