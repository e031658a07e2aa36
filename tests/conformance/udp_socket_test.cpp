// UDP sockets as coroutines use them, and their options.
#include "support/datagram.hpp"

#include <string>
#include <vector>

namespace naru::testing {
namespace {

class UdpSocket : public Datagram {};
NARU_ON_EVERY_BACKEND(UdpSocket);

task<int> echo(udp_socket& socket) {
    std::vector<std::byte> memory(2048);
    int answered = 0;
    while (true) {
        auto got = co_await socket.receive_from(memory);
        if (!got) co_return answered;
        const bool last = as_text(got->bytes) == "stop";
        auto sent = co_await socket.send_to(got->bytes, got->peer);
        if (!sent) co_return -1;
        ++answered;
        if (last) co_return answered;
    }
}

task<result<std::string>> ask(udp_socket& socket, std::string_view text, address server, instant deadline) {
    std::vector<std::byte> memory(2048);
    auto sent = co_await socket.send_to(text, server);
    if (!sent) co_return fail(sent.error());
    auto got = co_await with_deadline(deadline, socket.receive_from(memory));
    if (!got) co_return fail(got.error());
    co_return std::string(as_text(got->bytes)) + (got->truncated ? " (cut)" : "") + " from " +
        got->peer.text();
}

TEST_P(UdpSocket, CoroutinesAskAndAnswer) {
    auto server = udp_socket::bind(loop(), "127.0.0.1:0");
    auto client = udp_socket::bind(loop(), "127.0.0.1:0");
    ASSERT_TRUE(server && client);
    const address at = server->local_address().value();
    started_task<int> answering(loop(), echo(*server));
    const instant later = clock::now() + 1h;
    for (const char* each : {"one", "", "three", "stop"}) {
        const auto answer = run_task(loop(), ask(*client, each, at, later));
        ASSERT_TRUE(answer) << answer.error().message();
        EXPECT_EQ(*answer, std::string(each) + " from " + at.text());
    }
    ASSERT_TRUE(run_until([&] { return answering.ended(); }));
    EXPECT_EQ(answering.take(), 4);
    // Nobody answers any more.
    const auto silence = run_task(loop(), ask(*client, "hello?", at, clock::now() + 10ms));
    ASSERT_FALSE(silence);
    EXPECT_EQ(silence.error(), std::errc::timed_out);
    EXPECT_EQ(loop().in_flight(), 0u);
}

TEST_P(UdpSocket, OptionsAreSet) {
    udp_options options;
    options.broadcast = true;
    options.send_buffer = 30'000;
    options.receive_buffer = 40'000;
    open(local(), options);
    EXPECT_EQ(loop().option(ours, socket_option::broadcast), 1);
    EXPECT_GE(loop().option(ours, socket_option::send_buffer).value(), 30'000);
    EXPECT_GE(loop().option(ours, socket_option::receive_buffer).value(), 40'000);
    EXPECT_EQ(open_datagram(where).error(), std::errc::address_in_use);
    loop().close(ours);
}

}  // namespace
}  // namespace naru::testing
