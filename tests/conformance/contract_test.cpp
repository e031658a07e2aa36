// The contract of an operation (naru/loop/operation.hpp), rule by rule.
#include "support/conformance.hpp"

#include <vector>

namespace naru::testing {
namespace {

class Contract : public conformance {};
NARU_ON_EVERY_BACKEND(Contract);

TEST_P(Contract, AReceiveCompletesOnceAndNeverInsideSubmit) {
    auto sockets = local_pair();
    write_all(sockets.peer.get(), "ready before anybody asks");
    const handle ours = adopt(sockets.ours);
    a_recv recv(ours);
    loop().submit(recv);
    EXPECT_EQ(recv.completions, 0);
    EXPECT_FALSE(recv.idle());
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "ready before anybody asks");
    EXPECT_EQ(recv.where, std::this_thread::get_id());
    ticks(5);
    EXPECT_EQ(recv.completions, 1);
    EXPECT_TRUE(recv.idle());
    loop().close(ours);
}

TEST_P(Contract, ASendCompletesOnceAndNeverInsideSubmit) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_send send(ours, "hello");
    loop().submit(send);
    EXPECT_EQ(send.completions, 0);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.result, 5);
    EXPECT_EQ(send.progress, 5u);
    ticks(5);
    EXPECT_EQ(send.completions, 1);
    received_text got;
    got.read_from(sockets.peer.get());
    EXPECT_EQ(got.data, "hello");
    loop().close(ours);
}

TEST_P(Contract, NothingCompletesInsideCancelOrClose) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv first(ours);
    a_recv second(ours);
    loop().submit(first);
    loop().submit(second);
    ticks(3);
    loop().cancel(first);
    EXPECT_EQ(first.completions, 0);
    loop().close(ours);
    EXPECT_EQ(second.completions, 0);
    ASSERT_TRUE(run_until(second));
    EXPECT_EQ(first.completions, 1);
    EXPECT_EQ(first.error(), std::errc::operation_canceled);
    EXPECT_EQ(second.error(), std::errc::operation_canceled);
}

TEST_P(Contract, NoHandlerRunsInsideAnother) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    write_all(sockets.peer.get(), "x");
    a_recv_into recv(ours, 1);
    a_send send(ours, "y");
    on_handle close(operation_kind::close, ours);
    bool inside = false;
    recv.then = [&] {
        inside = true;
        loop().submit(send);
        loop().submit(close);
        loop().cancel(send);
        inside = false;
    };
    send.then = [&] { EXPECT_FALSE(inside); };
    close.then = [&] { EXPECT_FALSE(inside); };
    loop().submit(recv);
    ASSERT_TRUE(run_until(close));
    EXPECT_EQ(send.completions, 1);
}

TEST_P(Contract, AHandlerMayResubmitItsOperation) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into recv(ours, 3);
    std::string all;
    recv.then = [&] {
        all += recv.text();
        if (recv.completions < 4) loop().submit(recv);
    };
    loop().submit(recv);
    write_all(sockets.peer.get(), "abcdef");
    ASSERT_TRUE(run_until([&] { return all.size() == 6; }));
    write_all(sockets.peer.get(), "ghijkl");
    ASSERT_TRUE(run_until([&] { return recv.completions == 4; }));
    EXPECT_EQ(all, "abcdefghijkl");
    loop().close(ours);
}

TEST_P(Contract, AHandlerMayDestroyItsOperation) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    write_all(sockets.peer.get(), "x");
    auto recv = std::make_unique<a_recv_into>(ours, 8);
    auto send = std::make_unique<a_send>(ours, "bye");
    auto close = std::make_unique<on_handle>(operation_kind::close, ours);
    recv->then = [&] { recv.reset(); };
    send->then = [&] {
        send.reset();
        loop().submit(*close);
    };
    close->then = [&] { close.reset(); };
    loop().submit(*recv);
    loop().submit(*send);
    run_until([&] { return recv == nullptr && send == nullptr && close == nullptr; });
}

TEST_P(Contract, CancelledMemoryIsNotWrittenToAfterCompletion) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into recv(ours, 16);
    loop().submit(recv);
    ticks(3);
    loop().cancel(recv);
    ASSERT_TRUE(run_until(recv));
    ASSERT_EQ(recv.error(), std::errc::operation_canceled);
    write_all(sockets.peer.get(), "later");
    a_recv_into next(ours, 16);
    loop().submit(next);
    ASSERT_TRUE(run_until(next));
    EXPECT_EQ(next.text(), "later");
    EXPECT_EQ(recv.memory, std::string(16, '.'));
    loop().close(ours);
}

TEST_P(Contract, ReceivesCompleteInTheOrderOfTheirSubmission) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    std::vector<std::unique_ptr<a_recv_into>> recvs;
    std::string order;
    std::string text;
    for (char name = 'a'; name < 'i'; ++name) {
        recvs.push_back(std::make_unique<a_recv_into>(ours, 2));
        a_recv_into& each = *recvs.back();
        each.then = [&, name] {
            order += name;
            text += each.text();
        };
        loop().submit(each);
    }
    const std::string sent = "00112233445566778";
    for (const char each : sent) {
        write_all(sockets.peer.get(), std::string(1, each));
        if (each % 3 == 0) ticks(1);
    }
    ASSERT_TRUE(run_until([&] { return order.size() == recvs.size(); }));
    EXPECT_EQ(order, "abcdefgh");
    EXPECT_EQ(text, sent.substr(0, text.size()));
    loop().close(ours);
}

TEST_P(Contract, SendsCompleteInTheOrderOfTheirSubmission) {
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    std::vector<std::unique_ptr<a_send>> sends;
    std::string order;
    std::string expected;
    for (char name = 'a'; name < 'g'; ++name) {
        sends.push_back(std::make_unique<a_send>(ours, pattern(100'000, static_cast<std::uint32_t>(name))));
        expected += sends.back()->text;
        sends.back()->then = [&order, name] { order += name; };
        loop().submit(*sends.back());
    }
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get(), 50'000);
        return got.data.size() == expected.size();
    }));
    ASSERT_TRUE(run_until([&] { return order.size() == sends.size(); }));
    EXPECT_EQ(order, "abcdef");
    EXPECT_TRUE(got.data == expected);
    loop().close(ours);
}

TEST_P(Contract, EveryKindOfOperationOnAStaleHandleFails) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    on_handle close(operation_kind::close, ours);
    loop().submit(close);
    ASSERT_TRUE(run_until(close));
    EXPECT_EQ(close.result, 0);
    EXPECT_EQ(loop().descriptor(ours), -1);
    using kind_of = operation_kind;
    for (const kind_of kind : {kind_of::accept, kind_of::recv, kind_of::recv_into, kind_of::readable,
                               kind_of::connect, kind_of::writable, kind_of::close, kind_of::release}) {
        on_handle stale(kind, ours);
        loop().submit(stale);
        ASSERT_TRUE(run_until(stale));
        EXPECT_EQ(stale.error(), std::errc::bad_file_descriptor) << static_cast<int>(kind);
    }
    a_send send(ours, "x");
    loop().submit(send);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.error(), std::errc::bad_file_descriptor);
    any_send_file file;
    file.set(ours, lent_descriptor(0), 0, 1);
    loop().submit(file);
    ASSERT_TRUE(run_until([&] { return file.done(); }));
    EXPECT_EQ(file.error(), std::errc::bad_file_descriptor);
}

TEST_P(Contract, ANumberUsedAgainDoesNotGetTheOldOnesEvents) {
    for (int round = 0; round < 20; ++round) {
        auto old = local_pair();
        auto fresh = local_pair();
        const int number = old.ours.get();
        const handle before = adopt(old.ours);
        a_recv first(before);
        loop().submit(first);
        ticks(2);
        on_handle close(operation_kind::close, before);
        loop().submit(close);
        if (round % 2 == 0) write_all(old.peer.get(), "for the old one");
        ASSERT_TRUE(run_until(close));
        ASSERT_EQ(first.completions, 1);
        (void)first.take(loop());
        ASSERT_FALSE(is_open(number));
        unique_descriptor again = duplicate_from(fresh.ours.get(), number);
        if (again.get() != number) GTEST_SKIP() << "the system has given another number";
        fresh.ours.reset();
        const handle after = adopt(again);
        EXPECT_NE(after, before);
        a_recv second(after);
        loop().submit(second);
        ticks(3);
        EXPECT_EQ(second.completions, 0);
        write_all(fresh.peer.get(), "for the new one");
        ASSERT_TRUE(run_until(second));
        EXPECT_EQ(second.take(loop()), "for the new one");
        a_recv stale(before);
        loop().submit(stale);
        ASSERT_TRUE(run_until(stale));
        EXPECT_EQ(stale.error(), std::errc::bad_file_descriptor);
        loop().close(after);
        settle();
    }
}

TEST_P(Contract, EndOfStreamIsAResultOfItsOwn) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    write_all(sockets.peer.get(), "last words");
    sockets.peer.reset();
    a_recv recv(ours);
    loop().submit(recv);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "last words");
    for (int again = 0; again < 2; ++again) {
        a_recv after(ours);
        loop().submit(after);
        ASSERT_TRUE(run_until(after));
        EXPECT_EQ(after.error(), errc::end_of_stream);
        a_recv_into into(ours, 10);
        loop().submit(into);
        ASSERT_TRUE(run_until(into));
        EXPECT_EQ(into.error(), errc::end_of_stream);
    }
    loop().close(ours);
}

TEST_P(Contract, EndOfStreamReachesAPendingReceiveIntoOwnMemory) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into recv(ours, 10);
    loop().submit(recv);
    ticks(3);
    sockets.peer.reset();
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.error(), errc::end_of_stream);
    loop().close(ours);
}

TEST_P(Contract, AfterThePeersHalfCloseWeStillSend) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    a_recv recv(ours);
    loop().submit(recv);
    ticks(2);
    ASSERT_EQ(end_sending(sockets.peer.get()), 0);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.error(), errc::end_of_stream);
    a_send send(ours, pattern(300'000));
    loop().submit(send);
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return send.done() && got.data.size() == send.text.size();
    }));
    EXPECT_TRUE(got.data == send.text);
    loop().close(ours);
}

TEST_P(Contract, AResetByThePeerIsAnError) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    a_recv recv(ours);
    loop().submit(recv);
    ticks(2);
    reset_connection(sockets.peer);
    ASSERT_TRUE(run_until(recv));
    loop().close(ours);
    if (recv.error() == errc::end_of_stream && !system_tells_resets())
        GTEST_SKIP() << "this system shows a reset as an end";
    EXPECT_EQ(recv.error(), std::errc::connection_reset);
}

TEST_P(Contract, ReadableAndWritableTellAndTakeNothing) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    on_handle writable(operation_kind::writable, ours);
    loop().submit(writable);
    ASSERT_TRUE(run_until(writable));
    EXPECT_EQ(writable.result, 0);
    on_handle readable(operation_kind::readable, ours);
    loop().submit(readable);
    ticks(4);
    EXPECT_EQ(readable.completions, 0);
    write_all(sockets.peer.get(), "text");
    ASSERT_TRUE(run_until(readable));
    EXPECT_EQ(readable.result, 0);
    readable.completions = 0;  // not read meanwhile: told again
    loop().submit(readable);
    ASSERT_TRUE(run_until(readable));
    a_recv recv(ours);
    loop().submit(recv);
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "text");
    loop().close(ours);
}

TEST_P(Contract, WritableWaitsForRoom) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    const std::string block(65536, 'x');
    std::size_t filled = 0;
    {
        const borrowed_descriptor socket = loop().borrow(ours);
        while (const std::size_t step = write_some(socket.get(), block))
            filled += step;
    }
    on_handle writable(operation_kind::writable, ours);
    writable.then = [&] {
        // Spurious reports are allowed: ask again until there is room.
        if (send_some(loop().borrow(ours).get(), "!") < 0) loop().submit(writable);
    };
    loop().submit(writable);
    ticks(4);
    EXPECT_LE(writable.completions, 2);
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() == filled + 1;
    }));
    EXPECT_EQ(got.data.back(), '!');
    settle();
    loop().close(ours);
}

TEST_P(Contract, ALateOperationOfTheWrongKindFailsInsteadOfHanging) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    on_handle accept(operation_kind::accept, ours);
    loop().submit(accept);
    write_all(sockets.peer.get(), "x");
    ASSERT_TRUE(run_until(accept));
    EXPECT_TRUE(accept.failed());
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
