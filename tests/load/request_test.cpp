#include <load/request.hpp>

#include <gtest/gtest.h>

namespace naru::load {
namespace {

TEST(Url, its_parts) {
    const auto plain = parse_url("http://example.org");
    ASSERT_TRUE(plain);
    EXPECT_EQ(plain->host, "example.org");
    EXPECT_EQ(plain->port, 80);
    EXPECT_EQ(plain->target, "/");
    EXPECT_EQ(plain->authority, "example.org");
    const auto full = parse_url("HTTP://127.0.0.1:8080/a/b?c=d&e=%20#part");
    ASSERT_TRUE(full);
    EXPECT_EQ(full->authority, "127.0.0.1:8080");
    EXPECT_EQ(full->target, "/a/b?c=d&e=%20");
    const auto six = parse_url("http://[::1]:8080?q");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "::1");
    EXPECT_EQ(six->authority, "[::1]:8080");
    EXPECT_EQ(six->target, "/?q");
    EXPECT_EQ(parse_url("http://a:80/")->authority, "a");
    EXPECT_EQ(parse_url("http://a:/x")->port, 80);
}

TEST(Url, what_is_none) {
    for (const char* wrong :
         {"", "example.org", "ftp://a/", "http://", "http:///x", "http://:80/", "http://a:0/",
          "http://a:65536/", "http://a:8x/", "http://[::1/", "http://[::1]x/", "http://a/ b", "http://a/\n",
          "http://a/\xc3\xa9", "http://me@a/"}) {
        EXPECT_FALSE(parse_url(wrong)) << wrong;
    }
    EXPECT_TRUE(parse_url("https://a/")->secure);
    EXPECT_EQ(parse_url("https://a/")->port, 443);
    EXPECT_EQ(parse_url("https://a:443/")->authority, "a");
    EXPECT_EQ(parse_url("https://a:80/")->authority, "a:80");
}

TEST(Request, its_bytes) {
    const url where = *parse_url("http://a:81/x");
    EXPECT_EQ(*build_request(where, {}), "GET /x HTTP/1.1\r\nHost: a:81\r\n\r\n");
    request_settings post;
    post.method = "POST";
    post.body = "hello";
    post.headers = {"Content-Type: text/plain", "host: other"};
    EXPECT_EQ(
        *build_request(where, post),
        "POST /x HTTP/1.1\r\nContent-Type: text/plain\r\nhost: other\r\nContent-Length: 5\r\n\r\nhello");
    request_settings last;
    last.method = "PUT";
    last.close = true;
    EXPECT_EQ(*build_request(where, last),
              "PUT /x HTTP/1.1\r\nHost: a:81\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

TEST(Request, what_would_not_be_one) {
    const url where = *parse_url("http://a/");
    for (const char* wrong : {"", "no colon", ": x", "A B: x", "A: x\r\nB: y", "A: \x01", "Content-Length: 5",
                              "transfer-encoding: chunked", "Connection: close"}) {
        request_settings settings;
        settings.headers = {wrong};
        EXPECT_FALSE(build_request(where, settings)) << wrong;
    }
    for (const char* wrong : {"", "GET X", "G\r\n", "CONNECT"}) {
        request_settings settings;
        settings.method = wrong;
        EXPECT_FALSE(build_request(where, settings)) << wrong;
    }
}

TEST(Request, names_are_looked_up) {
    const auto found = resolve(*parse_url("http://127.0.0.1:8080/"));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->front().text(), "127.0.0.1:8080");
    EXPECT_EQ(resolve(*parse_url("http://[::1]:8080/"))->front().text(), "[::1]:8080");
    const auto unknown = resolve(*parse_url("http://no-such-host.invalid/"));
    ASSERT_FALSE(unknown);
    EXPECT_NE(unknown.error().find("no-such-host.invalid"), std::string::npos);
}

TEST(Sources, lists_and_ranges) {
    const address target = *address::parse("127.0.0.1:80");
    EXPECT_EQ(parse_sources("127.0.0.2", target)->size(), 1u);
    const auto several = parse_sources("127.0.0.2-127.0.0.9,127.1.2.3", target);
    ASSERT_TRUE(several);
    ASSERT_EQ(several->size(), 9u);
    EXPECT_EQ(several->at(7).host_text(), "127.0.0.9");
    EXPECT_EQ(several->at(8).host_text(), "127.1.2.3");
    for (const char* wrong : {"", ",", "127.0.0.2,", "localhost-x", "127.0.0.9-127.0.0.2", "127.0.0.2-",
                              "::1", "1.2.3", "192.0.2.1", "0.0.0.0-255.255.255.255"}) {
        EXPECT_FALSE(parse_sources(wrong, target)) << wrong;
    }
}

TEST(Sources, as_many_loopback_addresses_as_the_connections_need) {
    EXPECT_EQ(loopback_sources(connections_per_source).size(), 1u);
    EXPECT_EQ(loopback_sources(connections_per_source + 1).size(), 2u);
    const auto three = loopback_sources(3 * connections_per_source);
    ASSERT_EQ(three.size(), 3u);
    EXPECT_EQ(three[2].host_text(), "127.0.0.4");
}

}  // namespace
}  // namespace naru::load
