// Closing: stop, cancel, join what is in flight, then let go of the descriptor.
#include "support/conformance.hpp"

#include <array>
#include <vector>

namespace naru::testing {
namespace {

class Close : public conformance {};
NARU_ON_EVERY_BACKEND(Close);

TEST_P(Close, APendingReceiveIsCancelledFirstAndThePeerSeesTheEnd) {
    for (const bool into_own_memory : {false, true}) {
        auto sockets = tcp_pair();
        const handle ours = adopt(sockets.ours);
        std::string order;
        a_recv recv(ours);
        a_recv_into into(ours, 8);
        on_handle& pending = into_own_memory ? static_cast<on_handle&>(into) : recv;
        on_handle close(operation_kind::close, ours);
        pending.then = [&] { order += "recv "; };
        close.then = [&] { order += "close"; };
        loop().submit(pending);
        ticks(3);
        loop().submit(close);
        ASSERT_TRUE(run_until(close));
        EXPECT_EQ(order, "recv close");
        EXPECT_EQ(pending.error(), std::errc::operation_canceled);
        EXPECT_EQ(close.result, 0);
        received_text got;
        ASSERT_TRUE(run_until([&] {
            got.read_from(sockets.peer.get());
            return got.ended || got.error != 0;
        }));
        EXPECT_TRUE(got.ended);
    }
}

TEST_P(Close, EverythingInFlightOnTheHandleEndsBeforeIt) {
    if (is_zero_copy(GetParam())) GTEST_SKIP() << "what was sent without a copy ends when the peer has it";
    auto sockets = tcp_pair(8192, 8192);
    const handle ours = adopt(sockets.ours);
    int ended = 0;
    a_recv_into into(ours, 8);
    a_recv recv(ours);
    on_handle readable(operation_kind::readable, ours);
    const std::array<any_operation*, 3> waiting{&into, &recv, &readable};
    for (any_operation* each : waiting) {
        each->then = [&] { ++ended; };
        loop().submit(*each);
    }
    a_send send(ours, pattern(5'000'000));
    a_send after(ours, "after it");
    on_handle writable(operation_kind::writable, ours);
    send.then = after.then = writable.then = [&] { ++ended; };
    loop().submit(send);
    loop().submit(after);
    loop().submit(writable);
    ticks(3);
    ASSERT_EQ(ended, 0);
    on_handle close(operation_kind::close, ours);
    close.then = [&] { EXPECT_EQ(ended, 6); };
    loop().submit(close);
    ASSERT_TRUE(run_until(close));
    for (any_operation* each : waiting)
        EXPECT_EQ(each->error(), std::errc::operation_canceled);
    EXPECT_EQ(send.error(), std::errc::operation_canceled);
    EXPECT_EQ(after.error(), std::errc::operation_canceled);
    EXPECT_EQ(writable.error(), std::errc::operation_canceled);
}

TEST_P(Close, TheDescriptorIsClosedWhenTheOperationCompletes) {
    for (const bool with_receive : {false, true}) {
        auto sockets = tcp_pair();
        const int number = sockets.ours.get();
        const handle ours = adopt(sockets.ours);
        a_recv recv(ours);
        if (with_receive) loop().submit(recv);
        ticks(2);
        on_handle close(operation_kind::close, ours);
        close.then = [&] { EXPECT_FALSE(is_open(number)); };
        loop().submit(close);
        ASSERT_TRUE(run_until(close));
    }
}

TEST_P(Close, AListenerCanBeBoundAgainAtOnce) {
    auto listener = tcp_listener::bind(loop(), "127.0.0.1:0");
    ASSERT_TRUE(listener);
    const address where = listener->local_address().value();
    on_handle accept(operation_kind::accept, listener->native());
    loop().submit(accept);
    ticks(2);
    on_handle close(operation_kind::close, listener->native());
    bool bound = false;
    close.then = [&] {
        const auto again = open_listener(where, {});
        bound = again.has_value();
    };
    loop().submit(close);
    ASSERT_TRUE(run_until(close));
    if (is_sqpoll(GetParam())) {  // the kernel's thread lets go of it in its own time, milliseconds at most
        ASSERT_TRUE(run_until([&] { return bound || open_listener(where, {}).has_value(); }));
    } else {
        EXPECT_TRUE(bound);
    }
    EXPECT_EQ(accept.error(), std::errc::operation_canceled);
}

TEST_P(Close, OperationsSubmittedBehindItFail) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    a_recv before(ours);
    a_recv after(ours);
    on_handle close(operation_kind::close, ours);
    on_handle second_close(operation_kind::close, ours);
    loop().submit(before);
    ticks(2);
    loop().submit(close);
    loop().submit(after);
    loop().submit(second_close);
    ASSERT_TRUE(run_until(close));
    ASSERT_TRUE(run_until(second_close));
    EXPECT_EQ(before.error(), std::errc::operation_canceled);
    EXPECT_EQ(after.error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(second_close.error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(close.result, 0);
}

TEST_P(Close, CannotBeCancelled) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    on_handle close(operation_kind::close, ours);
    loop().submit(close);
    loop().cancel(close);
    ASSERT_TRUE(run_until(close));
    EXPECT_EQ(close.result, 0);
}

TEST_P(Close, WorksWithDataNobodyAskedFor) {
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv_into recv(ours, 1);
    a_recv leased(ours);
    loop().submit(leased);
    write_all(sockets.peer.get(), "x");
    ASSERT_TRUE(run_until(leased));
    EXPECT_EQ(leased.take(loop()), "x");
    write_all(sockets.peer.get(), "read by nobody");
    ticks(3);
    loop().close(ours);
    settle();
}

TEST_P(Close, TheLoopsDestructionFinishesClosesNobodyWaitsFor) {
    auto idle = tcp_pair();
    auto listening = tcp_pair();
    const handle waits = adopt(listening.ours);
    {
        tcp_stream stream = stream_of(idle.ours);
        a_recv recv(waits);
        loop().submit(recv);
        ticks(3);
        loop().close(waits);
        // An operation must not outlive its loop: it is cancelled by the close.
        ASSERT_TRUE(run_until(recv));
    }
    loop_.reset();
    for (const unique_descriptor* peer : {&idle.peer, &listening.peer}) {
        received_text got;
        ASSERT_TRUE(wait_readable(peer->get(), 10'000));
        got.read_from(peer->get());
        EXPECT_TRUE(got.ended);
    }
    auto choice = GetParam().make();
    loop_ = std::make_unique<naru::loop>(std::move(choice.backend));  // for the checks at the end
}

TEST_P(Close, TheLoopsDestructionClosesHandlesThatWereLeftOpen) {
    std::vector<unique_descriptor> peers;
    for (int each = 0; each < 50; ++each) {
        auto sockets = tcp_pair();
        const handle ours = adopt(sockets.ours);
        peers.push_back(std::move(sockets.peer));
        write_all(peers.back().get(), "ahead");
        a_recv recv(ours);
        loop().submit(recv);
        ASSERT_TRUE(run_until(recv));
        EXPECT_EQ(recv.take(loop()), "ahead");
    }
    loop_.reset();
    for (const unique_descriptor& each : peers) {
        ASSERT_TRUE(wait_readable(each.get(), 10'000));
        received_text got;
        got.read_from(each.get());
        EXPECT_TRUE(got.ended || got.error != 0);
    }
    auto choice = GetParam().make();
    loop_ = std::make_unique<naru::loop>(std::move(choice.backend));
}

TEST_P(Close, ReleaseGivesTheDescriptorBackUsable) {
    auto sockets = tcp_pair();
    const int number = sockets.ours.get();
    const handle ours = adopt(sockets.ours);
    a_recv pending(ours);
    loop().submit(pending);
    ticks(3);
    on_handle release(operation_kind::release, ours);
    loop().submit(release);
    ASSERT_TRUE(run_until(release));
    EXPECT_EQ(pending.error(), std::errc::operation_canceled);
    ASSERT_EQ(release.result, number);
    unique_descriptor back(static_cast<int>(release.result));
    EXPECT_EQ(loop().descriptor(ours), -1);
    ticks(3);
    ASSERT_TRUE(is_open(number));
    EXPECT_TRUE(is_non_blocking(back.get()));
    write_all(sockets.peer.get(), "question");
    received_text got;
    ASSERT_TRUE(run_until([&] {
        got.read_from(back.get());
        return !got.data.empty();
    }));
    EXPECT_EQ(got.data, "question");
    write_all(back.get(), "answer");
    // And it can be taken in again.
    const handle again = adopt(back);
    a_recv recv(again);
    loop().submit(recv);
    write_all(sockets.peer.get(), "second time");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "second time");
    loop().close(again);
}

TEST_P(Close, ReleasedFromOneLoopServedByAnother) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    on_handle release(operation_kind::release, ours);
    loop().submit(release);
    ASSERT_TRUE(run_until(release));
    naru::loop other(GetParam().make().backend);
    const handle there = other.attach(static_cast<int>(release.result), descriptor_kind::stream).value();
    a_recv recv(there);
    other.submit(recv);
    write_all(sockets.peer.get(), "hello there");
    ASSERT_TRUE(testing::run_until(other, [&] { return recv.done(); }));
    EXPECT_EQ(recv.take(other), "hello there");
    other.close(there);
}

}  // namespace
}  // namespace naru::testing
