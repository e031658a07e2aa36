// Datagrams: each whole or not at all, with its sender; and what must not end a socket.
#include "support/datagram.hpp"

#include <string>
#include <vector>

namespace naru::testing {
namespace {

NARU_ON_EVERY_BACKEND(Datagram);

TEST_P(Datagram, GoesThereAndBackByIPv4) { go_there_and_back("127.0.0.1:0"); }

TEST_P(Datagram, GoesThereAndBackByIPv6) {
    if (const auto made = open_datagram(local("[::1]:0")); !made)
        GTEST_SKIP() << "no IPv6 here: " << made.error().message();
    go_there_and_back("[::1]:0");
}

TEST_P(Datagram, ASocketForEveryAddressServesIPv4Too) {
    const auto every = open_datagram(local("*:0"));
    if (!every) GTEST_SKIP() << "no IPv6 here: " << every.error().message();
    open(local("*:0"));
    where = local(("127.0.0.1:" + std::to_string(where.port())).c_str());
    const unique_descriptor peer = peer_on();
    a_receive_from receive(ours);
    loop().submit(receive);
    write_all(peer.get(), "by IPv4");
    ASSERT_TRUE(run_until(receive));
    EXPECT_EQ(receive.text(), "by IPv4");
    EXPECT_EQ(receive.sender().host_text(), "127.0.0.1");
    a_send_to send(ours, "answered", receive.sender());
    loop().submit(send);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(next_at(peer), "answered");
    loop().close(ours);
}

TEST_P(Datagram, BoundariesAreKept) {
    open();
    const unique_descriptor peer = peer_on();
    const std::string large = pattern(9000);
    for (const std::string& each : {std::string("a"), large, std::string("bc"), pattern(1200)})
        write_all(peer.get(), each);
    a_receive_from receive(ours, 65536);
    std::vector<std::string> got;
    receive.then = [&] {
        got.push_back(receive.text());
        if (got.size() < 4) loop().submit(receive);
    };
    loop().submit(receive);
    ASSERT_TRUE(run_until([&] { return got.size() == 4; }));
    EXPECT_EQ(got, (std::vector<std::string>{"a", large, "bc", pattern(1200)}));
    loop().close(ours);
}

TEST_P(Datagram, PiecesMakeOneDatagram) {
    open();
    const unique_descriptor peer = peer_on();
    slice pieces[] = {std::string_view("head, "), std::string_view(""), std::string_view("body")};
    const address to = local_of(peer.get()).value();
    tracked<send_to_operation> send;
    send.set(ours, pieces, 3, to.data(), to.size());
    for (int time = 1; time <= 2; ++time) {  // the slices are as they were
        loop().submit(send);
        ASSERT_TRUE(run_until([&] { return send.completions == time; }));
        EXPECT_EQ(send.result, 10);
        EXPECT_EQ(next_at(peer), "head, body");
    }
    loop().close(ours);
}

TEST_P(Datagram, AnEmptyOneIsAResultAndNoEnd) {
    open();
    const unique_descriptor peer = peer_on();
    a_receive_from receive(ours);
    for (const std::string& each : {std::string(), std::string("behind it"), std::string()}) {
        receive.completions = 0;
        loop().submit(receive);
        ticks(2);
        ASSERT_EQ(send_some(peer.get(), each), static_cast<std::ptrdiff_t>(each.size()));
        ASSERT_TRUE(run_until(receive));
        EXPECT_EQ(receive.result, static_cast<std::int64_t>(each.size()));
        EXPECT_EQ(receive.text(), each);
        EXPECT_EQ(receive.sender().text(), local_of(peer.get())->text());
    }
    a_send_to send(ours, "", receive.sender());
    loop().submit(send);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.result, 0);
    EXPECT_EQ(next_at(peer), "");
    loop().close(ours);
}

TEST_P(Datagram, OneThatIsTooLongIsCutAndSaysSo) {
    open();
    const unique_descriptor peer = peer_on();
    const std::string text = pattern(3000);
    a_receive_from receive(ours, 100);
    const auto next = [&](std::size_t size) {
        receive.memory.assign(size, '.');
        receive.lend(ours);
        receive.completions = 0;
        loop().submit(receive);
        ASSERT_TRUE(run_until(receive));
    };
    for (const std::string& each : {text, std::string("short"), text, text, text})
        write_all(peer.get(), each);
    next(100);
    EXPECT_EQ(receive.text(), text.substr(0, 100));
    EXPECT_TRUE(receive.truncated);
    EXPECT_EQ(receive.sender().text(), local_of(peer.get())->text());
    next(100);  // the rest is gone: this is the one behind it
    EXPECT_EQ(receive.text(), "short");
    EXPECT_FALSE(receive.truncated);
    next(3000);  // exactly
    EXPECT_EQ(receive.text(), text);
    EXPECT_FALSE(receive.truncated);
    next(2999);
    EXPECT_EQ(receive.text(), text.substr(0, 2999));
    EXPECT_TRUE(receive.truncated);
    next(1);
    EXPECT_EQ(receive.text(), text.substr(0, 1));
    EXPECT_TRUE(receive.truncated);
    loop().close(ours);
}

TEST_P(Datagram, OfABurstSomeAreLostAndNoneIsSpoiled) {
    udp_options small;
    small.receive_buffer = 4096;
    open(local(), small);
    const unique_descriptor peer = peer_on();
    const auto numbered = [](int number) {
        return std::to_string(number) + ' ' + pattern(50 + static_cast<std::size_t>(number) % 900);
    };
    constexpr int sent = 3000;
    for (int number = 0; number < sent; ++number)
        (void)send_some(peer.get(), numbered(number));
    int last = -1;
    int got = 0;
    bool ended = false;
    a_receive_from receive(ours);
    receive.then = [&] {
        ASSERT_FALSE(receive.failed()) << receive.error().message();
        ended = ended || receive.text() == "end";
        if (ended) return;
        const int number = std::stoi(receive.text());
        EXPECT_GT(number, last);
        EXPECT_EQ(receive.text(), numbered(number));
        last = number;
        ++got;
        loop().submit(receive);
    };
    loop().submit(receive);
    ASSERT_TRUE(run_until([&] {
        if (!ended) (void)send_some(peer.get(), "end");  // may be lost, too
        return ended;
    }));
    EXPECT_GT(got, 0);
    EXPECT_LT(got, sent) << "the burst was to be more than the socket holds";
    loop().close(ours);
}

TEST_P(Datagram, ThatNobodyTakesOneEndsNoReceive) {
    open();
    const unique_descriptor peer = peer_on();
    a_receive_from receive(ours);
    for (int round = 0; round < 5; ++round) {
        receive.completions = 0;
        if (round % 2 == 0) loop().submit(receive);  // waits already, or comes when the news is there
        ticks(2);
        a_send_to send(ours, "is there anybody?", closed_port());
        loop().submit(send);
        ASSERT_TRUE(run_until(send));
        EXPECT_EQ(send.result, 17);
        ticks(5);
        if (round % 2 != 0) loop().submit(receive);
        ticks(5);
        ASSERT_EQ(receive.completions, 0) << receive.text();
        write_all(peer.get(), "still here");
        ASSERT_TRUE(run_until(receive));
        EXPECT_EQ(receive.text(), "still here");
    }
    loop().close(ours);
}

TEST_P(Datagram, AConnectedSocketGoesOnAfterARefusal) {
    const address nobody = closed_port();
    // Nobody is there for us, and the port is kept from other programs: it is connected to itself. In a
    // simulated world are none.
    unique_descriptor somebody;
    if (!in_simulation()) {
        auto keeps = open_datagram(nobody);
        if (!keeps) GTEST_SKIP() << "somebody else has taken the port: " << keeps.error().message();
        somebody = std::move(*keeps);
        checked(connect_socket(somebody.get(), nobody), "connect");
    }
    unique_descriptor made = open_datagram(local()).value();
    where = local_of(made.get()).value();
    checked(connect_socket(made.get(), nobody), "connect");
    write_all(made.get(), "anybody?");
    if (!wait_readable(made.get(), 200)) GTEST_SKIP() << "this system does not tell of a refusal";
    char byte = 0;
    EXPECT_LT(receive_some(made.get(), &byte, 1), 0);
    ours = adopt_datagrams(made);
    a_receive_from receive(ours);
    int refusals = 0;
    receive.then = [&] {
        if (receive.error() != std::errc::connection_refused) return;
        ++refusals;
        loop().submit(receive);
    };
    loop().submit(receive);
    ticks(2);
    tracked<send_to_operation> send;
    const std::string text = "is there anybody?";
    send.set(ours, as_bytes(text), nullptr, 0);
    loop().submit(send);
    ASSERT_TRUE(run_until(send));
    EXPECT_EQ(send.result, 17);
    ASSERT_TRUE(run_until([&] { return refusals == 1; }));
    if (in_simulation()) somebody = open_datagram(nobody).value();  // there is now
    checked(connect_socket(somebody.get(), where), "connect");
    write_all(somebody.get(), "now there is");
    ASSERT_TRUE(run_until([&] { return receive.idle(); }));
    EXPECT_EQ(receive.text(), "now there is");
    EXPECT_EQ(refusals, 1);  // it is told once
    loop().close(ours);
}

TEST_P(Datagram, OneThatIsTooLargeIsAnErrorAndTheNextGoesOut) {
    open();
    const unique_descriptor peer = peer_on();
    const address to = local_of(peer.get()).value();
    a_send_to large(ours, pattern(70'000), to);
    a_send_to next(ours, "the next", to);
    std::string order;
    large.then = [&] { order += "large "; };
    next.then = [&] { order += "next"; };
    loop().submit(large);
    loop().submit(next);
    ASSERT_TRUE(run_until(next));
    EXPECT_EQ(large.error(), std::errc::message_size);
    EXPECT_EQ(next.result, 8);
    EXPECT_EQ(order, "large next");
    EXPECT_EQ(next_at(peer), "the next");
    a_send_to largest(ours, pattern(65'507), to);
    loop().submit(largest);
    ASSERT_TRUE(run_until(largest));
    EXPECT_EQ(largest.result, 65'507);
    EXPECT_TRUE(next_at(peer) == largest.text);
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
