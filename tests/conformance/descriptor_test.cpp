// Descriptors at the border of the loop: of the wrong kind, closed behind its back, with a copy elsewhere,
// and with a mode that another process shares.
#include "support/conformance.hpp"

#include <vector>

#if !defined(_WIN32)
#include <cstring>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#endif

namespace naru::testing {
namespace {

class Descriptors : public conformance {
 protected:
    /// Submits one operation and returns how it has ended.
    std::error_code outcome_of(operation_kind kind, handle on) {
        std::byte memory[16];
        std::int64_t result = 0;
        if (kind == operation_kind::send) {
            a_send send(on, "x");
            loop().submit(send);
            EXPECT_TRUE(run_until(send));
            result = send.result;
        } else {
            on_handle op(kind, on);
            if (kind == operation_kind::recv_into) op.data = memory, op.count = sizeof memory;
            loop().submit(op);
            EXPECT_TRUE(run_until(op));
            result = op.result;
        }
        return result < 0 ? outcome::to_error(result) : std::error_code();
    }
};
NARU_ON_EVERY_BACKEND(Descriptors);

TEST_P(Descriptors, WhatAKindHasNotIsRefusedAtOnce) {
    auto sockets = local_pair();
    unique_descriptor listening = listening_socket();
    unique_descriptor watched = local_pair().ours;
    const handle stream = adopt(sockets.ours);
    const handle listener = adopt(listening, descriptor_kind::listener);
    const handle other = adopt(watched, descriptor_kind::other);
    const handle file = loop().reserve_file().value();
    const struct {
        operation_kind kind;
        handle on;
        const char* what;
    } refused[] = {
        {operation_kind::accept, stream, "accept on a stream"},
        {operation_kind::accept, other, "accept on what can be polled only"},
        {operation_kind::accept, file, "accept on a file"},
        {operation_kind::recv, listener, "recv on a listener"},
        {operation_kind::recv, other, "recv on what can be polled only"},
        {operation_kind::recv_into, listener, "recv_into on a listener"},
        {operation_kind::recv_into, file, "recv_into on a file"},
        {operation_kind::send, listener, "send on a listener"},
        {operation_kind::send, other, "send on what can be polled only"},
        {operation_kind::connect, listener, "connect on a listener"},
        {operation_kind::readable, file, "readable on a file"},
        {operation_kind::work, stream, "work that no pool has"},
    };
    for (const auto& each : refused)
        EXPECT_EQ(outcome_of(each.kind, each.on), std::errc::invalid_argument) << each.what;
    for (const handle each : {stream, listener, other, file})
        loop().close(each);
}

TEST_P(Descriptors, OneThatIsNoneIsRefused) {
    for (const descriptor_kind kind : {descriptor_kind::stream, descriptor_kind::socket,
                                       descriptor_kind::listener, descriptor_kind::datagram}) {
        const auto attached = loop().attach(-1, kind);
        ASSERT_FALSE(attached);
        EXPECT_EQ(attached.error(), std::errc::bad_file_descriptor);
    }
}

#if !defined(_WIN32)

// A number whose file is gone. Whoever shares the wait with it must not notice.
TEST_P(Descriptors, ANumberThatWasClosedEndsWhatWaitsForIt) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const operation_kind kind :
         {operation_kind::recv, operation_kind::readable, operation_kind::writable}) {
        auto others = local_pair();
        const handle other = adopt(others.ours);
        a_recv receiving(other);
        loop().submit(receiving);
        ticks(2);
        unique_descriptor gone = local_pair().ours;
        const int number = gone.get();
        gone.reset();
        const handle closed = loop().attach(number, descriptor_kind::stream).value();
        // An empty send buffer is guessed of a stream: the guess is used up first.
        if (kind == operation_kind::writable) (void)outcome_of(kind, closed);
        EXPECT_EQ(outcome_of(kind, closed), std::errc::bad_file_descriptor) << static_cast<int>(kind);
        write_all(others.peer.get(), "x");
        ASSERT_TRUE(run_until(receiving));
        EXPECT_EQ(receiving.take(loop()), "x");
        loop().close(closed);
        loop().close(other);
        settle();
    }
}

// Closing a number takes it out of an epoll set only if it is the last that names its file.
TEST_P(Descriptors, ANumberThatComesBackForTheSameFileIsWatchedAgain) {
    auto sockets = local_pair();
    const int number = sockets.ours.get();
    unique_descriptor copy = duplicate_from(number, 0);
    const handle before = adopt(sockets.ours);
    a_recv first(before);
    loop().submit(first);
    ticks(3);
    loop().close(before);
    ASSERT_TRUE(run_until(first));
    EXPECT_EQ(first.error(), std::errc::operation_canceled);
    ASSERT_TRUE(run_until([&] { return !is_open(number); }));
    unique_descriptor again = duplicate_from(copy.get(), number);
    ASSERT_EQ(again.get(), number);
    const handle after = adopt(again);
    a_recv second(after);
    loop().submit(second);
    ticks(3);
    ASSERT_EQ(second.completions, 0) << second.error().message();
    write_all(sockets.peer.get(), "for the second");
    ASSERT_TRUE(run_until(second));
    EXPECT_EQ(second.take(loop()), "for the second");
    loop().close(after);
}

// A number past what select can watch, be it the one that wakes the loop.
TEST_P(Descriptors, AnEngineThatCannotWatchItsOwnWakeIsRefused) {
    const descriptor_limit raised(2048);
    std::vector<unique_descriptor> taken;
    while (true) {
        taken.push_back(duplicate_from(0, 3));
        if (!taken.back()) GTEST_SKIP() << "too few descriptors here";
        if (taken.back().get() >= 1100) break;
    }
    backend_choice choice = GetParam().make();
    if (GetParam().name == "select") {
        EXPECT_EQ(choice.backend, nullptr);
        EXPECT_NE(choice.reason.find("FD_SETSIZE"), std::string::npos) << choice.reason;
        return;
    }
    ASSERT_NE(choice.backend, nullptr) << choice.reason;
    naru::loop other(std::move(choice.backend));
    bool ran = false;
    other.post([&] { ran = true; });
    ASSERT_TRUE(testing::run_until(other, [&] { return ran; }));
}

// A read that ends short of its memory says of TCP that there is no more, and of nothing else.
TEST_P(Descriptors, WhatIsBehindTheBorderOfAReadIsReadWithoutAnotherWrite) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
        int ends[2];
        checked(::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), "socketpair");
        unique_descriptor ours_end(ends[0]);
        const unique_descriptor peer(ends[1]);
        const handle ours = adopt(ours_end);
        // A message with a descriptor: a read ends behind it.
        std::string text = "one";
        iovec piece{.iov_base = text.data(), .iov_len = text.size()};
        alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = space;
        message.msg_controllen = sizeof space;
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        const int standard_input = 0;
        std::memcpy(CMSG_DATA(header), &standard_input, sizeof standard_input);
        checked(static_cast<int>(::sendmsg(peer.get(), &message, MSG_NOSIGNAL)), "sendmsg");
        write_all(peer.get(), "two");
        write_all(peer.get(), "three");
        std::string got;
        while (got.size() < 11) {
            a_recv recv(ours);
            loop().submit(recv);
            ASSERT_TRUE(run_until(recv)) << "after " << got;
            got += recv.take(loop());
        }
        EXPECT_EQ(got, "onetwothree");
        loop().close(ours);
    }
}

int flags_of(int descriptor) { return ::fcntl(descriptor, F_GETFL); }

/// Lets an operation wait for 50 ms, in which nothing happens. False if the loop spins meanwhile.
bool waits_quietly(naru::loop& on) {
    bool over = false;
    struct end_timer : timer {
        explicit end_timer(bool& flag)
            : timer([](timer& self) noexcept { static_cast<end_timer&>(self).over = true; }), over(flag) {}
        bool& over;
    } end(over);
    on.arm(end, clock::now() + 50ms);
    int rounds = 0;
    on.run_until([&] {
        ++rounds;
        return over;
    });
    return rounds < 200;
}

TEST_P(Descriptors, TheModeOfWhatComesFromOutsideIsLeftAlone) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const bool blocking : {false, true}) {
        auto sockets = local_pair();
        auto [datagrams, other_end] = make_local_datagram_pair();
        int ends[2];
        checked(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), "pipe2");
        unique_descriptor pipe_end(ends[0]);
        const unique_descriptor write_end(ends[1]);
        for (const auto& [descriptor, kind] : {std::pair{&sockets.ours, descriptor_kind::stream},
                                               {&datagrams, descriptor_kind::datagram},
                                               {&pipe_end, descriptor_kind::other}}) {
            if (blocking) checked(::fcntl(descriptor->get(), F_SETFL, 0), "fcntl");
            const unique_descriptor copy = duplicate_from(descriptor->get(), 0);
            const int before = flags_of(copy.get());
            const handle adopted = adopt(*descriptor, kind, ownership::shared);
            ticks(2);
            EXPECT_EQ(flags_of(copy.get()), before);
            on_handle release(operation_kind::release, adopted);
            loop().submit(release);
            ASSERT_TRUE(run_until(release));
            const unique_descriptor released(static_cast<int>(release.result));
            EXPECT_EQ(flags_of(copy.get()), before);
        }
    }
}

TEST_P(Descriptors, AListenerThatAnotherSharesKeepsItsModeAndAccepts) {
    unique_descriptor listening = listening_socket();
    const address where = local_of(listening.get()).value();
    const unique_descriptor copy = duplicate_from(listening.get(), 0);
    const int before = flags_of(copy.get());
    ASSERT_NE(before & O_NONBLOCK, 0);
    const handle listener = adopt(listening, descriptor_kind::listener, ownership::shared);
    for (int round = 0; round < 3; ++round) {
        on_handle accept(operation_kind::accept, listener);
        loop().submit(accept);
        EXPECT_TRUE(waits_quietly(loop()));
        EXPECT_EQ(accept.completions, 0);
        EXPECT_EQ(flags_of(copy.get()), before);
        const unique_descriptor client = connect_to(where);
        ASSERT_TRUE(run_until(accept));
        ASSERT_FALSE(accept.failed()) << accept.error().message();
        write_all(client.get(), "x");
        a_recv recv(handle::unpack(accept.result));
        loop().submit(recv);
        ASSERT_TRUE(run_until(recv));
        EXPECT_EQ(recv.take(loop()), "x");
        loop().close(recv.target);
    }
    EXPECT_EQ(flags_of(copy.get()), before);
    loop().close(listener);
}

TEST_P(Descriptors, WhatWouldWaitInTheCallIsRefusedInBlockingMode) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const descriptor_kind kind : {descriptor_kind::listener, descriptor_kind::socket}) {
        unique_descriptor socket =
            kind == descriptor_kind::listener ? listening_socket() : blocking_socket(AF_INET);
        checked(::fcntl(socket.get(), F_SETFL, 0), "fcntl");
        const int number = socket.get();
        const auto attached = loop().attach(socket.release(), kind);
        ASSERT_FALSE(attached);
        EXPECT_EQ(attached.error(), errc::blocking_descriptor);
        EXPECT_FALSE(is_open(number));
    }
}

// Both directions of a connection whose mode is what another process has made of it: full, empty, and to the
// end.
TEST_P(Descriptors, AConnectionThatAnotherSharesWaitsInEitherMode) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const bool blocking : {false, true}) {
        auto sockets = tcp_pair(8192, 8192);
        checked(::fcntl(sockets.ours.get(), F_SETFL, blocking ? 0 : O_NONBLOCK), "fcntl");
        const unique_descriptor copy = duplicate_from(sockets.ours.get(), 0);
        const int before = flags_of(copy.get());
        const handle ours = adopt(sockets.ours, descriptor_kind::stream, ownership::shared);
        const std::string content = pattern(300'000);
        const unique_descriptor file = file_with(content);
        a_send send(ours, content);
        any_send_file sends_file;
        sends_file.set(ours, file, 0, content.size());
        a_recv_into recv(ours, 100);
        loop().submit(send);
        loop().submit(sends_file);
        loop().submit(recv);
        EXPECT_TRUE(waits_quietly(loop())) << (blocking ? "blocking" : "non-blocking");
        EXPECT_FALSE(send.done());
        EXPECT_FALSE(recv.done());
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get(), 10'000);
            return send.done();
        }));
        EXPECT_TRUE(waits_quietly(loop()));
        EXPECT_EQ(flags_of(copy.get()), before);
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get());
            return sends_file.done() && got.data.size() == 2 * content.size();
        }));
        EXPECT_TRUE(got.data == content + content);
        write_all(sockets.peer.get(), "text");
        ASSERT_TRUE(run_until(recv));
        EXPECT_EQ(recv.text(), "text");
        EXPECT_EQ(flags_of(copy.get()), before);
        loop().close(ours);
        settle();
    }
}

// The system tells a reset once, here to a file's send that is being ended by the release.
TEST_P(Descriptors, AResetThatMeetsAFileOfAReleasedConnectionGoesWithItInEitherMode) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    if (!system_tells_resets()) GTEST_SKIP() << "this system shows a reset as an end";
    for (const bool blocking : {false, true}) {
        SCOPED_TRACE(blocking ? "blocking" : "non-blocking");
        auto sockets = tcp_pair();
        const int number = sockets.ours.get();
        reset_connection(sockets.peer);
        ASSERT_TRUE(wait_for(number, POLLHUP, 10'000));
        checked(::fcntl(number, F_SETFL, blocking ? 0 : O_NONBLOCK), "fcntl");
        const handle ours = adopt(sockets.ours, descriptor_kind::stream, ownership::shared);
        const unique_descriptor file = file_with("text");
        any_send_file send;
        send.set(ours, file, 0, 4);
        on_handle release(operation_kind::release, ours);
        received_ahead ahead;
        release.ahead = &ahead;
        loop().submit(send);
        loop().submit(release);
        ASSERT_TRUE(run_until([&] { return send.done() && release.done(); }));
        EXPECT_TRUE(send.failed());
        ASSERT_FALSE(release.failed()) << release.error().message();
        const auto again = loop().attach(static_cast<int>(release.result), descriptor_kind::stream,
                                         ownership::shared, std::move(ahead));
        ASSERT_TRUE(again) << again.error().message();
        a_recv recv(*again);
        loop().submit(recv);
        ASSERT_TRUE(run_until(recv));
        EXPECT_EQ(recv.error(), std::errc::connection_reset) << recv.error().message();
        loop().close(*again);
        settle();
    }
}

TEST_P(Descriptors, DatagramsThatAnotherSharesWaitInEitherMode) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    for (const bool blocking : {false, true}) {
        auto [ours_end, peer] = make_local_datagram_pair();
        checked(::fcntl(ours_end.get(), F_SETFL, blocking ? 0 : O_NONBLOCK), "fcntl");
        const handle ours = adopt(ours_end, descriptor_kind::datagram, ownership::shared);
        std::string memory(100, '.');
        tracked<receive_from_operation> receive;
        receive.set(ours, std::as_writable_bytes(std::span(memory)));
        loop().submit(receive);
        std::vector<std::unique_ptr<tracked<send_to_operation>>> sends;
        const std::string text(1000, 'x');
        for (int each = 0; each < 1000; ++each) {
            sends.push_back(std::make_unique<tracked<send_to_operation>>());
            sends.back()->set(ours, as_bytes(text), nullptr, 0);
            loop().submit(*sends.back());
        }
        EXPECT_TRUE(waits_quietly(loop()));
        EXPECT_FALSE(receive.done());
        EXPECT_FALSE(sends.back()->done());
        std::size_t got = 0;
        ASSERT_TRUE(run_until([&] {
            char chunk[2000];
            while (receive_some(peer.get(), chunk, sizeof chunk) > 0)
                ++got;
            return got == sends.size();
        }));
        ASSERT_TRUE(run_until([&] { return sends.back()->done(); }));
        write_all(peer.get(), "text");
        ASSERT_TRUE(run_until(receive));
        EXPECT_EQ(memory.substr(0, static_cast<std::size_t>(receive.result)), "text");
        loop().close(ours);
        settle();
    }
}

// TCP makes a connection of one socket out of a connect to its own address. Here it is bound to it; else it
// takes a connect to a port of the ephemeral range that nobody listens on, and luck.
TEST_P(Descriptors, AConnectToItselfIsRefused) {
    for (const char* any : {"127.0.0.1:0", "[::1]:0"}) {
        const address family = address::parse(any).value();
        unique_descriptor socket = open_stream_socket(family).value();
        if (::bind(socket.get(), static_cast<const sockaddr*>(family.data()), family.size()) != 0) continue;
        const address itself = local_of(socket.get()).value();
        const handle ours = adopt(socket, descriptor_kind::socket);
        a_connect connect(ours, itself);
        loop().submit(connect);
        ASSERT_TRUE(run_until(connect));
        EXPECT_EQ(connect.error(), std::errc::connection_refused) << any;
        a_send send(ours, "to nobody");
        loop().submit(send);
        ASSERT_TRUE(run_until(send));
        EXPECT_TRUE(send.failed());
        loop().close(ours);
        settle();
    }
}

#endif

}  // namespace
}  // namespace naru::testing
