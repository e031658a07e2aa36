// Cancelling is a request: the operation still completes once, and what the kernel did already stands.
#include "support/conformance.hpp"

#include <random>
#include <vector>

namespace naru::testing {
namespace {

class Cancel : public conformance {};
NARU_ON_EVERY_BACKEND(Cancel);

TEST_P(Cancel, AnIdleOperationIsLeftAlone) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into recv(ours, 4);
    loop().cancel(recv);
    ticks(3);
    EXPECT_EQ(recv.completions, 0);
    write_all(sockets.peer.get(), "data");
    loop().submit(recv);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.text(), "data");
    loop().cancel(recv);  // completed: without effect on it and on what follows
    loop().submit(recv);
    write_all(sockets.peer.get(), "more");
    ASSERT_TRUE(run_until([&] { return recv.completions == 2; }));
    EXPECT_EQ(recv.text(), "more");
    loop().close(ours);
}

TEST_P(Cancel, EveryKindEndsWhenCancelledWhileQueued) {
    auto sockets = local_pair();
    unique_descriptor listening = listening_socket();
    const handle ours = adopt(sockets.ours);
    const handle listener = adopt(listening, descriptor_kind::listener);
    const auto check = [&](auto& op) {
        loop().submit(op);
        loop().cancel(op);
        loop().cancel(op);
        EXPECT_EQ(op.completions, 0);
        ASSERT_TRUE(run_until(op));
        EXPECT_EQ(op.error(), std::errc::operation_canceled);
        ticks(3);
        EXPECT_EQ(op.completions, 1);
    };
    a_recv recv(ours);
    check(recv);
    a_recv_into into(ours, 5);
    check(into);
    on_handle readable(operation_kind::readable, ours);
    check(readable);
    on_handle accept(operation_kind::accept, listener);
    check(accept);
    a_send send(ours, "never sent");
    check(send);
    EXPECT_EQ(send.progress, 0u);
    const unique_descriptor file = file_with("never sent");
    any_send_file transfer;
    transfer.set(ours, file, 0, 10);
    check(transfer);
    received_text got;
    got.read_from(sockets.peer.get());
    EXPECT_EQ(got.data, "");
    loop().close(ours);
    loop().close(listener);
    settle();
}

TEST_P(Cancel, EveryKindEndsWhenCancelledWhilePending) {
    auto sockets = tcp_pair(8192, 8192);
    unique_descriptor listening = listening_socket();
    const handle ours = adopt(sockets.ours);
    const handle listener = adopt(listening, descriptor_kind::listener);
    const auto check = [&](auto& op) {
        loop().submit(op);
        ticks(4);
        ASSERT_EQ(op.completions, 0);
        loop().cancel(op);
        loop().cancel(op);
        ASSERT_TRUE(run_until(op));
        EXPECT_EQ(op.error(), std::errc::operation_canceled);
        ticks(3);
        EXPECT_EQ(op.completions, 1);
    };
    a_recv recv(ours);
    check(recv);
    a_recv_into into(ours, 5);
    check(into);
    on_handle readable(operation_kind::readable, ours);
    check(readable);
    on_handle accept(operation_kind::accept, listener);
    check(accept);
    auto local = local_pair();  // no room comes by itself: TCP moves what it has while nobody reads
    const handle full = adopt(local.ours);
    if (!is_zero_copy(GetParam())) {
        a_send send(full, pattern(5'000'000));
        check(send);
        // The next operations find the send buffer full: a thread of the kernel (SQPOLL) may have had no time
        // yet.
        write_some(loop().descriptor(full), pattern(5'000'000));
        on_handle writable(operation_kind::writable, full);
        check(writable);
        const unique_descriptor file = file_with(pattern(100'000));
        any_send_file transfer;
        transfer.set(full, file, 0, 100'000);
        check(transfer);
    }
    loop().close(ours);
    loop().close(full);
    loop().close(listener);
    settle();
}

TEST_P(Cancel, AnOperationInTheMiddleOfTheQueueLeavesTheOrderOfTheOthers) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into first(ours, 2);
    a_recv_into second(ours, 2);
    a_recv_into third(ours, 2);
    for (a_recv_into* each : {&first, &second, &third})
        loop().submit(*each);
    ticks(3);
    loop().cancel(second);
    ASSERT_TRUE(run_until(second));
    EXPECT_EQ(second.error(), std::errc::operation_canceled);
    EXPECT_EQ(first.completions + third.completions, 0);
    write_all(sockets.peer.get(), "aabb");
    ASSERT_TRUE(run_until(third));
    EXPECT_EQ(first.text(), "aa");
    EXPECT_EQ(third.text(), "bb");
    loop().close(ours);
}

TEST_P(Cancel, TheFirstInTheQueueMakesWayForTheNext) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into first(ours, 2);
    a_recv second(ours);
    loop().submit(first);
    loop().submit(second);
    ticks(3);
    loop().cancel(first);
    ASSERT_TRUE(run_until(first));
    write_all(sockets.peer.get(), "zz");
    ASSERT_TRUE(run_until(second));
    EXPECT_EQ(second.take(loop()), "zz");
    loop().close(ours);
}

TEST_P(Cancel, AnOperationWhoseResultIsKnownKeepsIt) {
    // Two receives complete in the same batch; the handler of whichever comes first cancels the other.
    for (int round = 0; round < 20; ++round) {
        auto one = local_pair();
        auto two = local_pair();
        const handle first_handle = adopt(one.ours);
        const handle second_handle = adopt(two.ours);
        a_recv_into first(first_handle, 8);
        a_recv_into second(second_handle, 8);
        first.then = [&] { loop().cancel(second); };
        second.then = [&] { loop().cancel(first); };
        loop().submit(first);
        loop().submit(second);
        if (round % 2 == 0) ticks(2);
        write_all(one.peer.get(), "first");
        write_all(two.peer.get(), "second");
        ASSERT_TRUE(run_until([&] { return first.done() && second.done(); }));
        ticks(2);
        EXPECT_EQ(first.completions, 1);
        EXPECT_EQ(second.completions, 1);
        // Whatever happened, no byte is lost.
        for (a_recv_into* each : {&first, &second}) {
            const std::string expected = each == &first ? "first" : "second";
            std::string text = each->text();
            if (text.empty()) {
                ASSERT_EQ(each->error(), std::errc::operation_canceled);
                each->then = nullptr;
                loop().submit(*each);
                ASSERT_TRUE(run_until([&] { return each->completions == 2; }));
                text = each->text();
            }
            EXPECT_EQ(text, expected);
        }
        loop().close(first_handle);
        loop().close(second_handle);
        settle();
    }
}

// The peer sends at random moments while receives are cancelled at random moments: every byte must come out,
// in order, of some receive.
template <class Recv>
void race_data_against_cancel(loop& on, std::uint32_t seed, std::size_t size) {
    auto sockets = tcp_pair();
    const handle ours = on.attach(sockets.ours.release(), descriptor_kind::stream).value();
    std::minstd_rand random(seed);
    const std::string sent = pattern(size, seed);
    std::size_t written = 0;
    std::string got;
    int cancelled = 0;
    int rounds = 0;
    while (got.size() < sent.size() && rounds < 100'000) {
        ++rounds;
        std::unique_ptr<Recv> recv;
        if constexpr (std::is_same_v<Recv, a_recv>) {
            recv = std::make_unique<Recv>(ours);
        } else {
            recv = std::make_unique<Recv>(ours, 1 + random() % 200);
        }
        const auto write = [&] {
            if (random() % 2 == 0)
                written += write_some(sockets.peer.get(),
                                      std::string_view(sent).substr(written, 1 + random() % 150));
        };
        write();
        on.submit(*recv);
        for (unsigned each = random() % 3; each > 0; --each)
            on.run_for_one_tick(0ms);
        write();
        for (unsigned each = random() % 2; each > 0; --each)
            on.run_for_one_tick(0ms);
        on.cancel(*recv);
        ASSERT_TRUE(testing::run_until(on, [&] { return recv->done(); }));
        if (recv->failed()) {
            ASSERT_EQ(recv->error(), std::errc::operation_canceled);
            ++cancelled;
            continue;
        }
        if constexpr (std::is_same_v<Recv, a_recv>) {
            got += recv->take(on);
        } else {
            got += recv->text();
        }
        ASSERT_TRUE(got == sent.substr(0, got.size())) << "after " << got.size() << " bytes";
    }
    EXPECT_EQ(got.size(), sent.size());
    EXPECT_GT(cancelled, 0);
    on.close(ours);
}

TEST_P(Cancel, RacingDataLosesNoByteOfAReceive) { race_data_against_cancel<a_recv>(loop(), 11, 60'000); }

TEST_P(Cancel, RacingDataLosesNoByteOfAReceiveIntoOwnMemory) {
    race_data_against_cancel<a_recv_into>(loop(), 12, 60'000);
}

// What waits behind an operation that the kernel has is taken out without a trace.
TEST_P(Cancel, AWaitingWriteBehindAStuckOneLeavesItAlone) {
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    const std::string content = pattern(1'000'000);
    const unique_descriptor file = file_with(pattern(50'000));
    for (const bool with_file : {false, true}) {
        a_send stuck(ours, content);
        a_send waiting(ours, "never sent");
        any_send_file waiting_file;
        waiting_file.set(ours, file, 0, 50'000);
        operation& second = with_file ? static_cast<operation&>(waiting_file) : waiting;
        loop().submit(stuck);
        loop().submit(second);
        ticks(4);
        loop().cancel(second);
        ASSERT_TRUE(run_until([&] { return second.idle(); }));
        EXPECT_EQ(second.error(), std::errc::operation_canceled);
        EXPECT_FALSE(stuck.done());
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get());
            return stuck.done() && got.data.size() >= content.size();
        }));
        ticks(3);
        got.read_from(sockets.peer.get());
        EXPECT_EQ(stuck.completions, 1);
        EXPECT_TRUE(got.data == content) << got.data.size();
    }
    loop().close(ours);
}

TEST_P(Cancel, ASendSaysHowFarItGot) {
    for (std::uint32_t round = 0; round < 30; ++round) {
        auto sockets = tcp_pair(8192, 8192);
        const handle ours = adopt(sockets.ours);
        a_send send(ours,
                    pattern(500'000, round));  // more than the socket holds and the peer reads meanwhile
        received_text got;
        loop().submit(send);
        for (std::uint32_t step = 0; step < round % 7; ++step) {
            ticks(1);
            got.read_from(sockets.peer.get(), 20'000);
        }
        loop().cancel(send);
        ASSERT_TRUE(run_until([&] {
            if (is_zero_copy(GetParam())) got.read_from(sockets.peer.get());
            return send.done();
        }));
        ASSERT_EQ(send.error(), std::errc::operation_canceled);
        on_handle close(operation_kind::close, ours);
        loop().submit(close);
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get());
            return got.ended;
        }));
        EXPECT_EQ(got.data.size(), send.progress);
        EXPECT_TRUE(got.data == send.text.substr(0, got.data.size()));
        ASSERT_TRUE(run_until(close));
    }
}

TEST_P(Cancel, ASendOfAFileSaysHowFarItGot) {
    const std::string content = pattern(3'000'000);
    const unique_descriptor file = file_with(content);
    for (int round = 0; round < 6; ++round) {
        auto sockets = tcp_pair(8192, 8192);
        const handle ours = adopt(sockets.ours);
        any_send_file send;
        send.set(ours, file, 0, content.size());
        received_text got;
        loop().submit(send);
        for (int step = 0; step < round; ++step) {
            ticks(1);
            got.read_from(sockets.peer.get(), 20'000);
        }
        loop().cancel(send);
        ASSERT_TRUE(run_until(send));
        ASSERT_EQ(send.error(), std::errc::operation_canceled);
        EXPECT_EQ(send.progress + send.remaining, content.size());
        loop().close(ours);
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get());
            return got.ended;
        }));
        EXPECT_EQ(got.data.size(), send.progress);
        EXPECT_TRUE(got.data == content.substr(0, got.data.size()));
    }
}

TEST_P(Cancel, AConnectionThatArrivesIsNotLostToACancelledAccept) {
    unique_descriptor listening = listening_socket();
    const address where = local_of(listening.get()).value();
    const handle listener = adopt(listening, descriptor_kind::listener);
    for (int round = 0; round < 20; ++round) {
        on_handle accept(operation_kind::accept, listener);
        loop().submit(accept);
        ticks(round % 3);
        const unique_descriptor client = connect_to(where);
        ticks(round % 2);
        loop().cancel(accept);
        ASSERT_TRUE(run_until(accept));
        if (accept.failed()) {
            ASSERT_EQ(accept.error(), std::errc::operation_canceled);
            loop().submit(accept);
            ASSERT_TRUE(run_until([&] { return accept.completions == 2; }));
        }
        ASSERT_FALSE(accept.failed()) << accept.error().message();
        const handle accepted = handle::unpack(accept.result);
        write_all(client.get(), "it is me");
        a_recv recv(accepted);
        loop().submit(recv);
        ASSERT_TRUE(run_until(recv));
        EXPECT_EQ(recv.take(loop()), "it is me");
        loop().close(accepted);
    }
    loop().close(listener);
}

}  // namespace
}  // namespace naru::testing
