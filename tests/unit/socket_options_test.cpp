// Every option is set and read back from the kernel.
#include "support/sockets.hpp"

#include <naru/os/socket_options.hpp>

#include <gtest/gtest.h>

#include <cerrno>

#include <poll.h>
#include <sys/socket.h>

namespace naru::testing {
namespace {

using namespace naru::socket_options;
using namespace std::chrono_literals;

class SocketOptions : public ::testing::Test {
 protected:
    socket_pair sockets = tcp_pair();
    int socket = sockets.ours.get();
};

// 2^32 + 5 seconds are not 5.
TEST_F(SocketOptions, ATimeThatIsTooLongIsNotCut) {
    keep_alive_settings settings;
    settings.idle = std::chrono::seconds((std::int64_t{1} << 32) + 5);
    EXPECT_EQ(set_keep_alive(socket, settings).error(), std::errc::invalid_argument);
}

TEST_F(SocketOptions, NoDelay) {
    for (const bool on : {true, false, true}) {
        ASSERT_TRUE(set_no_delay(socket, on));
        EXPECT_EQ(no_delay(socket), on);
    }
}

TEST_F(SocketOptions, AcceptedConnectionsInheritNoDelay) {
    EXPECT_EQ(no_delay(socket), true);  // listen_options' default
    listen_options delayed;
    delayed.no_delay = false;
    EXPECT_EQ(no_delay(listening_socket(delayed).get()), false);
}

TEST_F(SocketOptions, AcceptedConnectionsInheritWhatTheirListenerWasGiven) {
    listen_options options;
    options.keep_alive.emplace();
    options.keep_alive->idle = 77s;
    options.user_timeout = 4321ms;
    options.send_buffer = 20'000;
    options.receive_buffer = 30'000;
    const unique_descriptor listener = listening_socket(options);
    const unique_descriptor client = connect_to(address::local_of(listener.get()).value());
    int accepted = -1;
    while ((accepted = ::accept(listener.get(), nullptr, nullptr)) < 0 && errno == EAGAIN) {
        pollfd event{listener.get(), POLLIN, 0};
        ::poll(&event, 1, 5'000);
    }
    const unique_descriptor ours(accepted);
    EXPECT_EQ(keep_alive(ours.get()).value(), options.keep_alive);
    EXPECT_EQ(user_timeout(ours.get()), 4321ms);
    EXPECT_EQ(send_buffer(ours.get()), 40'000);
    EXPECT_EQ(receive_buffer(ours.get()), 60'000);
}

TEST_F(SocketOptions, BindWithoutPortLeavesThePortToConnect) {
    const unique_descriptor listener = listening_socket();
    const unique_descriptor client = blocking_socket(AF_INET);
    const address any_port = address::parse("127.0.0.1:0").value();
    ASSERT_TRUE(bind_without_port(client.get()));
    ASSERT_EQ(::bind(client.get(), static_cast<const sockaddr*>(any_port.data()), any_port.size()), 0);
    EXPECT_EQ(address::local_of(client.get()).value().port(), 0);
    checked(connect_socket(client.get(), address::local_of(listener.get()).value()), "connect");
    EXPECT_NE(address::local_of(client.get()).value().port(), 0);
}

TEST_F(SocketOptions, KeepAlive) {
    EXPECT_EQ(keep_alive(socket).value(), std::nullopt);
    keep_alive_settings settings;
    settings.idle = 33s;
    settings.interval = 7s;
    settings.count = 4;
    ASSERT_TRUE(set_keep_alive(socket, settings));
    EXPECT_EQ(keep_alive(socket).value(), settings);
    ASSERT_TRUE(set_keep_alive_off(socket));
    EXPECT_EQ(keep_alive(socket).value(), std::nullopt);
    settings.idle = 0s;  // not a whole second
    EXPECT_EQ(set_keep_alive(socket, settings).error(), std::errc::invalid_argument);
    EXPECT_EQ(keep_alive(socket).value(), std::nullopt);
}

TEST_F(SocketOptions, UserTimeout) {
    EXPECT_EQ(user_timeout(socket), 0ms);
    ASSERT_TRUE(set_user_timeout(socket, std::chrono::milliseconds::max()));  // as long as it goes
    EXPECT_GT(user_timeout(socket).value(), 24h * 24);
    ASSERT_TRUE(set_user_timeout(socket, 12345ms));
    EXPECT_EQ(user_timeout(socket), 12345ms);
}

TEST_F(SocketOptions, BufferSizes) {
    ASSERT_TRUE(set_send_buffer(socket, 30'000));
    EXPECT_EQ(send_buffer(socket), 60'000);
    ASSERT_TRUE(set_receive_buffer(socket, 40'000));
    EXPECT_EQ(receive_buffer(socket), 80'000);
}

TEST_F(SocketOptions, FastOpenAndDeferAcceptOfAListener) {
    listen_options options;
    options.fast_open_queue = 16;
    options.defer_accept = 5s;
    const unique_descriptor listener = listening_socket(options);
    EXPECT_EQ(fast_open(listener.get()), 16);
    EXPECT_GE(defer_accept(listener.get()).value(), 5s);
    ASSERT_TRUE(set_fast_open(listener.get(), 4));
    EXPECT_EQ(fast_open(listener.get()), 4);
    ASSERT_TRUE(set_defer_accept(listener.get(), 0s));
    EXPECT_EQ(defer_accept(listener.get()), 0s);
}

TEST_F(SocketOptions, ReusePort) {
    unique_descriptor fresh(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(reuse_port(fresh.get()), false);
    ASSERT_TRUE(set_reuse_port(fresh.get(), true));
    EXPECT_EQ(reuse_port(fresh.get()), true);
    ASSERT_TRUE(set_reuse_address(fresh.get(), true));
}

TEST_F(SocketOptions, CorkLastsForItsScope) {
    EXPECT_EQ(corked(socket), false);
    {
        const cork_scope cork(socket);
        EXPECT_TRUE(cork.status());
        EXPECT_EQ(corked(socket), true);
        write_all(socket, "held back");
    }
    EXPECT_EQ(corked(socket), false);
}

TEST_F(SocketOptions, ErrorsAreReturned) {
    const unique_descriptor file = file_with("");
    for (const int wrong : {-1, file.get()}) {
        const auto expected = wrong < 0 ? std::errc::bad_file_descriptor : std::errc::not_a_socket;
        EXPECT_EQ(set_no_delay(wrong, true).error(), expected);
        EXPECT_EQ(no_delay(wrong).error(), expected);
        EXPECT_EQ(set_keep_alive(wrong, {}).error(), expected);
        EXPECT_EQ(keep_alive(wrong).error(), expected);
        EXPECT_EQ(user_timeout(wrong).error(), expected);
        EXPECT_EQ(set_send_buffer(wrong, 1).error(), expected);
        EXPECT_EQ(fast_open(wrong).error(), expected);
        EXPECT_EQ(defer_accept(wrong).error(), expected);
        EXPECT_EQ(set_reuse_port(wrong, true).error(), expected);
        const cork_scope cork(wrong);
        EXPECT_EQ(cork.status().error(), expected);
    }
}

}  // namespace
}  // namespace naru::testing
