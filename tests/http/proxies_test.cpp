// What proxies say, taken apart: the PROXY protocol's header, fields of requests; and networks, rules and
// rates. Nothing here has a socket.
#include <naru/http/exchange/forwarded.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/middleware/client_rules.hpp>
#include <naru/http/server/client_rates.hpp>
#include <naru/http/server/proxy_header.hpp>
#include <naru/http/server/trusted_proxies.hpp>
#include <naru/os/network.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using http::proxy_header;

address at(std::string_view text) { return address::parse(text).value(); }

// ---------------------------------------------------------------------------------------- the header

const std::string signature_2("\r\n\r\n\0\r\nQUIT\n", 12);

std::string version_2(char command, char family, std::string_view block) {
    std::string made = signature_2;
    made += command;
    made += family;
    made += static_cast<char>(block.size() >> 8);
    made += static_cast<char>(block.size() & 0xff);
    made += block;
    return made;
}

const std::string block_of_four("\xc0\x00\x02\x01\x7f\x00\x00\x01\x30\x39\x00\x50", 12);  // 192.0.2.1:12345

std::string block_of_six() {
    std::string made("\x20\x01\x0d\xb8", 4);
    made += std::string(11, '\0') + '\x01';
    made += std::string(15, '\0') + '\x01';
    return made + std::string("\x30\x39\x00\x50", 4);
}

struct outcome_of_header {
    proxy_header::state state;
    std::size_t used;
    std::string client;
    bool of_the_proxy;
};

// As a reader would: never more than it wants, and at most `step` at once.
outcome_of_header take(std::string_view whole, std::size_t step) {
    proxy_header header;
    std::size_t used = 0;
    auto state = proxy_header::state::need_more;
    while (state == proxy_header::state::need_more && used < whole.size()) {
        const std::size_t wants = header.wants();
        EXPECT_GT(wants, 0u);
        const std::string_view piece = whole.substr(used, std::min(wants, step));
        used += piece.size();
        state = header.take(piece);
    }
    return {state, used, header.client() ? header.client()->text() : "", header.is_of_the_proxy()};
}

TEST(ProxyHeader, IsTakenInPiecesOfAnySizeAndNotAByteMore) {
    const std::string behind = "GET / HTTP/1.1\r\n\r\n";
    const std::string more(3'000, 't');
    const std::tuple<std::string, std::string, bool> good[] = {
        {"PROXY TCP4 192.0.2.1 127.0.0.1 12345 80\r\n", "192.0.2.1:12345", false},
        {"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n", "1.1.1.1:1", false},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535", false},
        {"PROXY TCP6 2001:db8::1 ::1 12345 80\r\n", "[2001:db8::1]:12345", false},
        {"PROXY TCP6 :: :: 1 1\r\n", "[::]:1", false},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
         "65535\r\n",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", false},
        {"PROXY UNKNOWN\r\n", "", true},
        {"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n", "", true},
        {version_2('\x21', '\x11', block_of_four), "192.0.2.1:12345", false},
        {version_2('\x21', '\x11', block_of_four + more), "192.0.2.1:12345", false},
        {version_2('\x21', '\x21', block_of_six()), "[2001:db8::1]:12345", false},
        {version_2('\x21', '\x21', block_of_six() + more), "[2001:db8::1]:12345", false},
        {version_2('\x21', '\x31', std::string(216, 'u')), "", false},
        {version_2('\x21', '\x00', ""), "", true},
        {version_2('\x20', '\x00', ""), "", true},
        {version_2('\x20', '\x11', block_of_four), "", true},
    };
    for (const auto& [text, client, of_the_proxy] : good) {
        for (std::size_t step = 1; step <= text.size(); step = step < 120 ? step + 1 : step * 2) {
            const outcome_of_header got = take(text + behind, step);
            ASSERT_EQ(got.state, proxy_header::state::complete) << text << step;
            ASSERT_EQ(got.used, text.size()) << text << step;
            EXPECT_EQ(got.of_the_proxy, of_the_proxy) << text;
            if (!of_the_proxy) {
                EXPECT_EQ(got.client, client) << text;
            }
        }
        for (std::size_t size = 0; size < std::min<std::size_t>(text.size(), 300); ++size)
            EXPECT_EQ(take(std::string_view(text).substr(0, size), 1'000).state,
                      proxy_header::state::need_more)
                << text << size;
    }
}

std::string addition(char type, const std::string& value) {
    std::string made(1, type);
    made += static_cast<char>(value.size() >> 8);
    made += static_cast<char>(value.size() & 0xff);
    return made + value;
}

TEST(ProxyHeader, SaysHowTheClientSpeaksToTheProxy) {
    const std::string tls =
        addition(' ', std::string("\x01\0\0\0\0", 5) + addition('!', "TLSv1.3") + addition('#', "x"));
    const std::string no_tls = addition(' ', std::string("\0\0\0\0\0", 5) + addition('!', "TLSv1.3"));
    struct expected {
        std::string additions;
        bool secure;
        std::string version;
        std::string id;
    };
    const expected all[] = {
        {"", false, "", ""},
        {tls, true, "TLSv1.3", ""},
        {no_tls, false, "", ""},
        {addition('\x05', "id-1") + tls, true, "TLSv1.3", "id-1"},
        {addition('\x04', std::string(1'000, 'n')) + tls + addition('\x05', "id-2"), true, "TLSv1.3", "id-2"},
        {addition('\x05', std::string(129, 'i')), false, "", ""},
        {tls.substr(0, tls.size() - 1), false, "", ""},
        {addition(' ', "\x01"), false, "", ""},
        {addition(' ', std::string("\x01\0\0\0\0", 5) + "!"), true, "", ""},
    };
    for (const char family : {'\x11', '\x21'}) {
        for (const expected& each : all) {
            proxy_header header;
            const std::string text = version_2(
                '\x21', family, (family == '\x11' ? block_of_four : block_of_six()) + each.additions);
            std::string_view left = text;
            auto state = proxy_header::state::need_more;
            while (state == proxy_header::state::need_more) {
                const std::string_view piece = left.substr(0, std::min<std::size_t>(header.wants(), 7));
                left.remove_prefix(piece.size());
                state = header.take(piece);
            }
            EXPECT_EQ(state, proxy_header::state::complete);
            EXPECT_EQ(header.is_secure(), each.secure);
            EXPECT_EQ(header.tls_version(), each.version);
            EXPECT_EQ(header.unique_id(), each.id);
        }
    }
    proxy_header local;
    std::string_view left;
    const std::string text = version_2('\x20', '\x11', block_of_four + tls);
    for (left = text; !left.empty();) {
        const std::string_view piece = left.substr(0, local.wants());
        left.remove_prefix(piece.size());
        (void)local.take(piece);
    }
    EXPECT_FALSE(local.is_secure()) << "it speaks for itself";
}

TEST(ProxyHeader, AnythingElseIsMalformed) {
    const std::string bad[] = {
        "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        "PROXX TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n  ",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n",
        "PROXY TCP4 1.1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 localhost 1.1.1.1 1 1\r\n",
        "PROXY TCP4 2001:db8::1 1.1.1.1 1 1\r\n",
        "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n\n\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r \r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN " + std::string(200, 'x') + "\r\n",
        "PROXY TCP4 " + std::string(200, '1') + "\r\n",
        "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
        version_2('\x22', '\x11', block_of_four),
        version_2('\x11', '\x11', block_of_four),
        version_2('\x21', '\x12', block_of_four),
        version_2('\x21', '\x41', block_of_four),
        version_2('\x21', '\x11', block_of_four.substr(1)),
        version_2('\x21', '\x21', block_of_four),
        version_2('\x21', '\x11', block_of_four + std::string(http::limits::proxy_header_bytes, 't')),
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client's hello of TLS",
    };
    for (const std::string& text : bad) {
        for (const std::size_t step : {std::size_t{1}, std::size_t{7}, text.size()})
            EXPECT_EQ(take(text, step).state, proxy_header::state::malformed) << text << step;
    }
}

TEST(ProxyHeader, NoiseIsTakenApartWithoutHarm) {
    std::mt19937 chance(5);
    const std::string seeds[] = {"PROXY TCP6 2001:db8::1 ::1 12345 80\r\n",
                                 version_2('\x21', '\x21', block_of_six())};
    for (int round = 0; round < 20'000; ++round) {
        std::string text = seeds[round % 2];
        for (unsigned each = 0; each < 1 + chance() % 3; ++each)
            text[chance() % text.size()] = static_cast<char>(chance());
        const outcome_of_header got = take(text, 1 + chance() % 40);
        EXPECT_LE(got.used, text.size());
    }
}

// ---------------------------------------------------------------------------------------- networks

TEST(Network, IsParsedAndContains) {
    const network ten = network::parse("10.0.0.0/8").value();
    EXPECT_TRUE(ten.contains(at("10.255.0.1:80")));
    EXPECT_TRUE(ten.contains(at("[::ffff:10.1.2.3]:80")));
    EXPECT_FALSE(ten.contains(at("11.0.0.0:80")));
    EXPECT_FALSE(ten.contains(at("[a00::]:80"))) << "the same bits, of another family";
    EXPECT_EQ(ten.text(), "10.0.0.0/8");
    EXPECT_EQ(network::parse("::ffff:10.0.0.0/104").value(), ten);
    EXPECT_EQ(network::parse("192.0.2.1").value().text(), "192.0.2.1/32");
    EXPECT_EQ(network::parse("2001:DB8::/32").value().text(), "2001:db8::/32");
    EXPECT_TRUE(network::parse("::/0").value().contains(at("[2001:db8::1]:1")));
    EXPECT_FALSE(network::parse("::/0").value().contains(at("192.0.2.1:1")));
    EXPECT_TRUE(network::parse("0.0.0.0/0").value().contains(at("192.0.2.1:1")));
    for (const char* bad : {"", "/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 ",
                            "10.0.0/8", "::/129", "2001:db8::1/32", "localhost", "*", "[::1]", "::1%lo",
                            "10.0.0.0/8/8", "10.0.0.0:80", "::ffff:0:0/95"})
        EXPECT_FALSE(network::parse(bad)) << bad;
}

TEST(Network, TheMostSpecificOfATableCounts) {
    std::mt19937 chance(7);
    for (int round = 0; round < 200; ++round) {
        std::vector<network_table::entry> entries;
        for (unsigned each = 0; each < 1 + chance() % 12; ++each) {
            const bool six = chance() % 3 == 0;
            const unsigned length = chance() % (six ? 129 : 33);
            // Few bits differ, so that they lie in each other; the borders of the space, too.
            std::string text = six ? (chance() % 2 ? "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" : "::")
                                   : (chance() % 2 ? "255.255.255.255" : "10.0.0.0");
            network made = network::parse(text).value();
            for (unsigned shorter = length;; --shorter) {  // one whose bits behind the prefix are 0
                const auto parsed = network::parse(text + "/" + std::to_string(shorter));
                if (parsed) made = *parsed;
                if (parsed || shorter == 0) break;
            }
            entries.push_back({made, static_cast<std::uint8_t>(each)});
        }
        const network_table table(entries);
        for (const char* asked :
             {"0.0.0.0:0", "10.0.0.0:0", "10.0.0.1:0", "10.255.255.255:0", "11.0.0.0:0", "255.255.255.255:0",
              "[::]:0", "[::1]:0", "[ffff::]:0", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:0"}) {
            unsigned expected = 200;
            int longest = -1;
            for (const auto& each : entries) {
                if (!each.of.contains(at(asked)) || static_cast<int>(each.of.length()) < longest) continue;
                longest = static_cast<int>(each.of.length());
                expected = each.says;
            }
            EXPECT_EQ(table.at(at(asked), 200), expected) << asked;
        }
    }
    EXPECT_EQ(network_table().at(at("10.0.0.1:0"), 3), 3u);
}

TEST(AddressRules, AllowAndDeny) {
    const auto of = [](std::string_view text) { return network::parse(text).value(); };
    const http::address_rules denied({}, std::vector{of("10.0.0.0/8")});
    EXPECT_FALSE(denied.allows(at("10.0.0.1:1")));
    EXPECT_TRUE(denied.allows(at("11.0.0.1:1")));
    EXPECT_TRUE(denied.allows(std::nullopt));
    const http::address_rules allowed(std::vector{of("10.0.0.0/8"), of("10.1.2.3")},
                                      std::vector{of("10.1.0.0/16"), of("10.2.0.0/16")});
    EXPECT_TRUE(allowed.allows(at("10.0.0.1:1")));
    EXPECT_FALSE(allowed.allows(at("10.1.0.1:1")));
    EXPECT_TRUE(allowed.allows(at("10.1.2.3:1")));
    EXPECT_FALSE(allowed.allows(at("192.0.2.1:1")));
    EXPECT_FALSE(allowed.allows(at("[::1]:1")));
    EXPECT_FALSE(allowed.allows(std::nullopt));
    const http::address_rules both(std::vector{of("10.0.0.0/8")}, std::vector{of("10.0.0.0/8")});
    EXPECT_FALSE(both.allows(at("10.0.0.1:1")));
}

// ---------------------------------------------------------------------------------------- fields

class Forwarded : public ::testing::Test {
 protected:
    using fields = http::trusted_proxies::fields;
    std::string client(std::string_view lines, std::string_view sender = "10.0.0.1:1") {
        return read(lines, sender).client->host_text();
    }
    http::detail::forwarded_facts read(std::string_view lines, std::string_view sender = "10.0.0.1:1") {
        head_ = "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(lines) + "\r\n";
        const std::string_view from[] = {"10.0.0.0/8", "fd00::/8"};
        const http::trusted_proxies trusted(from, by_);
        return http::detail::read_forwarded(http::field_list(head_), trusted, at(sender));
    }
    fields by_ = fields::x_forwarded;
    std::string head_;
};

TEST_F(Forwarded, ForIsReadFromTheRight) {
    EXPECT_EQ(client(""), "10.0.0.1");
    EXPECT_EQ(client("X-Forwarded-For: 192.0.2.1\r\n"), "192.0.2.1");
    EXPECT_EQ(client("x-forwarded-for: 6.6.6.6, 192.0.2.1\r\n"), "192.0.2.1");
    EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.9.9.9\r\n"), "192.0.2.1");
    EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.1,10.1.1.1\r\n"), "192.0.2.1");
    EXPECT_EQ(client("X-Forwarded-For: 10.1.1.1, 10.2.2.2\r\n"), "10.1.1.1") << "all of them are trusted";
    EXPECT_EQ(client("X-Forwarded-For: 192.0.2.1:4711\r\n"), "192.0.2.1");
    EXPECT_EQ(client("X-Forwarded-For: 2001:db8::1\r\n"), "2001:db8::1");
    EXPECT_EQ(client("X-Forwarded-For: [2001:db8::1]:4711, fd00::1\r\n"), "2001:db8::1");
    EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, , 192.0.2.1 ,\r\n"), "192.0.2.1");
    for (const char* none :
         {"unknown", "_hidden", "*:80", "localhost", "1.2.3", "::1%lo", "\"192.0.2.1\"", "-"})
        EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, " + std::string(none) + "\r\n"), "10.0.0.1") << none;
    EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6, unknown, 10.2.2.2\r\n"), "10.2.2.2");
    std::string many = "X-Forwarded-For: 6.6.6.6";
    for (int each = 0; each < 200; ++each)
        many += ", 10.1.1.1";
    EXPECT_EQ(client(many + "\r\n"), "10.1.1.1") << "no further than the limit";
    EXPECT_EQ(client(many + ", 192.0.2.1\r\n"), "192.0.2.1");
}

TEST_F(Forwarded, NobodyElseIsBelieved) {
    const std::string lines =
        "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\n";
    EXPECT_EQ(client(lines, "192.0.2.7:1"), "192.0.2.7");
    EXPECT_EQ(read(lines, "192.0.2.7:1").scheme, "");
    EXPECT_EQ(client("Forwarded: for=6.6.6.6\r\n"), "10.0.0.1") << "the field that the proxy does not set";
    by_ = fields::forwarded;
    EXPECT_EQ(client("X-Forwarded-For: 6.6.6.6\r\n"), "10.0.0.1");
    by_ = fields::none;
    EXPECT_EQ(client(lines), "10.0.0.1");
}

TEST_F(Forwarded, TheStandardsField) {
    by_ = fields::forwarded;
    EXPECT_EQ(client("Forwarded: for=192.0.2.1;proto=https;by=10.0.0.1\r\n"), "192.0.2.1");
    EXPECT_EQ(client("forwarded: For=\"[2001:db8::1]:4711\"\r\n"), "2001:db8::1");
    EXPECT_EQ(client("Forwarded: for=6.6.6.6, for=192.0.2.1;host=\"a,b\", for=10.1.1.1\r\n"), "192.0.2.1");
    EXPECT_EQ(client("Forwarded: for=\"6.6.6.6, for=192.0.2.1\r\n"), "192.0.2.1")
        << "an open quote of the client's takes nothing of the proxy's";
    EXPECT_EQ(client("Forwarded: for=6.6.6.6;x=\"\\\r\nForwarded: for=192.0.2.1\r\n"), "192.0.2.1");
    EXPECT_EQ(client("Forwarded: for=6.6.6.6, for=_secret\r\n"), "10.0.0.1");
    EXPECT_EQ(client("Forwarded: for=6.6.6.6, proto=https\r\n"), "10.0.0.1");
    EXPECT_EQ(
        read("Forwarded: for=6.6.6.6;proto=http, for=192.0.2.1;proto=https, for=10.1.1.1;proto=http\r\n")
            .scheme,
        "https");
}

TEST_F(Forwarded, TheSchemeIsThatOfTheClientsHop) {
    EXPECT_EQ(read("X-Forwarded-Proto: https\r\n").scheme, "https");
    EXPECT_EQ(read("X-Forwarded-For: 192.0.2.1, 10.1.1.1\r\nX-Forwarded-Proto: https, http\r\n").scheme,
              "https");
    EXPECT_EQ(read("X-Forwarded-For: 6.6.6.6, 192.0.2.1\r\nX-Forwarded-Proto: https\r\n").scheme, "https");
    EXPECT_EQ(read("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https, http\r\n").scheme, "http")
        << "the proxy's own word";
}

TEST(TrustedProxies, Texts) {
    const std::string_view good[] = {"10.0.0.0/8", "unix", "2001:db8::1"};
    const http::trusted_proxies made(good);
    EXPECT_TRUE(made.trusts_local());
    EXPECT_TRUE(made.trusts(at("[2001:db8::1]:5")));
    EXPECT_FALSE(made.trusts(at("11.0.0.1:5")));
    for (const std::string_view bad : {"", "10.0.0.1/8", "proxy.example"}) {
        const std::string_view texts[] = {bad};
        EXPECT_THROW(http::trusted_proxies{texts}, std::invalid_argument) << bad;
    }
}

// ---------------------------------------------------------------------------------------- rates

TEST(ClientRates, ABurstThenTheRate) {
    http::client_rates limit({.per_second = 10, .burst = 5});
    const instant begin{1'000s};
    for (int each = 0; each < 5; ++each)
        EXPECT_FALSE(limit.ask(7, begin)) << each;
    EXPECT_EQ(limit.ask(7, begin), 100ms);
    EXPECT_EQ(limit.ask(7, begin + 99ms), 1ms);
    EXPECT_FALSE(limit.ask(7, begin + 100ms));
    EXPECT_EQ(limit.ask(7, begin + 100ms), 100ms) << "who was refused has lost nothing";
    EXPECT_FALSE(limit.ask(8, begin)) << "another client";
    for (int each = 0; each < 5; ++each)
        EXPECT_FALSE(limit.ask(7, begin + 10s)) << "a rest gives the burst back, and no more";
    EXPECT_TRUE(limit.ask(7, begin + 10s));
    EXPECT_FALSE(limit.ask(std::nullopt, begin));
}

TEST(ClientRates, OfIPv6ASubnetIsOneClient) {
    http::client_rates limit({.per_second = 1, .burst = 1});
    const instant now{1'000s};
    EXPECT_FALSE(limit.ask(at("[2001:db8:0:1::1]:5"), now));
    EXPECT_TRUE(limit.ask(at("[2001:db8:0:1::2]:6"), now));
    EXPECT_FALSE(limit.ask(at("[2001:db8:0:2::1]:5"), now));
    EXPECT_FALSE(limit.ask(at("192.0.2.1:5"), now));
    EXPECT_TRUE(limit.ask(at("[::ffff:192.0.2.1]:5"), now));
    EXPECT_FALSE(limit.ask(at("192.0.2.2:5"), now));
}

TEST(ClientRates, AFullTableForgetsWhoHasRestedForLongest) {
    http::client_rates limit({.per_second = 1, .burst = 3}, 8);  // one set
    const instant now{1'000s};
    for (std::uint64_t each = 1; each <= 8; ++each) {
        EXPECT_FALSE(limit.ask(each, now));
        if (each == 1) continue;
        EXPECT_FALSE(limit.ask(each, now));
        EXPECT_FALSE(limit.ask(each, now));
    }
    EXPECT_FALSE(limit.ask(100, now)) << "in the place of the first, which owes least";
    for (std::uint64_t each = 2; each <= 8; ++each)
        EXPECT_TRUE(limit.ask(each, now)) << each;
    EXPECT_FALSE(limit.ask(100, now));
}

TEST(ClientRates, ThreadsShareThem) {
    http::client_rates limit({.per_second = 0.001, .burst = 1'000});
    const instant now{1'000s};
    EXPECT_FALSE(limit.ask(7, now));
    std::atomic<int> admitted = 1;
    std::vector<std::jthread> threads;
    for (int each = 0; each < 4; ++each)
        threads.emplace_back([&] {
            for (std::uint64_t ask = 0; ask < 1'000; ++ask) {
                if (!limit.ask(7, now)) ++admitted;
                (void)limit.ask(1'000 + ask, now);
            }
        });
    threads.clear();
    EXPECT_EQ(admitted, 1'000);
}

TEST(ClientRates, OnesThatCannotBe) {
    for (const http::rate bad : {http::rate{0, 1}, {-1, 1}, {1e7, 1}, {1, 0}, {1, 2'000'000}})
        EXPECT_THROW(http::client_rates{bad}, std::invalid_argument);
}

}  // namespace
}  // namespace naru::testing
