// Addresses, results, outcomes and bytes.
#include "support/sockets.hpp"

#include <naru/core/bytes.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/result.hpp>
#include <naru/net/udp_socket.hpp>
#include <naru/os/address.hpp>
#include <naru/os/os_sockets.hpp>
#include <naru/os/socket.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#if defined(__linux__)
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#endif

namespace naru::testing {
namespace {

TEST(Address, ReadsWhatItWrites) {
    for (const char* text : {"127.0.0.1:8080", "0.0.0.0:1", "255.255.255.255:65535", "[::1]:443",
                             "[2001:db8::7]:0", "[::]:80"}) {
        const auto parsed = address::parse(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(parsed->text(), text);
        EXPECT_EQ(address::parse(parsed->text())->text(), text);
        EXPECT_EQ(parsed->size(), parsed->family() == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    }
}

TEST(Address, WithoutAHostIsEveryAddress) {
    for (const char* text : {":8080", "*:8080"}) {
        const auto parsed = address::parse(text);
        ASSERT_TRUE(parsed) << text;
        EXPECT_EQ(parsed->family(), AF_INET6);
        EXPECT_EQ(parsed->port(), 8080);
        EXPECT_EQ(parsed->text(), "[::]:8080");
    }
    EXPECT_EQ(address::parse("localhost:80")->text(), "127.0.0.1:80");
}

TEST(Address, IsReadFromTheSystemsForm) {
    for (const char* text : {"192.0.2.7:53", "[2001:db8::7]:53"}) {
        const address written = address::parse(text).value();
        const auto read = address::of(written.data(), written.size());
        ASSERT_TRUE(read) << text;
        EXPECT_EQ(read->text(), text);
        for (const std::uint32_t size : {std::uint32_t{0}, std::uint32_t{2}, written.size() - 1})
            EXPECT_EQ(address::of(written.data(), size).error(), std::errc::address_family_not_supported);
    }
    const std::array<std::byte, sizeof(sockaddr_in6)> nothing{};
    for (const std::uint32_t size : {sizeof(sockaddr_in), sizeof(sockaddr_in6)})
        EXPECT_EQ(address::of(nothing.data(), size).error(), std::errc::address_family_not_supported);
}

TEST(Address, IsTheSameByHostZoneAndPort) {
    const auto at = [](std::string_view text) { return address::parse(text).value(); };
    const std::vector<std::string> others = {
        "127.0.0.1:80", "127.0.0.1:81",   "127.0.0.2:80",   "[::1]:80",
        "[::2]:80",     "[fe80::1%1]:80", "[fe80::1%2]:80", "[::ffff:127.0.0.1]:80"};
    std::unordered_map<address, std::size_t> places;
    for (std::size_t each = 0; each < others.size(); ++each)
        places[at(others[each])] = each;
    EXPECT_EQ(places.size(), others.size());
    for (std::size_t each = 0; each < others.size(); ++each) {
        EXPECT_EQ(places.at(at(others[each])), each);
        for (std::size_t other = 0; other < others.size(); ++other)
            EXPECT_EQ(at(others[each]) == at(others[other]), each == other) << others[each] << others[other];
    }
    EXPECT_EQ(at("*:80"), at("[::]:80"));
    EXPECT_EQ(address(), address());
    EXPECT_NE(address(), at("0.0.0.0:0"));
    // What the system leaves in the rest of its form says nothing.
    sockaddr_in6 six{};
    std::memcpy(&six, at("[::1]:80").data(), sizeof six);
    six.sin6_flowinfo = 7;
    EXPECT_EQ(address::of(&six, sizeof six).value(), at("[::1]:80"));
    sockaddr_in four{};
    std::memcpy(&four, at("127.0.0.1:80").data(), sizeof four);
    four.sin_zero[0] = 1;
    EXPECT_EQ(address::of(&four, sizeof four).value(), at("127.0.0.1:80"));
}

TEST(Address, WhatIsNoneIsRefused) {
    for (const char* text : {"",
                             "127.0.0.1",
                             "127.0.0.1:",
                             "127.0.0.1:65536",
                             "127.0.0.1:-1",
                             "127.0.0.1:80x",
                             "127.0.0.1: 80",
                             "127.0.0:80",
                             "256.0.0.1:80",
                             "example.org:80",
                             "[::1:80",
                             "::1]:80",
                             "[::1]",
                             "::1:80x",
                             "[]:80",
                             "[127.0.0.1]:80",
                             "[::g]:80",
                             ":",
                             "[:80",
                             "]:80"}) {
        const auto parsed = address::parse(text);
        EXPECT_FALSE(parsed) << text;
        if (!parsed) {
            EXPECT_EQ(parsed.error(), std::errc::invalid_argument) << text;
        }
    }
    EXPECT_FALSE(address::parse(std::string(500, '1') + ":80"));
}

TEST(Address, ANulEndsNoAddress) {
    using namespace std::string_view_literals;
    for (const std::string_view text :
         {"127.0.0.1\0:80"sv, "127.0.0.1\0.evil:80"sv, "[::1\0]:80"sv, "[::1]\0:80"sv, "\0:80"sv, "*\0:80"sv,
          "localhost\0:80"sv, "127.0.0.1:80\0"sv}) {
        const auto parsed = address::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error(), std::errc::invalid_argument) << text;
    }
}

TEST(Address, AZoneIsReadAndShown) {
    const auto numbered = address::parse("[fe80::1%4294967]:80");
    ASSERT_TRUE(numbered) << numbered.error().message();
    EXPECT_EQ(numbered->text(), "[fe80::1%4294967]:80");
    EXPECT_EQ(numbered->host_text(), "fe80::1%4294967");
    EXPECT_EQ(address::of(numbered->data(), numbered->size())->text(), numbered->text());
    for (const char* text : {"[fe80::1%]:80", "[%1]:80", "[fe80::1%a-name-that-is-far-too-long]:80",
                             "127.0.0.1%1:80", "[127.0.0.1%1]:80", "fe80::1%1:80"}) {
        const auto parsed = address::parse(text);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error(), std::errc::invalid_argument) << text;
    }
#if defined(__linux__)
    const auto named = address::parse("[fe80::1%lo]:80");
    ASSERT_TRUE(named) << named.error().message();
    EXPECT_EQ(named->text(), "[fe80::1%lo]:80");
    EXPECT_EQ(address::parse("[fe80::1%nosuch0]:80").error(), std::errc::no_such_device);
#endif
}

#if defined(__linux__)
// A path is longer than an address has room for: its length must not be believed.
TEST(Address, OfAUnixSocketIsNone) {
    const unique_descriptor socket(checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    std::memset(path.sun_path + 1, 'x', sizeof path.sun_path - 1);  // an abstract name, as long as they go
    const std::string own = std::to_string(::getpid());
    std::memcpy(path.sun_path + 1, own.data(), own.size());
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&path), sizeof path), 0);
    const auto local = address::local_of(socket.get());
    ASSERT_FALSE(local);
    EXPECT_EQ(local.error(), std::errc::address_family_not_supported);
}

/// What a child prints in which the system has no IPv6.
std::string without_ipv6(const std::function<std::string()>& function) {
    int ends[2];
    checked(::pipe(ends), "pipe");
    const unique_descriptor read_end(ends[0]);
    unique_descriptor write_end(ends[1]);
    const pid_t child = ::fork();
    checked(child, "fork");
    if (child == 0) {
        sock_filter filter[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const sock_fprog program{.len = std::size(filter), .filter = filter};
        std::string said = "no seccomp";
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
            ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0)
            said = function();
        (void)!::write(write_end.get(), said.data(), said.size());
        ::_exit(0);
    }
    write_end.reset();
    char text[512] = {};
    (void)!::read(read_end.get(), text, sizeof text - 1);
    ::waitpid(child, nullptr, 0);
    return text;
}

TEST(Address, EveryAddressIsEveryIPv4AddressWithoutIPv6) {
    for (const char* text : {"*:0", ":0"}) {
        const std::string said = without_ipv6([&] {
            const address every = address::parse(text).value();
            const auto listener = listen_on(every, {});
            const auto datagrams = bind_datagram(every);
            const auto none = listen_on(address::parse("[::]:0").value(), {});
            const auto shown = [](const result<unique_descriptor>& made) {
                return made ? address::local_of(made->get())->host_text() : made.error().message();
            };
            return shown(listener) + ", " + shown(datagrams) + ", " + (none ? "IPv6" : "no IPv6");
        });
        if (said == "no seccomp") GTEST_SKIP() << said;
        EXPECT_EQ(said, "0.0.0.0, 0.0.0.0, no IPv6");
    }
}
#endif

TEST(Listening, AnIPv6ListenerLeavesIPv4ToAnotherIfItIsTold) {
    listen_options only;
    only.ipv6_only = true;
    udp_options only_datagrams;
    only_datagrams.ipv6_only = true;
    bool listens = false;
    bool receives = false;
    for (int tries = 0; tries < 50 && !(listens && receives);
         ++tries) {  // others may have the port of the other family
        const auto six = listen_on(address::parse("[::]:0").value(), only);
        if (!six) GTEST_SKIP() << "no IPv6 here: " << six.error().message();
        const auto datagrams = bind_datagram(address::parse("[::]:0").value(), only_datagrams);
        ASSERT_TRUE(datagrams);
        const auto beside = [](const unique_descriptor& socket) {
            return address::parse("0.0.0.0:" + std::to_string(address::local_of(socket.get())->port()))
                .value();
        };
        listens = listens || listen_on(beside(*six), {}).has_value();
        receives = receives || bind_datagram(beside(*datagrams)).has_value();
    }
    EXPECT_TRUE(listens);
    EXPECT_TRUE(receives);
}

TEST(Address, AnIPv4ClientOfASocketForBothFamiliesIsShownAsSuch) {
    const auto mapped = address::parse("[::ffff:192.0.2.7]:99");
    ASSERT_TRUE(mapped);
    EXPECT_EQ(mapped->host_text(), "192.0.2.7");
    EXPECT_EQ(mapped->text(), "192.0.2.7:99");
}

TEST(Address, OfSockets) {
    const auto listener = listen_on(address::parse("127.0.0.1:0").value(), {});
    ASSERT_TRUE(listener);
    const auto local = address::local_of(listener->get());
    ASSERT_TRUE(local);
    EXPECT_NE(local->port(), 0);
    EXPECT_EQ(local->host_text(), "127.0.0.1");
    const auto peer = address::peer_of(listener->get());
    ASSERT_FALSE(peer);
    EXPECT_EQ(peer.error(), std::errc::not_connected);
    EXPECT_EQ(address::local_of(-1).error(), std::errc::bad_file_descriptor);
}

TEST(Listening, OnATakenPortIsAnError) {
    const auto first = listen_on(address::parse("127.0.0.1:0").value(), {});
    ASSERT_TRUE(first);
    const auto second = listen_on(address::local_of(first->get()).value(), {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), std::errc::address_in_use);
}

TEST(Listening, SharesAPortThatWasMeantToBeShared) {
    listen_options shared;
    shared.reuse_port = true;
    const auto first = listen_on(address::parse("127.0.0.1:0").value(), shared);
    if (!first && first.error() == std::errc::not_supported) GTEST_SKIP() << "this system has no such ports";
    ASSERT_TRUE(first);
    EXPECT_TRUE(listen_on(address::local_of(first->get()).value(), shared));
}

TEST(BindingDatagrams, SharesAPortThatWasMeantToBeSharedAndNoOther) {
    const auto alone = bind_datagram(address::parse("127.0.0.1:0").value());
    ASSERT_TRUE(alone);
    udp_options shared;
    shared.reuse_port = true;
    const auto first = bind_datagram(address::parse("127.0.0.1:0").value(), shared);
    if (!first && first.error() == std::errc::not_supported) GTEST_SKIP() << "this system has no such ports";
    ASSERT_TRUE(first);
    EXPECT_TRUE(bind_datagram(address::local_of(first->get()).value(), shared));
    const auto second = bind_datagram(address::local_of(alone->get()).value(), shared);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), std::errc::address_in_use);
}

TEST(BindingDatagrams, MayBroadcastWhenAsked) {
    const unique_descriptor datagrams = datagram_socket_for(address::parse("127.0.0.1:0").value()).value();
    EXPECT_EQ(socket_options::broadcast(datagrams.get()), false);
    for (const bool on : {true, false}) {
        ASSERT_TRUE(socket_options::set_broadcast(datagrams.get(), on));
        EXPECT_EQ(socket_options::broadcast(datagrams.get()), on);
    }
    EXPECT_FALSE(socket_options::set_broadcast(-1, true));
}

TEST(UniqueDescriptor, ClosesOnce) {
    auto pair = make_local_pair();
    const int ends[2] = {pair.first.release(), pair.second.release()};
    {
        unique_descriptor first(ends[0]);
        unique_descriptor moved(std::move(first));
        EXPECT_FALSE(first);  // NOLINT: a moved-from descriptor is empty
        EXPECT_EQ(moved.get(), ends[0]);
        moved = unique_descriptor(ends[1]);
        char byte = 0;
        ASSERT_TRUE(wait_readable(moved.get(), 10'000));
        EXPECT_EQ(receive_some(moved.get(), &byte, 1), 0);  // the other end has been closed
        EXPECT_EQ(moved.release(), ends[1]);
    }
    unique_descriptor last(ends[1]);
    last.reset();
    EXPECT_FALSE(last);
}

TEST(Outcome, ErrorsGoThereAndBack) {
    for (const int number : {EPERM, EAGAIN, ECONNRESET, ECANCELED, 4095}) {
        const std::int64_t raw = outcome::from_errno(number);
        EXPECT_LT(raw, 0);
        const std::error_code error = outcome::to_error(raw);
        EXPECT_EQ(error.value(), number);
        EXPECT_EQ(error.category(), errno_category());
        EXPECT_EQ(outcome::from(error), raw);
    }
    for (const errc own : {errc::end_of_stream, errc::select_descriptor_limit, errc::handle_limit,
                           errc::direct_descriptor_limit}) {
        const std::int64_t raw = outcome::from(own);
        EXPECT_LT(raw, outcome::own_base);
        const std::error_code error = outcome::to_error(raw);
        EXPECT_EQ(error, own);
        EXPECT_EQ(error.category(), naru_category());
        EXPECT_EQ(outcome::from(error), raw);
        EXPECT_FALSE(error.message().empty());
    }
    EXPECT_EQ(outcome::to_error(outcome::canceled), std::errc::operation_canceled);
    EXPECT_EQ(outcome::to_error(outcome::end_of_stream), errc::end_of_stream);
}

TEST(Errors, SayWhatIsMeant) {
    EXPECT_STREQ(naru_category().name(), "naru");
    EXPECT_NE(make_error_code(errc::select_descriptor_limit).message().find("FD_SETSIZE"), std::string::npos);
    EXPECT_EQ(make_error_code(errc::select_descriptor_limit), std::errc::too_many_files_open);
    EXPECT_NE(make_error_code(errc::end_of_stream), std::errc::too_many_files_open);
    EXPECT_EQ(naru_category().message(999), "unknown naru error");
    const result<int> failed = fail(errc::end_of_stream);
    EXPECT_EQ(failed.error(), errc::end_of_stream);
    const result<int> system = fail_errno(EPIPE);
    EXPECT_EQ(system.error(), std::errc::broken_pipe);
}

TEST(Bytes, AdvanceDropsFromTheFront) {
    const std::string text = "abcdefgh";
    std::array<slice, 4> pieces{slice(std::string_view(text).substr(0, 3)), slice(),
                                slice(std::string_view(text).substr(3, 1)),
                                slice(std::string_view(text).substr(4))};
    EXPECT_EQ(total_size(pieces), 8u);
    const auto rest = [&pieces] {
        std::string all;
        for (const slice& each : pieces)
            all += as_text(bytes_view(each.data, each.size));
        return all;
    };
    naru::advance(std::span<slice>(pieces), 0);
    EXPECT_EQ(rest(), "abcdefgh");
    naru::advance(std::span<slice>(pieces), 2);
    EXPECT_EQ(rest(), "cdefgh");
    naru::advance(std::span<slice>(pieces), 2);
    EXPECT_EQ(rest(), "efgh");
    naru::advance(std::span<slice>(pieces), 4);
    EXPECT_EQ(rest(), "");
    EXPECT_EQ(total_size(pieces), 0u);
}

TEST(Clock, AddingForEverIsNever) {
    const instant now = clock::now();
    EXPECT_EQ(saturating_add(now, duration::max()), never);
    EXPECT_EQ(saturating_add(now, std::chrono::seconds(1)), now + std::chrono::seconds(1));
    EXPECT_EQ(saturating_add(now, duration(0)), now);
}

TEST(Clock, WhatCannotBeCountedSaturates) {
    using std::chrono::duration;
    using namespace std::chrono_literals;
    const instant now = clock::now();
    for (const auto late :
         {saturating_add(now, std::chrono::seconds::max()),
          saturating_add(now, std::chrono::milliseconds::max()),
          saturating_add(now, std::chrono::hours::max()), saturating_add(now, 24h * 366 * 300),
          saturating_add(now, duration<double>(1e300)), saturating_add(never, 1ns),
          saturating_add(never - 1ns, 2ns)})
        EXPECT_EQ(late, never);
    for (const auto past :
         {saturating_add(instant::min(), -1ns), saturating_add(instant(), std::chrono::hours::min()),
          saturating_add(instant::min() + 1ns, naru::duration::min())})
        EXPECT_EQ(past, instant::min());
    EXPECT_EQ(saturating_add(never, naru::duration::min()), never + naru::duration::min());
    EXPECT_EQ(saturating_add(instant::min(), 5ns), instant::min() + 5ns);
    EXPECT_EQ(saturate(1500us), naru::duration(1'500'000));
    EXPECT_EQ(saturate(duration<double>(0.25)), 250ms);
    EXPECT_EQ(saturate(9'223'372'036s), naru::duration(9'223'372'036'000'000'000));
    EXPECT_EQ(saturate(9'223'372'037s), naru::duration::max());
}

}  // namespace
}  // namespace naru::testing
