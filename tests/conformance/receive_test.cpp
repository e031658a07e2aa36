// Receiving: leases and own memory mixed, back-pressure, a pool that runs dry, and fairness.
#include "support/conformance.hpp"

#include <random>
#include <vector>

namespace naru::testing {
namespace {

class Receive : public conformance {};
NARU_ON_EVERY_BACKEND(Receive);

TEST_P(Receive, TinyPiecesAfterLeasesKeepTheOrder) {
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    const std::string sent = pattern(120'000);
    std::size_t written = 0;
    std::string got;
    std::minstd_rand random(5);
    while (got.size() < sent.size()) {
        written +=
            write_some(sockets.peer.get(), std::string_view(sent).substr(written, 1 + random() % 20'000));
        if (random() % 3 == 0) {
            a_recv recv(ours);
            loop().submit(recv);
            ASSERT_TRUE(run_until(recv));
            ASSERT_FALSE(recv.failed());
            got += recv.take(loop());
        } else {
            const std::size_t size = random() % 4 == 0 ? 1 + random() % 30'000 : 1 + random() % 900;
            a_recv_into recv(ours, size);
            loop().submit(recv);
            ASSERT_TRUE(run_until(recv));
            ASSERT_FALSE(recv.failed());
            got += recv.text();
        }
        ASSERT_TRUE(got == sent.substr(0, got.size())) << "after " << got.size() << " bytes";
        if (got.size() == written && written < sent.size()) {
            written +=
                write_some(sockets.peer.get(), std::string_view(sent).substr(written, 1 + random() % 20'000));
        }
    }
    loop().close(ours);
}

TEST_P(Receive, LargeAndSmallMessagesByTurnsArriveWhole) {
    // A backend may receive in another way once messages are large, and change back: in the middle of one,
    // too.
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    const std::string large = pattern(200'000);
    a_recv recv(ours);
    for (int turn = 0; turn < 12; ++turn) {
        const std::string sent = turn % 3 == 0 ? large : std::to_string(turn) + " is small";
        std::size_t written = 0;
        std::string got;
        recv.then = [&] {
            ASSERT_FALSE(recv.failed());
            got += recv.take(loop());
            if (got.size() < sent.size()) loop().submit(recv);
        };
        loop().submit(recv);
        ASSERT_TRUE(run_until([&] {
            written += write_some(sockets.peer.get(), std::string_view(sent).substr(written));
            return got.size() >= sent.size();
        }));
        ASSERT_TRUE(got == sent) << "in turn " << turn << ": " << got.size() << " bytes";
    }
    loop().close(ours);
}

TEST_P(Receive, UrgentDataInTheMiddleHoldsNothingBack) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    // A read stops at TCP's urgent mark: short, although there is more. The byte itself is out of band, and
    // not received; all before and behind it is, and the peer says nothing more that would wake a receive.
    for (const bool own_memory : {false, true}) {
        if (on_uring() && !own_memory) continue;  // the kernel's multishot receive may rest at the mark, too
        for (const bool waiting : {false, true}) {
            auto sockets = tcp_pair();
            ASSERT_TRUE(socket_options::set_no_delay(sockets.peer.get(),
                                                     true));  // all of it is there before the loop looks
            const handle ours = adopt(sockets.ours);
            std::string got;
            a_recv recv(ours);
            a_recv_into recv_into(ours, 64);
            recv.then = [&] {
                got += recv.take(loop());
                if (got.size() < 6) loop().submit(recv);
            };
            recv_into.then = [&] {
                got += recv_into.text();
                if (got.size() < 6) loop().submit(recv_into);
            };
            any_operation& reads = own_memory ? static_cast<any_operation&>(recv_into) : recv;
            if (waiting) loop().submit(reads);
            if (waiting) ticks(3);
            for (int round = 0; round < 3; ++round) {
                got.clear();
                write_all(sockets.peer.get(), "abc");
                ASSERT_EQ(send_urgent(sockets.peer.get(), "!"), 1);
                write_all(sockets.peer.get(), "efg");
                if (reads.idle()) loop().submit(reads);
                ASSERT_TRUE(run_until([&] { return got.size() >= 6; }))
                    << got << " in round " << round << own_memory << waiting;
                EXPECT_EQ(got, "abcefg");
            }
            loop().close(ours);
            settle();
        }
    }
}

TEST_P(Receive, AnUrgentByteAloneKeepsNobodyBusy) {
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    auto sockets = tcp_pair();
    const handle ours = adopt(sockets.ours);
    a_recv recv(ours);
    loop().submit(recv);
    ticks(3);
    ASSERT_EQ(send_urgent(sockets.peer.get(), "!"), 1);
    // It stays where it is. Whoever is told of it again and again never waits.
    bool waited = false;
    for (int tick = 0; tick < 100 && !waited; ++tick) {
        const instant start = clock::now();
        loop().run_for_one_tick(30ms);
        waited = clock::now() - start >= 20ms;
    }
    EXPECT_TRUE(waited);
    EXPECT_EQ(recv.completions, 0);
    write_all(sockets.peer.get(), "data");
    ASSERT_TRUE(run_until(recv));
    EXPECT_EQ(recv.take(loop()), "data");
    loop().close(ours);
}

TEST_P(Receive, APeerIsHeldBackWhileNobodyReads) {
    // Bounded by the sockets' buffers and the few buffers received ahead, not by what the peer has to say.
    auto sockets = tcp_pair();
    set_buffer(sockets.ours.get(), SO_RCVBUF, 65536);
    set_buffer(sockets.peer.get(), SO_SNDBUF, 65536);
    const handle ours = adopt(sockets.ours);
    const std::string sent = pattern(4'000'000);
    a_recv first(ours);
    loop().submit(first);
    std::size_t written = write_some(sockets.peer.get(), std::string_view(sent).substr(0, 1000));
    ASSERT_TRUE(run_until(first));
    std::string got = first.take(loop());
    // Nobody reads from here on.
    for (int idle = 0; idle < 30; ++idle) {
        written += write_some(sockets.peer.get(), std::string_view(sent).substr(written));
        loop().run_for_one_tick(1ms);
    }
    EXPECT_LT(written, sent.size() / 2);
    a_recv recv(ours);
    recv.then = [&] {
        ASSERT_FALSE(recv.failed());
        got += recv.take(loop());
        if (got.size() < sent.size()) loop().submit(recv);
    };
    loop().submit(recv);
    ASSERT_TRUE(run_until(
        [&] {
            written += write_some(sockets.peer.get(), std::string_view(sent).substr(written));
            return got.size() == sent.size();
        },
        30s));
    EXPECT_TRUE(got == sent);
    loop().close(ours);
}

TEST_P(Receive, AnOwnerWhoStopsReadingALargeMessageHoldsFewBuffers) {
    const std::size_t leased = loop().buffers().leased();
    auto sockets = tcp_pair();
    set_buffer(sockets.ours.get(), SO_RCVBUF, 4'000'000);
    set_buffer(sockets.peer.get(), SO_SNDBUF, 4'000'000);
    const handle ours = adopt(sockets.ours);
    const std::string sent = pattern(3'000'000);
    std::size_t written = 0;
    const auto write_more = [&] {
        written += write_some(sockets.peer.get(), std::string_view(sent).substr(written));
    };
    std::string got;
    a_recv recv(ours);
    recv.then = [&] {
        ASSERT_FALSE(recv.failed());
        got += recv.take(loop());
        if (got.size() < 500'000) loop().submit(recv);
    };
    loop().submit(recv);
    ASSERT_TRUE(run_until([&] {
        write_more();
        return got.size() >= 500'000;
    }));
    // Nobody reads from here on, and the peer goes on.
    for (int idle = 0; idle < 30; ++idle) {
        write_more();
        loop().run_for_one_tick(1ms);
    }
    EXPECT_LE(loop().buffers().leased(), leased + 2 * limits::buffers_ahead);
    recv.then = [&] {
        ASSERT_FALSE(recv.failed());
        got += recv.take(loop());
        if (got.size() < sent.size()) loop().submit(recv);
    };
    loop().submit(recv);
    ASSERT_TRUE(run_until([&] {
        write_more();
        return got.size() == sent.size();
    }));
    EXPECT_TRUE(got == sent);
    loop().close(ours);
}

TEST_P(Receive, WhenThePoolIsEmptyReceivesWaitAndAllAreServedLater) {
    // The test holds every free buffer of the pool, so that the receives find none.
    constexpr std::size_t count = 40;
    std::vector<std::byte*> held;
    const auto hold_all = [&] {
        while (std::byte* buffer = loop().buffers().acquire())
            held.push_back(buffer);
    };
    struct client {
        unique_descriptor peer;
        handle ours;
        std::unique_ptr<a_recv> recv;
        std::string got;
    };
    std::vector<client> clients(count);
    for (client& each : clients) {
        auto sockets = tcp_pair();
        each.peer = std::move(sockets.peer);
        each.ours = adopt(sockets.ours);
        each.recv = std::make_unique<a_recv>(each.ours);
    }
    // First everybody gets one message and keeps its buffer as long as there are any.
    hold_all();
    const std::string message = pattern(600);
    std::vector<a_recv*> kept;
    for (client& each : clients) {
        each.recv->then = [&each, &kept] { kept.push_back(each.recv.get()); };
        write_all(each.peer.get(), message);
        loop().submit(*each.recv);
    }
    ticks(20);
    const std::size_t served_early = kept.size();
    if (!on_uring()) {
        EXPECT_EQ(served_early, 0u);
    }
    EXPECT_LE(served_early, count);
    for (std::byte* each : held)
        loop().buffers().release(each);
    held.clear();
    // Now each message gives its buffer back.
    std::size_t served = 0;
    ASSERT_TRUE(run_until([&] {
        for (a_recv* each : kept) {
            EXPECT_EQ(each->take(loop()), message);
            ++served;
        }
        kept.clear();
        return served == count;
    }));
    for (client& each : clients)
        loop().close(each.ours);
}

TEST_P(Receive, BuffersKeptByTheirOwnersStarveOthersOnlyUntilTheyAreGivenBack) {
    // Leases are kept by the receivers themselves until the pool is empty.
    std::vector<lease> leases;
    std::vector<std::unique_ptr<a_recv>> recvs;
    std::vector<unique_descriptor> peers;
    std::vector<handle> handles;
    std::vector<std::byte*> held;
    while (loop().buffers().available() && loop().buffers().capacity() > 100 &&
           held.size() + 70 < loop().buffers().capacity()) {
        std::byte* buffer = loop().buffers().acquire();
        if (buffer == nullptr) break;
        held.push_back(buffer);
    }
    const std::size_t connections = 100;
    for (std::size_t each = 0; each < connections; ++each) {
        auto sockets = local_pair();
        write_all(sockets.peer.get(), "take this");
        peers.push_back(std::move(sockets.peer));
        handles.push_back(adopt(sockets.ours));
        recvs.push_back(std::make_unique<a_recv>(handles.back()));
        a_recv& recv = *recvs.back();
        recv.then = [this, &recv, &leases] {
            ASSERT_FALSE(recv.failed()) << recv.error().message();
            leases.emplace_back(loop().buffers(),
                                mutable_bytes(recv.data, static_cast<std::size_t>(recv.result)));
        };
        loop().submit(recv);
    }
    ticks(20);
    EXPECT_LT(leases.size(), connections);
    ticks(20);  // no storm: nothing completes while nothing is given back
    std::size_t served = 0;
    ASSERT_TRUE(run_until([&] {
        for (const lease& each : leases) {
            EXPECT_EQ(each.text(), "take this");
            ++served;
        }
        leases.clear();
        return served == connections;
    }));
    for (std::byte* each : held)
        loop().buffers().release(each);
    for (const handle each : handles)
        loop().close(each);
}

TEST_P(Receive, AnEmptyPoolDoesNotStopAReceiveIntoOwnMemory) {
    std::vector<std::byte*> held;
    auto sockets = local_pair();
    const handle ours = adopt(sockets.ours);
    a_recv recv(ours);
    a_recv_into into(ours, 16);
    if (!on_uring()) {  // its ring holds buffers of its own
        while (std::byte* buffer = loop().buffers().acquire())
            held.push_back(buffer);
        loop().submit(recv);
        write_all(sockets.peer.get(), "first");
        ticks(4);
        EXPECT_EQ(recv.completions, 0);
        loop().cancel(recv);
        ASSERT_TRUE(run_until(recv));
    } else {
        write_all(sockets.peer.get(), "first");
    }
    loop().submit(into);
    ASSERT_TRUE(run_until(into));
    EXPECT_EQ(into.text(), "first");
    loop().submit(into);
    ticks(3);
    write_all(sockets.peer.get(), "second");
    ASSERT_TRUE(run_until([&] { return into.completions == 2; }));
    EXPECT_EQ(into.text(), "second");
    for (std::byte* each : held)
        loop().buffers().release(each);
    loop().close(ours);
}

TEST_P(Receive, OneBusyConnectionDoesNotStarveAnother) {
    auto busy = local_pair();
    auto calm = local_pair();
    const handle busy_handle = adopt(busy.ours);
    const handle calm_handle = adopt(calm.ours);
    const std::string block = pattern(65536);
    // The busy peer is refilled from inside its handler: its data never ends.
    a_recv_into greedy(busy_handle, 64);
    bool go_on = true;
    greedy.then = [&] {
        ASSERT_FALSE(greedy.failed());
        write_some(busy.peer.get(), block);
        if (go_on) loop().submit(greedy);
    };
    write_some(busy.peer.get(), block);
    loop().submit(greedy);
    ticks(3);
    int turns_waited = 0;
    for (int round = 0; round < 20; ++round) {
        a_recv_into polite(calm_handle, 64);
        loop().submit(polite);
        write_all(calm.peer.get(), "please");
        const int before = greedy.completions;
        ASSERT_TRUE(run_until(polite));
        turns_waited = std::max(turns_waited, greedy.completions - before);
        EXPECT_EQ(polite.text(), "please");
    }
    EXPECT_LE(turns_waited, 64);
    go_on = false;
    ASSERT_TRUE(run_until([&] { return greedy.idle(); }));
    loop().close(busy_handle);
    loop().close(calm_handle);
}

TEST_P(Receive, AnEndlessFileDoesNotStarveAnother) {
    if (is_sqpoll(GetParam())) GTEST_SKIP() << "the kernel's thread submits at its own pace, not by ticks";
    auto sockets = local_pair();
    auto calm = local_pair();
    const handle ours = adopt(sockets.ours);
    const handle calm_handle = adopt(calm.ours);
    const std::string content = pattern(8'000'000);
    const unique_descriptor file = file_with(content);
    any_send_file send;
    send.set(ours, file, 0, content.size());
    loop().submit(send);
    received_text got;
    int rounds = 0;
    while (!send.done() && rounds < 10'000) {
        ++rounds;
        a_recv_into polite(calm_handle, 8);
        loop().submit(polite);
        write_all(calm.peer.get(), "x");
        ticks(8);
        const bool served = polite.done();
        ASSERT_TRUE(run_until(polite));
        EXPECT_TRUE(served) << "it had to wait for more than a few turns";
        got.read_from(sockets.peer.get(), 400'000);
    }
    EXPECT_GT(rounds, 1);
    ASSERT_TRUE(run_until([&] {
        got.read_from(sockets.peer.get());
        return got.data.size() == content.size();
    }));
    EXPECT_TRUE(got.data == content);
    loop().close(ours);
    loop().close(calm_handle);
}

}  // namespace
}  // namespace naru::testing
