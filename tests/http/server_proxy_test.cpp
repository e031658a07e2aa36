// Behind a balancer: the PROXY protocol before a connection, and what is known of clients then. On every
// engine.
#include "fixture.hpp"

#include <naru/coro/sleep.hpp>
#include <naru/http/http.hpp>
#include <naru/http/middleware/client_rules.hpp>

#include <array>

namespace naru::testing {
namespace {

class proxy_test : public http_server_test {
 protected:
    void SetUp() override {
        http_server_test::SetUp();
        if (IsSkipped()) return;
        options_.listen.front().proxy_protocol = true;
        trust({"127.0.0.0/8"});
        options_.defer_accept = 0s;  // who says nothing is accepted at once
        options_.timeouts.drain = 200ms;
    }
    void trust(std::vector<std::string_view> from,
               http::trusted_proxies::fields by = http::trusted_proxies::fields::x_forwarded) {
        options_.trusted_proxies = std::make_shared<const http::trusted_proxies>(from, by);
    }
    static http::site facts() {
        http::site made;
        made.get("/facts", [](http::exchange& x) noexcept {
            const auto client = x.client();
            x.respond(200, "text/plain",
                      (client ? client->host_text() : "nobody") + (x.is_secure() ? " secure" : " clear"));
        });
        made.get("/later", [](http::exchange& x) -> task<> {
            co_await yield();
            const auto client = x.client();
            x.respond(200, "text/plain", client ? client->host_text() : "nobody");
        });
        return made;
    }
    static std::string version_2(char command, std::string_view address_and_more) {
        std::string made("\r\n\r\n\0\r\nQUIT\n", 12);
        made += command;
        made += '\x11';
        made += static_cast<char>(address_and_more.size() >> 8);
        made += static_cast<char>(address_and_more.size() & 0xff);
        return made += address_and_more;
    }
    bool reported(std::string_view what) {
        return eventually([&] {
            const auto all = reports();
            return std::ranges::any_of(all, [&](const std::string& each) { return each.contains(what); });
        });
    }
    static constexpr std::string_view first_version = "PROXY TCP4 192.0.2.1 127.0.0.1 4711 80\r\n";
    const std::string block{"\xc0\x00\x02\x02\x7f\x00\x00\x01\x30\x39\x00\x50", 12};  // 192.0.2.2
};
NARU_ON_EVERY_ENGINE(proxy_test);

TEST_P(proxy_test, the_header_tells_the_client) {
    start(facts());
    client one = connect();
    EXPECT_EQ(one.ask(std::string(first_version) + get("/facts")).body, "192.0.2.1 clear");
    EXPECT_EQ(one.ask(get("/facts")).body, "192.0.2.1 clear") << "as long as the connection lasts";
    EXPECT_EQ(one.ask(get("/later")).body, "192.0.2.1");
    EXPECT_EQ(connect().ask(version_2('\x21', block + "tlv") + get("/facts")).body, "192.0.2.2 clear");
    EXPECT_EQ(connect().ask(version_2('\x20', block) + get("/facts")).body, "127.0.0.1 clear");
    EXPECT_EQ(connect().ask("PROXY UNKNOWN\r\n" + get("/facts")).body, "127.0.0.1 clear");
    EXPECT_EQ(connect().ask("PROXY TCP6 2001:db8::1 ::1 4711 80\r\n" + get("/facts") + get("/facts")).body,
              "2001:db8::1 clear");
}

TEST_P(proxy_test, the_header_tells_of_the_clients_tls) {
    options_.access_log = (files_.path() / "access.log").string();
    options_.log_format = http::log_format::json;
    start(facts());
    const std::string tls("\x05\0\x04id\"1\x20\0\x0f\x01\0\0\0\0\x21\0\x07TLSv1.2", 25);
    client one = connect();
    EXPECT_EQ(one.ask(version_2('\x21', block + tls) + get("/facts")).body, "192.0.2.2 secure");
    EXPECT_EQ(one.ask(get("/facts")).body, "192.0.2.2 secure");
    EXPECT_EQ(one.ask(get("/facts", "X-Forwarded-Proto: http\r\n")).body, "192.0.2.2 secure")
        << "it is no trusted proxy's word";
    server_->drain();
    server_->wait();
    server_.reset();
    std::ifstream file(*options_.access_log);
    int lines = 0;
    for (std::string line; std::getline(file, line); ++lines)
        EXPECT_TRUE(line.contains(R"("tls":"TLSv1.2","connection":"id\"1",)")) << line;
    EXPECT_EQ(lines, 3);
}

TEST_P(proxy_test, it_may_come_byte_by_byte) {
    start(facts());
    for (const std::string& header : {std::string(first_version), version_2('\x21', block)}) {
        const std::string whole = header + get("/facts");
        client one = connect();
        for (const char byte : whole)
            one.send({&byte, 1});
        EXPECT_TRUE(one.read().body.starts_with("192.0.2."));
    }
    const std::string whole = std::string(first_version) + get("/facts");
    for (std::size_t split = 1; split < first_version.size() + 2; split += 3) {
        client one = connect();
        one.send(std::string_view(whole).substr(0, split));
        one.send(std::string_view(whole).substr(split));
        EXPECT_EQ(one.read().body, "192.0.2.1 clear") << split;
    }
}

TEST_P(proxy_test, none_or_garbage_is_closed_and_counted) {
    start(facts());
    client wrong = connect();
    wrong.send(get("/facts"));
    EXPECT_EQ(wrong.read_to_end(), "");
    EXPECT_TRUE(reported("1 closed for want of a good header of the PROXY protocol"));
    EXPECT_EQ(connect().ask(std::string(first_version) + get("/facts")).status, 200);
}

TEST_P(proxy_test, who_stops_within_it_is_closed_and_counted) {
    options_.timeouts.head = 100ms;
    start(facts());
    client slow = connect();
    slow.send("PROXY TCP4 ");
    EXPECT_EQ(slow.read_to_end(), "");
    EXPECT_TRUE(reported("1 closed for want of a good header of the PROXY protocol"));
    client silent = connect();
    EXPECT_EQ(silent.read_to_end(), "");
}

TEST_P(proxy_test, a_probe_leaves_no_trace) {
    options_.access_log = (files_.path() / "access.log").string();
    start(facts());
    for (int each = 0; each < 5; ++each) {
        client probe = connect();
        probe.end_sending();
        EXPECT_TRUE(probe.ends());
        client local = connect();
        local.send(version_2('\x20', ""));
        local.end_sending();
        EXPECT_EQ(local.read_to_end(), "");
    }
    EXPECT_EQ(connect().ask(std::string(first_version) + get("/facts")).status, 200);
    stop();
    EXPECT_TRUE(reports().empty()) << reports().front();
    std::ifstream log(*options_.access_log);
    std::string line;
    ASSERT_TRUE(std::getline(log, line));
    EXPECT_TRUE(line.starts_with("192.0.2.1 - - ")) << line;
    EXPECT_FALSE(std::getline(log, line)) << line;
}

TEST_P(proxy_test, others_than_trusted_proxies_are_reset) {
    trust({"10.0.0.0/8"});
    start(facts());
    client other = connect();
    other.send(first_version);
    EXPECT_EQ(other.read_to_end(), "");
    EXPECT_TRUE(reported("1 refused because they are no trusted proxies"));
}

TEST_P(proxy_test, nobody_is_trusted_by_default) {
    options_.trusted_proxies = nullptr;
    EXPECT_THROW(start(facts()), std::runtime_error);
}

TEST_P(proxy_test, a_server_that_stops_lets_those_go_who_have_said_nothing) {
    start(facts());
    client silent = connect();
    client partly = connect();
    partly.send("PROXY ");
    EXPECT_EQ(connect().ask(std::string(first_version) + get("/facts")).status, 200);
    stop();
    EXPECT_EQ(silent.read_to_end(), "");
    EXPECT_EQ(partly.read_to_end(), "");
}

TEST_P(proxy_test, one_listener_for_several_loops) {
    options_.threads = 2;
    options_.shared_listener = true;
    start(facts());
    for (int each = 0; each < 6; ++each)
        EXPECT_EQ(connect().ask(std::string(first_version) + get("/facts")).body, "192.0.2.1 clear");
}

TEST_P(proxy_test, fields_of_requests_from_trusted_proxies) {
    options_.listen.front().proxy_protocol = false;
    start(facts());
    client one = connect();
    EXPECT_EQ(one.ask(get("/facts", "X-Forwarded-For: 6.6.6.6, 192.0.2.9\r\n")).body, "192.0.2.9 clear");
    EXPECT_EQ(one.ask(get("/facts", "X-Forwarded-Proto: https\r\n")).body, "127.0.0.1 secure");
    EXPECT_EQ(one.ask(get("/facts", "X-Forwarded-Proto: HTTP\r\n")).body, "127.0.0.1 clear");
    EXPECT_EQ(one.ask(get("/later", "X-Forwarded-For: 192.0.2.9\r\n")).body, "192.0.2.9");
    EXPECT_EQ(one.ask(get("/facts")).body, "127.0.0.1 clear") << "each request for itself";
}

TEST_P(proxy_test, the_two_together) {
    trust({"127.0.0.0/8", "192.0.2.1"});
    start(facts());
    client one = connect();
    EXPECT_EQ(one.ask(std::string(first_version) + get("/facts", "X-Forwarded-For: 6.6.6.6\r\n")).body,
              "6.6.6.6 clear");
    client other = connect();
    EXPECT_EQ(other.ask(version_2('\x21', block) + get("/facts", "X-Forwarded-For: 6.6.6.6\r\n")).body,
              "192.0.2.2 clear")
        << "that client is no proxy";
}

TEST_P(proxy_test, rules_and_rates_are_the_clients) {
    http::site made = facts();
    made.before(http::address_rules({}, std::vector{network::parse("192.0.2.7").value()}))
        .before(http::rate_limit({.per_second = 0.001, .burst = 2}));
    options_.listen.front().proxy_protocol = false;
    start(std::move(made));
    client one = connect();
    const auto ask_as = [&one](std::string_view who) {
        return one.ask(get("/facts", "X-Forwarded-For: " + std::string(who) + "\r\n"));
    };
    EXPECT_EQ(ask_as("192.0.2.7").status, 403);
    EXPECT_EQ(ask_as("192.0.2.8").status, 200);
    EXPECT_EQ(ask_as("192.0.2.8").status, 200);
    const response refused = ask_as("192.0.2.8");
    EXPECT_EQ(refused.status, 429);
    EXPECT_GT(std::stol(refused["Retry-After"]), 500);
    EXPECT_EQ(ask_as("192.0.2.9").status, 200) << "another client of the same proxy";
}

TEST_P(proxy_test, connections_have_a_rate_too) {
    options_.listen.front().proxy_protocol = true;
    trust({"127.0.0.0/8"});
    options_.connection_rate =
        std::make_shared<http::client_rates>(http::rate{.per_second = 0.001, .burst = 2});
    start(facts());
    for (int each = 0; each < 2; ++each)
        EXPECT_EQ(connect().ask(std::string(first_version) + get("/facts")).status, 200);
    client third = connect();
    third.send(std::string(first_version) + get("/facts"));
    EXPECT_EQ(third.read_to_end(), "");
    EXPECT_EQ(connect().ask(version_2('\x21', block) + get("/facts")).status, 200) << "another client";
    stop();  // which says what is to be said at once
    EXPECT_TRUE(reported("1 refused because they came too often"));
}

}  // namespace
}  // namespace naru::testing
