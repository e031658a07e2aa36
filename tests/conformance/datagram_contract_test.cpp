// Datagrams under the contract of all operations: order, cancel, close, release, readiness and chains.
#include "support/datagram.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace naru::testing {
namespace {

class DatagramContract : public Datagram {};
NARU_ON_EVERY_BACKEND(DatagramContract);

TEST_P(DatagramContract, SeveralPendingReceivesAreServedInOrder) {
    open();
    const unique_descriptor peer = peer_on();
    std::vector<std::unique_ptr<a_receive_from>> receives;
    std::string order;
    for (int each = 0; each < 6; ++each) {
        receives.push_back(std::make_unique<a_receive_from>(ours));
        a_receive_from& receive = *receives.back();
        receive.then = [&order, &receive] { order += receive.text() + ' '; };
        loop().submit(receive);
    }
    ticks(2);
    loop().cancel(*receives[2]);  // the others keep their order
    ASSERT_TRUE(run_until(*receives[2]));
    EXPECT_EQ(receives[2]->error(), std::errc::operation_canceled);
    order.clear();
    for (const char* each : {"first", "second", "third", "fourth", "fifth"})
        write_all(peer.get(), each);
    ASSERT_TRUE(run_until(*receives[5]));
    EXPECT_EQ(order, "first second third fourth fifth ");
    EXPECT_EQ(receives[3]->text(), "third");
    loop().close(ours);
}

TEST_P(DatagramContract, WhatCameBeforeTheSocketWasTakenInIsReceived) {
    unique_descriptor made = open_datagram(local()).value();
    where = local_of(made.get()).value();
    const unique_descriptor peer = peer_on();
    write_all(peer.get(), "early");
    ours = adopt_datagrams(made);
    a_receive_from receive(ours);
    loop().submit(receive);
    ASSERT_TRUE(run_until(receive));
    EXPECT_EQ(receive.text(), "early");
    loop().close(ours);
}

TEST_P(DatagramContract, ACancelLosesNone) {
    open();
    const unique_descriptor peer = peer_on();
    a_receive_from receive(ours);
    int canceled = 0;
    for (int number = 0; number < 200; ++number) {
        receive.completions = 0;
        loop().submit(receive);
        ticks(number % 3);
        const bool before = number % 2 == 0;
        if (before) write_all(peer.get(), std::to_string(number));
        loop().cancel(receive);
        ASSERT_TRUE(run_until(receive));
        if (!before) write_all(peer.get(), std::to_string(number));
        if (receive.failed()) {
            ASSERT_EQ(receive.error(), std::errc::operation_canceled);
            ++canceled;
            loop().submit(receive);
            ASSERT_TRUE(run_until([&] { return receive.completions == 2; }));
        }
        ASSERT_EQ(receive.text(), std::to_string(number));
    }
    EXPECT_GE(canceled, 100);  // those that had nothing to receive
    loop().close(ours);
}

TEST_P(DatagramContract, CloseEndsWhatIsInFlightFirst) {
    open();
    a_receive_from first(ours);
    a_receive_from second(ours);
    on_handle readable(operation_kind::readable, ours);
    int ended = 0;
    first.then = second.then = readable.then = [&] { ++ended; };
    loop().submit(first);
    loop().submit(second);
    loop().submit(readable);
    ticks(3);
    ASSERT_EQ(ended, 0);
    on_handle close(operation_kind::close, ours);
    close.then = [&] { EXPECT_EQ(ended, 3); };
    loop().submit(close);
    ASSERT_TRUE(run_until(close));
    EXPECT_EQ(close.result, 0);
    EXPECT_EQ(first.error(), std::errc::operation_canceled);
    EXPECT_EQ(second.error(), std::errc::operation_canceled);
    EXPECT_EQ(readable.error(), std::errc::operation_canceled);
    a_receive_from after(ours);
    loop().submit(after);
    ASSERT_TRUE(run_until(after));
    EXPECT_EQ(after.error(), std::errc::bad_file_descriptor);
}

TEST_P(DatagramContract, AReleasedSocketCanBeTakenInAgain) {
    open();
    const unique_descriptor peer = peer_on();
    a_receive_from receive(ours);
    loop().submit(receive);
    ticks(2);
    on_handle release(operation_kind::release, ours);
    loop().submit(release);
    ASSERT_TRUE(run_until(release));
    EXPECT_EQ(receive.error(), std::errc::operation_canceled);
    ASSERT_GE(release.result, 0);
    unique_descriptor back(static_cast<int>(release.result));
    EXPECT_TRUE(is_non_blocking(back.get()));
    ours = adopt_datagrams(back);
    receive.lend(ours);
    loop().submit(receive);
    write_all(peer.get(), "again");
    ASSERT_TRUE(run_until([&] { return receive.completions == 2; }));
    EXPECT_EQ(receive.text(), "again");
    loop().close(ours);
}

TEST_P(DatagramContract, SendsWaitForRoomAndKeepTheirOrder) {
    if (no_local_datagrams != nullptr) GTEST_SKIP() << no_local_datagrams;
    auto [mine, peer] = make_local_datagram_pair();
    ours = adopt_datagrams(mine);
    constexpr std::size_t count = 600;  // more than the other end's queue takes
    std::vector<std::unique_ptr<a_send_to>> sends;
    std::size_t sent = 0;
    for (std::size_t each = 0; each < count; ++each) {
        sends.push_back(std::make_unique<a_send_to>(ours, std::to_string(each), address()));
        sends.back()->peer = nullptr;
        sends.back()->then = [&, each] {
            EXPECT_EQ(sends[each]->result, static_cast<std::int64_t>(sends[each]->text.size()));
            EXPECT_EQ(each, sent);
            ++sent;
        };
        loop().submit(*sends.back());
    }
    ticks(5);
    EXPECT_LT(sent, count);
    for (std::size_t each = 0; each < count; ++each)
        ASSERT_EQ(next_at(peer), std::to_string(each));
    ASSERT_TRUE(run_until([&] { return sent == count; }));
    // One that waits can be cancelled, at the front and at the end: then it has not gone, and all others do.
    for (auto& each : sends)
        each->then = nullptr, each->completions = 0, loop().submit(*each);
    ticks(5);
    const auto waiting =
        std::find_if(sends.begin(), sends.end(), [](const auto& each) { return !each->done(); });
    ASSERT_NE(waiting, sends.end());
    a_send_to& front = **waiting;
    a_send_to& last = *sends.back();
    ASSERT_NE(&front, &last);
    for (a_send_to* each : {&last, &front}) {
        loop().cancel(*each);
        ASSERT_TRUE(run_until(*each));
    }
    EXPECT_EQ(last.error(), std::errc::operation_canceled);
    // A thread of the kernel may have sent it meanwhile (SQPOLL).
    EXPECT_TRUE(!front.failed() || front.error() == std::errc::operation_canceled);
    for (const auto& each : sends) {
        const bool cancelled = each.get() == &last || (each.get() == &front && front.failed());
        if (cancelled) continue;
        ASSERT_EQ(next_at(peer), each->text);
    }
    ASSERT_TRUE(run_until([&] {
        return std::all_of(sends.begin(), sends.end(), [](const auto& each) { return each->done(); });
    }));
    char byte = 0;
    EXPECT_LT(receive_some(peer.get(), &byte, 1), 0);
    loop().close(ours);
    settle();
}

TEST_P(DatagramContract, TheWrongKindOfOperationIsRefused) {
    open();
    auto sockets = tcp_pair();
    const handle stream = adopt(sockets.ours);
    a_recv recv(ours);
    a_recv_into recv_into(ours, 8);
    a_send send(ours, "stream");
    on_handle accept(operation_kind::accept, ours);
    a_receive_from receive_from(stream);
    a_send_to send_to(stream, "datagram", where);
    for (operation* each :
         std::initializer_list<operation*>{&recv, &recv_into, &send, &accept, &receive_from, &send_to})
        loop().submit(*each);
    settle();
    for (const operation* each :
         std::initializer_list<const operation*>{&recv, &recv_into, &send, &accept, &receive_from, &send_to})
        EXPECT_EQ(each->error(), std::errc::invalid_argument) << static_cast<int>(each->kind);
    loop().close(ours);
    loop().close(stream);
}

TEST_P(DatagramContract, ReadinessIsToldToWhoReadsByHimself) {
    open();
    const unique_descriptor peer = peer_on();
    on_handle writable(operation_kind::writable, ours);
    loop().submit(writable);
    ASSERT_TRUE(run_until(writable));
    EXPECT_EQ(writable.result, 0);
    on_handle readable(operation_kind::readable, ours);
    for (int round = 1; round <= 3; ++round) {
        loop().submit(readable);
        ticks(2);
        write_all(peer.get(), "read me");
        char text[16];
        std::ptrdiff_t got = -1;
        ASSERT_TRUE(run_until([&] {  // it may be told too early
            if (!readable.idle()) return false;
            got = receive_some(loop().descriptor(ours), text, sizeof text);
            if (got < 0) loop().submit(readable);
            return got >= 0;
        }));
        EXPECT_EQ(std::string(text, static_cast<std::size_t>(got)), "read me");
    }
    a_receive_from receive(ours);
    loop().submit(receive);
    write_all(peer.get(), "and me");
    ASSERT_TRUE(run_until(receive));
    EXPECT_EQ(receive.text(), "and me");
    loop().close(ours);
}

TEST_P(DatagramContract, InAChainAFailedOneEndsThoseBehindIt) {
    open();
    const unique_descriptor peer = peer_on();
    const address to = local_of(peer.get()).value();
    a_send_to first(ours, "first", to);
    a_send_to second(ours, "second", to);
    first.link = &second;
    loop().submit(first);
    ASSERT_TRUE(run_until(second));
    EXPECT_EQ(second.result, 6);
    EXPECT_EQ(next_at(peer), "first");
    EXPECT_EQ(next_at(peer), "second");
    a_send_to large(ours, pattern(70'000), to);
    a_send_to never_begun(ours, "never", to);
    large.link = &never_begun;
    loop().submit(large);
    ASSERT_TRUE(run_until(never_begun));
    EXPECT_EQ(large.error(), std::errc::message_size);
    EXPECT_EQ(never_begun.error(), std::errc::operation_canceled);
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
