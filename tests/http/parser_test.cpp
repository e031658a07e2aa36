// The request parser: every construct it accepts and every one it refuses, whole and in pieces.
#include "parser_cases.hpp"

#include <naru/http/h1/scan.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/message/path.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

namespace naru::http {
namespace {

using testing::outcome_of;

/// The status a request is refused with; 0: accepted; -1: it is not complete.
int status_of_head(std::string_view bytes) {
    request_parser parser;
    switch (parser.parse(bytes)) {
        case parse_status::complete:
            return 0;
        case parse_status::refused:
            EXPECT_NE(std::string_view(parser.refusal().reason), "");
            return parser.refusal().status;
        case parse_status::need_more:
            break;
    }
    return -1;
}
int status_of_line(const std::string& line) { return status_of_head(line + "\r\nHost: a\r\n\r\n"); }
int status_of_field(const std::string& fields) {
    return status_of_head("POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n\r\n");
}
int status_of_host(const std::string& host) {
    return status_of_head("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n");
}

request_head parsed(std::string_view bytes) {
    request_parser parser;
    EXPECT_EQ(parser.parse(bytes), parse_status::complete) << bytes;
    EXPECT_EQ(parser.head().size, bytes.size()) << bytes;
    return parser.head();
}

TEST(parser, request_lines) {
    for (const char* line :
         {"GET / HTTP/1.1", "GET / HTTP/1.0", "OPTIONS * HTTP/1.1", "M-SEARCH * HTTP/1.1",
          "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", "GET /a?b=c&d=%20 HTTP/1.1", "GET /[x]{y}|^`\"<>\\ HTTP/1.1",
          "GET http://a HTTP/1.1", "GET HTTP://a/ HTTP/1.1", "GET http://[::1]:80/x HTTP/1.1",
          "CONNECT a:1 HTTP/1.1", "get / HTTP/1.1"}) {
        EXPECT_EQ(status_of_line(line), 0) << line;
    }
    for (const char* line : {"GET",
                             "GET /",
                             "GET / ",
                             "GET  / HTTP/1.1",
                             "GET /  HTTP/1.1",
                             " GET / HTTP/1.1",
                             "GET / HTTP/1.1 ",
                             "GET /a b HTTP/1.1",
                             "GET\t/ HTTP/1.1",
                             "G(T / HTTP/1.1",
                             "G\xe9T / HTTP/1.1",
                             "GET * HTTP/1.1",
                             "GET a HTTP/1.1",
                             "GET ftp://a/ HTTP/1.1",
                             "GET http:/a HTTP/1.1",
                             "GET http:///x HTTP/1.1",
                             "GET http://a@b/ HTTP/1.1",
                             "GET /# HTTP/1.1",
                             "GET / http/1.1",
                             "GET / HTTP/1",
                             "GET / HTTP/1.11",
                             "GET / HTTP/a.1",
                             "GET / HTTP 1.1",
                             "GET /\x7f HTTP/1.1",
                             "GET /\x01 HTTP/1.1",
                             "/ HTTP/1.1",
                             ": / HTTP/1.1"}) {
        EXPECT_EQ(status_of_line(line), 400) << line;
    }
    for (const char* line : {"GET / HTTP/2.0", "GET / HTTP/0.9", "GET / HTTP/1.2", "GET / HTTP/1.9",
                             "PRI * HTTP/2.0", "GET nonsense HTTP/3.0"}) {
        EXPECT_EQ(status_of_line(line), 505) << line;
    }
}

TEST(parser, ends_of_lines) {
    EXPECT_EQ(status_of_head("GET / HTTP/1.1\nHost: a\n\n"), 400);
    EXPECT_EQ(status_of_head("GET / HTTP/1.1\r\nHost: a\n\r\n"), 400);
    EXPECT_EQ(status_of_head("GET / HTTP/1.1\rHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of_head("GET / HTTP/1.1\r\nHost: a\r\n\rx"), 400);
    EXPECT_EQ(status_of_head("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
    EXPECT_EQ(status_of_head("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    EXPECT_EQ(status_of_head("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    EXPECT_EQ(status_of_head("\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
    EXPECT_EQ(status_of_head("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    for (const char byte : {'\0', '\x01', '\x0b', '\x0c', '\x1f', '\x7f'}) {
        EXPECT_EQ(status_of_field(std::string("X: a") + byte + "b"), 400) << static_cast<int>(byte);
    }
    EXPECT_EQ(status_of_field("X: a\tb"), 0);
}

TEST(parser, header_fields) {
    EXPECT_EQ(status_of_field("X:"), 0);
    EXPECT_EQ(status_of_field("X:y"), 0);
    EXPECT_EQ(status_of_field("X: \xff\xfe"), 0) << "obs-text";
    for (const char* bad : {" X: y", "\tX: y", "X : y", "X\t: y", "X", ": y", "X y: z", "X(: y",
                            "X\xc3\xa9: y", "X/: y", "X: y\r\n folded", "X: y\r\n\tfolded"}) {
        EXPECT_EQ(status_of_field(bad), 400) << bad;
    }
    for (int byte = 0; byte < 256; ++byte) {  // RFC 9110, section 5.6.2
        const char name = static_cast<char>(byte);
        const bool good = (byte < 0x80 && std::isalnum(byte) != 0) ||
                          std::string_view("!#$%&'*+-.^_`|~").find(name) != std::string_view::npos;
        EXPECT_EQ(is_token({&name, 1}), good) << byte;
    }
    EXPECT_FALSE(is_token(""));
}

TEST(parser, host) {
    for (const char* good : {"a", "a.b", "a.b.", "a:80", "a:", "1.2.3.4", "[::1]", "[::1]:8080",
                             "[::ffff:1.2.3.4]", "a-b_c~", "%41"}) {
        EXPECT_EQ(status_of_host(good), 0) << good;
    }
    for (const char* bad : {"", "a b", "a/b", "a:b", "a:123456", "a@b", "a,b", "[::1", "::1", "[x]", "[]",
                            "[1.2.3.4]", "a..b", ".", "a?b", "a#b", "a\\b", "[::1]x", "a:80:80"}) {
        if (std::string_view(bad) == "a,b") continue;  // sub-delims may stand in a reg-name
        EXPECT_EQ(status_of_host(bad), 400) << bad;
    }
    EXPECT_EQ(status_of_head("GET / HTTP/1.1\r\n\r\n"), 400) << "HTTP/1.1 wants one";
    EXPECT_EQ(status_of_head("GET / HTTP/1.0\r\n\r\n"), 0);
    EXPECT_EQ(status_of_field("Host: a"), 400) << "and not two, even if they are the same";
    EXPECT_EQ(status_of_head("GET / HTTP/1.0\r\nHost: a\r\nhOST: a\r\n\r\n"), 400);
}

TEST(parser, framing) {
    EXPECT_EQ(status_of_field("Content-Length: 0"), 0);
    EXPECT_EQ(status_of_field("Content-Length: 00012"), 0);
    EXPECT_EQ(status_of_field("Content-Length: " + std::string(1'000, '0') + "12"), 0);
    EXPECT_EQ(status_of_field("Content-Length: " + std::string(1'000, '0')), 0);
    EXPECT_EQ(status_of_field("Content-Length: " + std::string(1'000, '0') + "x"), 400);
    EXPECT_EQ(status_of_field("Content-Length: 0" + std::string(19, '9')), 413);
    for (const char* bad : {"Content-Length:",
                            "Content-Length: -1",
                            "Content-Length: +1",
                            "Content-Length: 1,1",
                            "Content-Length: 1 1",
                            "Content-Length: 0x1",
                            "Content-Length: 1e3",
                            "Content-Length: 5\r\nContent-Length: 5",
                            "Content-Length: 5\r\ncontent-length: 6",
                            "Content-Length: 5\r\nTransfer-Encoding: chunked",
                            "Transfer-Encoding: chunked\r\nContent-Length: 0",
                            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                            "Transfer-Encoding: chunked, chunked",
                            "Transfer-Encoding: identity",
                            "Transfer-Encoding: chunked, gzip",
                            "Transfer-Encoding: ",
                            "Transfer-Encoding: ,chunked",
                            "Transfer-Encoding: chunked,",
                            "Transfer-Encoding: \"chunked\"",
                            "Transfer-Encoding: xchunked",
                            "Transfer-Encoding: chunked;q=1"}) {
        EXPECT_EQ(status_of_field(bad), 400) << bad;
    }
    EXPECT_EQ(status_of_field("Content-Length: 99999999999999999999"), 413);
    EXPECT_EQ(status_of_field("Content-Length: 9999999999999999999x"), 400);
    EXPECT_EQ(status_of_field("Transfer-Encoding: gzip, chunked"), 501);
    EXPECT_EQ(status_of_field("Transfer-Encoding: CHUNKED"), 0);
    EXPECT_EQ(status_of_head("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    EXPECT_EQ(status_of_field("Expect: 200-ok"), 417);
    EXPECT_EQ(status_of_field("Expect: 100-Continue"), 0);
    EXPECT_EQ(status_of_head("POST / HTTP/1.0\r\nExpect: x\r\n\r\n"), 0);
}

TEST(parser, what_it_finds) {
    const std::string text =
        "PUT http://h/a/b?c HTTP/1.1\r\nHOST:\t h:1 \r\nContent-Length: 42\r\nRange:  bytes=1-2\t\r\nrange: "
        "x\r\nReferer:\r\n\r\n";
    const request_head head = parsed(text);
    EXPECT_EQ(head.method, method::put);
    EXPECT_EQ(head.method_name.in(text), "PUT");
    EXPECT_EQ(head.target.in(text), "/a/b?c");
    EXPECT_EQ(head.value(field::host, text), "h:1");
    EXPECT_EQ(head.value(field::range, text), "bytes=1-2");
    EXPECT_EQ(head.repeated, request_head::bit(field::range));
    EXPECT_TRUE(head.has(field::referer));
    EXPECT_EQ(head.value(field::referer, text), "");
    EXPECT_FALSE(head.has(field::user_agent));
    EXPECT_EQ(head.content_length, 42u);
    EXPECT_EQ(head.header_count, 5);
    EXPECT_TRUE(head.keep_alive && head.has_length && head.has_body() && !head.chunked &&
                !head.expects_continue);
    const std::pair<const char*, method> methods[] = {{"GET", method::get},         {"HEAD", method::head},
                                                      {"OPTIONS", method::options}, {"POST", method::post},
                                                      {"PUT", method::put},         {"PATCH", method::patch},
                                                      {"DELETE", method::erase},    {"TRACE", method::trace},
                                                      {"GEt", method::other},       {"FOO", method::other}};
    for (const auto& [name, expected] : methods)
        EXPECT_EQ(parsed(std::string(name) + " / HTTP/1.1\r\nHost: a\r\n\r\n").method, expected) << name;
}

TEST(parser, keep_alive) {
    const auto keeps = [](const char* version, const char* connection) {
        return parsed(std::string("GET / HTTP/") + version + "\r\nHost: a\r\n" + connection + "\r\n")
            .keep_alive;
    };
    EXPECT_TRUE(keeps("1.1", ""));
    EXPECT_FALSE(keeps("1.1", "Connection: x, CLOSE\r\n"));
    EXPECT_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
    EXPECT_TRUE(keeps("1.1", "Connection: closed\r\n"));
    EXPECT_FALSE(keeps("1.0", ""));
    EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
    EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(parser, limits) {
    const auto line = [](std::size_t size) { return "GET /" + std::string(size - 14, 'a') + " HTTP/1.1"; };
    EXPECT_EQ(status_of_line(line(limits::request_line_bytes)), 0);
    EXPECT_EQ(status_of_line(line(limits::request_line_bytes + 1)), 414);
    EXPECT_EQ(status_of_head("GET /" + std::string(limits::request_line_bytes, 'a')), 414)
        << "as soon as it is known";
    const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    const auto head = [&](std::size_t size) {
        return start + std::string(size - start.size() - 4, 'a') + "\r\n\r\n";
    };
    EXPECT_EQ(status_of_head(head(limits::head_bytes)), 0);
    EXPECT_EQ(status_of_head(head(limits::head_bytes + 1).substr(0, limits::head_bytes)), 431);
    EXPECT_EQ(status_of_head(head(limits::head_bytes - 1).substr(0, limits::head_bytes - 2)), -1);
    const auto fields = [](unsigned count) {
        std::string all = "GET / HTTP/1.1\r\nHost: a\r\n";
        for (unsigned each = 1; each < count; ++each)
            all += "X: y\r\n";
        return all + "\r\n";
    };
    EXPECT_EQ(status_of_head(fields(limits::header_count)), 0);
    EXPECT_EQ(status_of_head(fields(limits::header_count + 1)), 431);
}

TEST(parser, bodies) {
    const std::string counted = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    const auto ends_with = [](const std::string& text, const std::string& end) {
        const std::string got = outcome_of(text);
        EXPECT_TRUE(got.ends_with(end)) << text << " gives " << got;
    };
    ends_with(counted + "hello", "\nbody 5 hello\nleft 0");
    ends_with(counted + "hell", "\nin a body hell");
    ends_with(counted + "hello!", "\nbody 5 hello\nleft 1");
    ends_with(chunked + "5\r\nhello\r\n0\r\n\r\n", "\nbody 5 hello\nleft 0");
    ends_with(chunked + "5 \r\n", "\nbody refused 400 a chunk's size is malformed");
    ends_with(chunked + "00005\r\nhello\r\n000\r\n\r\n", "\nbody 5 hello\nleft 0");
    ends_with(chunked + "aA\r\n" + std::string(170, 'x') + "\r\n0\r\nT: v\r\nU:\r\n\r\n",
              std::string(170, 'x') + "\nleft 0");
    ends_with(chunked + "1;name=\"quoted; text\"\r\nx\r\n0;last\r\n\r\n", "\nbody 1 x\nleft 0");
    for (const char* bad :
         {";x\r\n",       "\r\n",         "0x1\r\n",         "+1\r\n",           "-1\r\n",
          "1\n",          "1\rx",         "1;a\n",           "1\r\nxx",          "1\r\nx\rx",
          "1\r\nx\n",     "0\r\n: x\r\n", "0\r\na b: x\r\n", "0\r\n x: y\r\n",   "0\r\na: b\n",
          "0\r\na: b\rx", "0\r\n\rx",     "0\r\na\r\n",      "0\r\na: \x01\r\n", "fffffffffffffffff\r\n"}) {
        EXPECT_NE(outcome_of(chunked + bad).find("\nbody refused 400 "), std::string::npos) << bad;
    }
    EXPECT_NE(
        outcome_of(chunked + "1;" + std::string(limits::chunk_line_bytes, 'x')).find("body refused 400"),
        std::string::npos);
    EXPECT_NE(
        outcome_of(chunked + "0\r\nX: " + std::string(limits::trailer_bytes, 'x')).find("body refused 431"),
        std::string::npos);
    ends_with(chunked + "fffffffffffff\r\nx", "\nin a body x");
}

TEST(parser, any_split_is_as_good_as_the_whole) {
    ASSERT_GE(testing::request_corpus().size(), 40u);
    for (const std::string& text : testing::request_corpus()) {
        const std::string expected = outcome_of(text);
        for (std::size_t split = 1; split < text.size(); ++split) {
            ASSERT_EQ(outcome_of(text, {split, ~std::size_t{0}}), expected) << split << " of " << text;
        }
        ASSERT_EQ(outcome_of(text, {1}), expected) << text;
        ASSERT_EQ(outcome_of(text, {3, 1, 7, 2}), expected) << text;
    }
}

// What nearly all heads begin with is read in one go if it is there at once, and line by line if not.
TEST(parser, what_is_usual_is_read_as_everything_else) {
    const std::string_view targets[] = {"/",
                                        "/a",
                                        "/a/b.html",
                                        "/0123456789abcd",
                                        "/0123456789abcde",
                                        "/0123456789abcdef",
                                        "/0123456789abcd/.e",
                                        "/0123456789abcde/f",
                                        "/a//b",
                                        "/a/../b",
                                        "/a?b",
                                        "/a%20b",
                                        "/a!'b",
                                        "/a\\b",
                                        "/a#b",
                                        "/a\x7f",
                                        "/\xc3\xa4",
                                        "*",
                                        "http://host/a"};
    const std::string_view hosts[] = {"h",
                                      "ho",
                                      "host",
                                      "host:8080",
                                      "host:",
                                      "host:123456",
                                      "host:80a",
                                      "host:80:80",
                                      "127.0.0.1:65535",
                                      "0123456789abcde",
                                      "0123456789abcdef",
                                      "0123456789abcdefg:80",
                                      "a.host-of-31-bytes.example.test",
                                      "a.host-of-32-bytes.example.tests",
                                      "a..b",
                                      "..",
                                      ".",
                                      "a_b",
                                      "a/b",
                                      "[::1]:80",
                                      "",
                                      " a",
                                      "a "};
    const std::string_view versions[] = {" HTTP/1.1", " HTTP/1.0", " HTTP/1.2", "  HTTP/1.1", ""};
    const std::string_view rests[] = {
        "\r\n", "X: y\r\n\r\n", "Connection: close\r\n\r\n", "Host: b\r\n\r\n", "\n", ""};
    const auto agree = [&](std::string_view target, std::string_view host) {
        for (const std::string_view version : versions) {
            for (const std::string_view rest : rests) {
                std::string text("GET ");
                text.append(target).append(version).append("\r\nHost: ").append(host).append("\r\n");
                text += rest;
                ASSERT_EQ(outcome_of(text), outcome_of(text, {1})) << text;
                ASSERT_EQ(outcome_of(text + text), outcome_of(text + text, {1})) << text;
            }
        }
    };
    for (const std::string_view target : targets)
        agree(target, "host:80");
    for (const std::string_view host : hosts)
        agree("/a", host);
    const std::string usual = "GET /a/path-of-20-bytes HTTP/1.1\r\nHost: host.example:80\r\n\r\n";
    for (std::size_t at = 0; at < usual.size(); ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string text = usual;
            text[at] = static_cast<char>(byte);
            ASSERT_EQ(outcome_of(text), outcome_of(text, {1})) << text;
        }
    }
}

// A head that comes byte by byte costs no more than one that comes at once. What has been read is made into
// something else meanwhile, which a second look would take for the ends of lines.
TEST(parser, what_has_been_read_is_not_looked_at_again) {
    const std::string text =
        "GET /a/path HTTP/1.1\r\nHost: test\r\nX-Long: " + std::string(5'000, 'x') + "\r\nX-Last: y\r\n\r\n";
    std::string bytes;
    request_parser parser;
    std::size_t line = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        bytes.assign(at, '\n');
        if (text[at] == '\n')
            bytes.replace(line, at - line, text, line, at - line);  // the line is to be read
        bytes += text[at];
        const bool is_whole = at + 1 == text.size();
        ASSERT_EQ(parser.parse(bytes), is_whole ? parse_status::complete : parse_status::need_more) << at;
        if (text[at] == '\n') line = at + 1;
    }
    EXPECT_EQ(parser.head().size, text.size());
    EXPECT_EQ(parser.head().target.in(text), "/a/path");
    EXPECT_EQ(parser.head().method, method::get);
}

TEST(parser, find_field_finds_any_field) {
    const std::string head = "GET /a:b HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nx-two:\r\nX-ONE: 2\r\n\r\n";
    EXPECT_EQ(find_field(head, "x-one"), "1");
    EXPECT_EQ(find_field(head, "x-two"), "");
    EXPECT_EQ(find_field(head, "host"), "a");
    EXPECT_EQ(find_field(head, "x-three"), std::nullopt);
    EXPECT_EQ(find_field(head, "x"), std::nullopt);
    EXPECT_EQ(find_field("\r\n" + head, "x-two"), "");
    EXPECT_EQ(find_field("GET / HTTP/1.0\r\n\r\n", "host"), std::nullopt);
    EXPECT_EQ(find_field("", "host"), std::nullopt);
}

TEST(scan, both_ways_agree_with_a_plain_loop) {
    std::minstd_rand random(7);
    constexpr std::size_t room = 200;
    for (int round = 0; round < 4'000; ++round) {
        const std::size_t size = random() % 100;
        const std::size_t offset = random() % 32;
        const auto memory =
            std::make_unique<char[]>(offset + size);  // exactly: a sanitizer sees a step past it
        char* const begin = memory.get() + offset;
        for (std::size_t index = 0; index < size; ++index) {
            // Mostly text, with edges of the classes, and now and then any byte.
            constexpr char edges[] = {'\t', ' ', '!', '~', '\x80', '\xff', '\x9f', '\xa0', 'a'};
            begin[index] =
                random() % room == 0 ? static_cast<char>(random()) : edges[random() % sizeof edges];
        }
        if (size > 0 && round % 3 == 0) begin[random() % size] = "\r\n\x7f\x1f\x01"[random() % 5];
        const char* const end = begin + size;
        const char* const expected = std::find_if(begin, begin + size, [](char byte) {
            const auto value = static_cast<unsigned char>(byte);
            return (value < 32 && value != 9) || value == 127;
        });
        ASSERT_EQ(find_control(begin, end) - begin, expected - begin);
        ASSERT_EQ(find_control_portable(begin, end) - begin, expected - begin);
    }
    for (int byte = 0; byte < 256; ++byte) {
        for (std::size_t at = 0; at < 48; ++at) {
            std::string text(48, 'a');
            text[at] = static_cast<char>(byte);
            const char* const found =
                text.data() + (is_control(static_cast<unsigned char>(byte)) ? at : text.size());
            ASSERT_EQ(find_control(text.data(), text.data() + text.size()), found) << byte << " at " << at;
            ASSERT_EQ(find_control_portable(text.data(), text.data() + text.size()), found)
                << byte << " at " << at;
        }
    }
}

// A path that is called plain is found as it is: what decodes paths, and what looks for names that begin with
// a dot, would change nothing.
TEST(scan, a_target_is_what_its_bytes_are) {
    std::minstd_rand random(7);
    for (int round = 0; round < 200'000; ++round) {
        constexpr char edges[] = "//..aZ09%2e\\?#- ~\x7f\x80";
        std::string text(1 + random() % 50, '/');
        for (std::size_t index = 1; index < text.size(); ++index)
            text[index] = random() % 3 != 0 ? 'a' : edges[random() % (sizeof edges - 1)];
        if (round % 8 == 0) text[0] = edges[random() % (sizeof edges - 1)];
        const std::size_t beyond = random() % 20;  // bytes that happen to lie behind it
        const std::string bytes = text + std::string(beyond, edges[random() % (sizeof edges - 1)]);
        const std::string_view target(bytes.data(), text.size());

        const std::size_t mark = std::min(text.find('?'), text.size());
        const std::string path = text.substr(0, mark);
        const auto decoded = decode_path(path);
        const bool allowed = std::none_of(text.begin(), text.end(), [](char byte) {
            return is_outside_target(static_cast<unsigned char>(byte));
        });
        for (const target_look& seen :
             {look_at(target, bytes.data() + bytes.size()),
              look_at_portable(target, 0, {.plain_path = target.starts_with('/')})}) {
            ASSERT_EQ(seen.allowed, allowed) << text;
            ASSERT_EQ(seen.path_length, mark) << text;
            if (seen.plain_path) {
                ASSERT_TRUE(decoded) << text;
                ASSERT_EQ(*decoded, path.substr(1)) << text;
                ASSERT_FALSE(has_dotfile(*decoded)) << text;
            } else if (path.starts_with('/')) {
                ASSERT_TRUE(path.find('%') != std::string::npos || path.find('\\') != std::string::npos ||
                            path.find("//") != std::string::npos || path.find("/.") != std::string::npos)
                    << text;
            }
        }
    }
}

// Names that are told at once and those that are not are judged alike: is_host looks byte by byte.
TEST(scan, a_host_is_what_its_bytes_are) {
    std::minstd_rand random(7);
    for (int round = 0; round < 200'000; ++round) {
        constexpr char edges[] = "..::0919azAZ--_/@[`{%~;,;\x80";
        std::string host(random() % 40, 'h');
        for (char& each : host) {
            if (random() % 4 == 0) each = edges[random() % (sizeof edges - 1)];
        }
        if (round % 2 == 0) host += ':' + std::to_string(random() % 1'000'000);
        // Any byte that a line may have and that is no white space around the value.
        if (round % 16 == 1 && !host.empty()) {
            const char byte = static_cast<char>(random());
            if (!is_control(static_cast<unsigned char>(byte)) && byte != ' ' && byte != '\t')
                host[random() % host.size()] = byte;
        }
        const int expected = is_host(host) ? 0 : 400;
        ASSERT_EQ(status_of_host(host), expected) << host;
        ASSERT_EQ(status_of_head("GET / HTTP/1.1\r\nhost:\t" + host + " \r\n\r\n"), expected) << host;
        ASSERT_EQ(status_of_head("GET / HTTP/1.1\r\nHost:  " + host + "\r\n\r\n"), expected) << host;
    }
    EXPECT_EQ(status_of_host(" a "), 0);
    EXPECT_EQ(status_of_host("\t"), 400);
    EXPECT_EQ(status_of_host("a b"), 400);
}

}  // namespace
}  // namespace naru::http
