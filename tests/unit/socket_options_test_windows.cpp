// Options as Windows has them: what is set is read back, and what it has no equivalent for says so.
#include "support/sockets.hpp"

#include <naru/os/socket_options.hpp>

#include <gtest/gtest.h>

namespace naru::testing {
namespace {

using namespace naru::socket_options;
using namespace std::chrono_literals;

class SocketOptions : public ::testing::Test {
 protected:
    socket_pair sockets = tcp_pair();
    int socket = sockets.ours.get();
};

TEST_F(SocketOptions, NoDelay) {
    for (const bool on : {true, false, true}) {
        ASSERT_TRUE(set_no_delay(socket, on));
        EXPECT_EQ(no_delay(socket), on);
    }
}

TEST_F(SocketOptions, KeepAlive) {
    EXPECT_EQ(keep_alive(socket).value(), std::nullopt);
    keep_alive_settings settings;
    settings.idle = 33s;
    settings.interval = 7s;
    settings.count = 4;
    const auto set = set_keep_alive(socket, settings);
    if (!set && set.error() == std::errc::no_protocol_option)
        GTEST_SKIP() << "not before Windows 10 1709, and not in this wine";
    ASSERT_TRUE(set) << set.error().message();
    EXPECT_EQ(keep_alive(socket).value(), settings);
    ASSERT_TRUE(set_keep_alive_off(socket));
    EXPECT_EQ(keep_alive(socket).value(), std::nullopt);
    settings.idle = 0s;
    EXPECT_EQ(set_keep_alive(socket, settings).error(), std::errc::invalid_argument);
}

TEST_F(SocketOptions, BufferSizes) {
    ASSERT_TRUE(set_send_buffer(socket, 30'000));
    EXPECT_GE(send_buffer(socket).value(), 30'000);
    ASSERT_TRUE(set_receive_buffer(socket, 40'000));
    EXPECT_GE(receive_buffer(socket).value(), 40'000);
}

TEST_F(SocketOptions, WhatThereIsNotSaysSo) {
    EXPECT_EQ(set_reuse_port(socket, true).error(), std::errc::not_supported);
    EXPECT_EQ(reuse_port(socket).error(), std::errc::not_supported);
    EXPECT_EQ(set_defer_accept(socket, 1s).error(), std::errc::not_supported);
    EXPECT_EQ(defer_accept(socket).error(), std::errc::not_supported);
    const cork_scope cork(socket);
    EXPECT_EQ(cork.status().error(), std::errc::not_supported);
    EXPECT_TRUE(set_reuse_address(socket, true));
}

TEST_F(SocketOptions, ErrorsAreReturned) {
    constexpr auto expected = std::errc::bad_file_descriptor;
    EXPECT_EQ(set_no_delay(-1, true).error(), expected);
    EXPECT_EQ(no_delay(-1).error(), expected);
    EXPECT_EQ(set_keep_alive(-1, {}).error(), expected);
    EXPECT_EQ(keep_alive(-1).error(), expected);
    EXPECT_EQ(set_send_buffer(-1, 1).error(), expected);
    EXPECT_EQ(set_reuse_port(-1, true).error(), expected);
    EXPECT_EQ(cork_scope(-1).status().error(), expected);
    const unique_descriptor file = file_with("");  // which error is not the same everywhere
    EXPECT_FALSE(set_no_delay(file.get(), true));
    EXPECT_FALSE(no_delay(file.get()));
    EXPECT_FALSE(set_send_buffer(file.get(), 1));
    EXPECT_FALSE(set_reuse_port(file.get(), true));
}

}  // namespace
}  // namespace naru::testing
