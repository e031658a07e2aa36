// Descriptors from outside: what they are is looked at, and what they share is left alone.
#include "support/conformance.hpp"

#include <cerrno>
#include <string>

namespace naru::testing {
namespace {

class Adopt : public conformance {};
NARU_ON_EVERY_BACKEND(Adopt);

unique_descriptor udp_of_the_test() { return open_datagram(address::parse("127.0.0.1:0").value()).value(); }

TEST_P(Adopt, AConnectionFromOutsideKeepsItsMode) {
    const unique_descriptor listener = listening_socket();
    unique_descriptor ours = blocking_socket(AF_INET);
    ASSERT_EQ(connect_socket(ours.get(), local_of(listener.get()).value()), 0);
    ASSERT_TRUE(wait_readable(listener.get(), 10'000));
    const unique_descriptor peer(accept_socket(listener.get()));
    const unique_descriptor second = duplicate_from(ours.get(), 3);  // another process's
    const address own = local_of(ours.get()).value();
    auto stream = tcp_stream::adopt(loop(), std::move(ours));
    ASSERT_TRUE(stream) << stream.error().message();
    write_all(peer.get(), "question");
    auto talk = [&]() -> task<> {
        auto got = co_await stream->receive();
        EXPECT_TRUE(got && got->text() == "question");
        auto sent = co_await stream->send_some("answer");
        EXPECT_TRUE(sent && *sent == 6);
        EXPECT_EQ(stream->peer_address()->text(), local_of(listener.get())->text());
        EXPECT_EQ(stream->local_address()->text(), own.text());
    };
    run_task(loop(), talk());
    EXPECT_FALSE(is_non_blocking(second.get()));
}

TEST_P(Adopt, WhatIsOfAnotherKindIsRefused) {
    const auto refused = [](auto adopted) { return adopted ? std::error_code() : adopted.error(); };
    EXPECT_EQ(refused(tcp_stream::adopt(loop(), listening_socket())), errc::wrong_kind_of_descriptor);
    EXPECT_EQ(refused(tcp_stream::adopt(loop(), udp_of_the_test())), errc::wrong_kind_of_descriptor);
    EXPECT_EQ(refused(tcp_stream::adopt(loop(), blocking_socket(AF_INET))), std::errc::not_connected);
    EXPECT_EQ(refused(tcp_stream::adopt(loop(), file_with("x"))), std::errc::not_a_socket);
    EXPECT_EQ(refused(tcp_stream::adopt(loop(), unique_descriptor())), std::errc::bad_file_descriptor);
    EXPECT_EQ(refused(tcp_listener::adopt(loop(), blocking_socket(AF_INET))), errc::not_listening);
    EXPECT_EQ(refused(tcp_listener::adopt(loop(), tcp_pair().ours)), errc::not_listening);
    EXPECT_EQ(refused(tcp_listener::adopt(loop(), udp_of_the_test())), errc::wrong_kind_of_descriptor);
    EXPECT_EQ(refused(udp_socket::adopt(loop(), tcp_pair().ours)), errc::wrong_kind_of_descriptor);
    EXPECT_EQ(refused(udp_socket::adopt(loop(), file_with("x"))), std::errc::not_a_socket);
    EXPECT_NE(make_error_code(errc::not_listening).message().find("listen(2)"), std::string::npos);
}

TEST_P(Adopt, AListenerAndADatagramSocket) {
    unique_descriptor listening = listening_socket();
    const address where = local_of(listening.get()).value();
    auto listener = tcp_listener::adopt(loop(), std::move(listening));
    ASSERT_TRUE(listener) << listener.error().message();
    EXPECT_EQ(listener->local_address()->text(), where.text());
    auto datagrams = udp_socket::adopt(loop(), udp_of_the_test());
    ASSERT_TRUE(datagrams) << datagrams.error().message();
    auto all = [&]() -> task<> {
        auto client = co_await tcp_stream::connect(loop(), where);
        EXPECT_TRUE(client);
        auto server = co_await listener->accept();
        EXPECT_TRUE(server);
        const address own = datagrams->local_address().value();
        auto sent = co_await datagrams->send_to("to oneself", own);
        EXPECT_TRUE(sent);
        char memory[100];
        auto got = co_await datagrams->receive_from(memory);
        EXPECT_TRUE(got && as_text(got->bytes) == "to oneself" && got->peer.text() == own.text());
        EXPECT_EQ(datagrams->peer_address().error(), std::errc::not_connected);
        auto bare = co_await datagrams->release();
        EXPECT_TRUE(bare && local_of(bare->get())->text() == own.text());
    };
    run_task(loop(), all());
}

TEST_P(Adopt, AListenerInBlockingModeIsRefusedAndLeftAsItIs) {
    if (no_descriptor_limit != nullptr) GTEST_SKIP() << "the system does not tell the mode";
    if (on_sim()) GTEST_SKIP() << speaks_to_the_system;
    unique_descriptor listening = blocking_socket(AF_INET);
    ASSERT_EQ(::listen(listening.get(), 1), 0);
    const unique_descriptor second = duplicate_from(listening.get(), 3);
    auto listener = tcp_listener::adopt(loop(), std::move(listening));
    EXPECT_EQ(listener ? std::error_code() : listener.error(), errc::blocking_descriptor);
    EXPECT_FALSE(is_non_blocking(second.get()));
}

TEST_P(Adopt, AConnectFromALocalAddress) {
    auto listener = tcp_listener::bind(loop(), "127.0.0.1:0");
    ASSERT_TRUE(listener);
    auto connect = [&]() -> task<> {
        const connect_options how(address::parse("127.0.0.2:0").value());
        auto client = co_await tcp_stream::connect(loop(), *listener->local_address(), how);
        EXPECT_TRUE(client) << client.error().message();
        auto server = co_await listener->accept();
        EXPECT_TRUE(server);
        if (!client || !server) co_return;
        EXPECT_EQ(client->local_address()->host_text(), "127.0.0.2");
        EXPECT_EQ(server->peer_address()->text(), client->local_address()->text());
        const result<endpoint> peer(server->peer_address());
        EXPECT_EQ(peer->text(), client->local_address()->text());
        EXPECT_TRUE(peer->internet() != nullptr && peer->local() == nullptr);
    };
    run_task(loop(), connect());
}

}  // namespace
}  // namespace naru::testing
