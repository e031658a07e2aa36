// Where responses end, whatever pieces they come in.
#include <naru/http/h1/response.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace naru::http {
namespace {

using outcome = response_reader::outcome;

// What came of a stream: the statuses of the responses in it, then '!' and the problem if it is bad, or how
// it ends. Twice: by `skip`, and by heads and bodies, which must agree.
struct reading {
    std::string summary;
    std::string read_summary;
    std::string bodies;
    std::string last_head;
    remembered_head last;
    response_reader skipper;
    response_reader reader;
    bool to_head = false;
    bool is_bad = false;
    bool read_bad = false;
    bool in_body = false;

    void feed(std::string_view piece) {
        // A copy that ends exactly where the piece does: reading past it is an error that sanitizers see.
        const auto copy = std::make_unique<char[]>(piece.size());
        piece.copy(copy.get(), piece.size());
        skip({copy.get(), piece.size()});
        read({copy.get(), piece.size()});
    }
    static std::string of(const response_reader& each) {
        return std::to_string(each.status()) + (each.keep_alive() ? " " : "- ");
    }
    void skip(std::string_view input) {
        while (!is_bad && !input.empty()) {
            switch (skipper.skip(input, last, to_head)) {
                case outcome::complete:
                    summary += of(skipper);
                    break;
                case outcome::bad:
                    is_bad = true;
                    summary += "bad";
                    break;
                case outcome::need_more:
                    break;
            }
        }
    }
    void read(std::string_view input) {
        while (!read_bad && (!input.empty() || in_body)) {
            outcome then = outcome::need_more;
            const std::size_t before = input.size();
            if (!in_body) {
                response_head head;
                then = reader.read_head(input, to_head, head, last_head);
                if (then == outcome::complete) {
                    EXPECT_EQ(last_head.size(), head.size);
                    in_body = true;
                    continue;
                }
            } else {
                std::string_view data;
                then = reader.read_body(input, data);
                bodies += data;
                if (then == outcome::complete) {
                    in_body = false;
                    bodies += '|';
                    read_summary += of(reader);
                }
                if (then == outcome::need_more && input.size() == before) break;
            }
            if (then == outcome::bad) {
                read_bad = true;
                read_summary += "bad";
            }
        }
    }
    void end() {
        if (!is_bad && skipper.begun()) {
            summary += skipper.end() == outcome::complete ? std::to_string(skipper.status()) + " at the end"
                                                          : "cut off";
        }
        if (!read_bad && reader.begun()) {
            read_summary += reader.end() == outcome::complete
                                ? std::to_string(reader.status()) + " at the end"
                                : "cut off";
        }
        EXPECT_EQ(summary, read_summary);
        if (is_bad && read_bad) EXPECT_STREQ(skipper.problem(), reader.problem());
    }
};

reading read_whole_of(std::string_view text, bool to_head = false) {
    reading one;
    one.to_head = to_head;
    one.feed(text);
    one.end();
    return one;
}
std::string read_whole(std::string_view text, bool to_head = false) {
    return read_whole_of(text, to_head).summary;
}

// The same in two pieces, at every place, and byte by byte.
void expect_everywhere(std::string_view text, const std::string& summary, bool to_head = false) {
    const reading whole = read_whole_of(text, to_head);
    EXPECT_EQ(whole.summary, summary) << text;
    const auto same = [&](reading& one) {
        one.end();
        return one.summary == summary && one.bodies == whole.bodies && one.last_head == whole.last_head;
    };
    for (std::size_t split = 1; split < text.size(); ++split) {
        reading one;
        one.to_head = to_head;
        one.feed(text.substr(0, split));
        one.feed(text.substr(split));
        ASSERT_TRUE(same(one)) << one.summary << ", split at " << split << " of\n" << text;
    }
    reading slow;
    slow.to_head = to_head;
    for (std::size_t at = 0; at < text.size(); ++at)
        slow.feed(text.substr(at, 1));
    EXPECT_TRUE(same(slow)) << slow.summary << ", byte by byte:\n" << text;
}

TEST(Response, with_a_content_length) {
    expect_everywhere("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "200 ");
    expect_everywhere("HTTP/1.1 200 OK\r\nServer: a\r\ncontent-length:0\r\n\r\n", "200 ");
    expect_everywhere("HTTP/1.1 404 Not Found\r\nContent-Length: \t 3 \r\nX:\r\n\r\nabc", "404 ");
    expect_everywhere("HTTP/1.1 200\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", "200 ");
    expect_everywhere("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "cut off");
    expect_everywhere("HTTP/1.1 200 OK\r\nContent-Length: " + std::string(40, '0') + "2\r\n\r\nab", "200 ");
    expect_everywhere("HTTP/1.1 200 \xc3\xa9t\xc3\xa9\r\nX: \xff\r\nContent-Length: 1\r\n\r\na", "200 ");
}

TEST(Response, several_one_behind_the_other) {
    const std::string first = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const std::string second = "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    expect_everywhere(first + first + second + first, "200 200 500 200 ");
    expect_everywhere(first + second + "HTTP/1.1 204 \r\n\r\n" + first, "200 500 204 200 ");
}

TEST(Response, chunked) {
    const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    expect_everywhere(head + "5\r\nhello\r\n0\r\n\r\n", "200 ");
    expect_everywhere(head + "0\r\n\r\n", "200 ");
    expect_everywhere(head + "a;name=value\r\n0123456789\r\n00;x\r\nTrailer: yes\r\nOther: 1\r\n\r\n",
                      "200 ");
    expect_everywhere(head + "1 \r\na\r\n1\t;q=\"\xe9\"\r\nb\r\n0\r\n\r\n", "200 ");
    expect_everywhere(head + "5\r\nhel", "cut off");
    expect_everywhere(head + "5\r\nhello\r\n0\r\n", "cut off");
    expect_everywhere("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                      "200 ");
    for (const char* wrong :
         {"5\nhello\r\n0\r\n\r\n", "x\r\n", "\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhelloo\r\n", "1\r\na\rb",
          "-1\r\n", "0x5\r\nhello\r\n", "1000000000000000\r\n", "0\r\n\rx", "0\r\n\n",
          "1;\x01\r\na\r\n0\r\n\r\n", "0\r\nA: \x01\r\n\r\n", "0\r\nA\rb", "0\r\nno colon\r\n\r\n",
          "0\r\nA : b\r\n\r\n", "1 1\r\na"}) {
        expect_everywhere(head + wrong, "bad");
    }
}

TEST(Response, gives_heads_and_bodies) {
    const std::string text =
        "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        "X-One: \t two words \r\nempty:\r\n\r\n5;x\r\nhello\r\n7\r\n, world\r\n0\r\nA: b\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 204 No\r\nX: y\r\n\r\n";
    expect_everywhere(text, "200 200 204 ");
    EXPECT_EQ(read_whole_of(text).bodies, "hello, world|abc||");
    const reading one = read_whole_of("HTTP/1.1 200 OK\r\nX-One: \t two words \r\nempty:\r\n\r\nrest");
    std::string_view fields = one.last_head;
    fields.remove_prefix(fields.find('\n') + 1);
    response_field field;
    ASSERT_TRUE(next_field(fields, field));
    EXPECT_EQ(field.name, "X-One");
    EXPECT_EQ(field.value, "two words");
    ASSERT_TRUE(next_field(fields, field));
    EXPECT_EQ(field.name, "empty");
    EXPECT_EQ(field.value, "");
    EXPECT_FALSE(next_field(fields, field));
}

TEST(Response, until_the_connection_ends) {
    expect_everywhere("HTTP/1.1 200 OK\r\n\r\nall of it", "200 at the end");
    expect_everywhere("HTTP/1.0 200 OK\r\n\r\n", "200 at the end");
    expect_everywhere("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxyz", "200 at the end");
}

TEST(Response, without_a_body) {
    expect_everywhere("HTTP/1.1 204 No Content\r\n\r\n", "204 ");
    expect_everywhere("HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", "304 ");
    expect_everywhere("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "200 ", true);
    expect_everywhere("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "200 ", true);
    expect_everywhere("HTTP/1.1 200 OK\r\n\r\n", "200 ", true);
}

TEST(Response, interim_responses_do_not_count) {
    const std::string final = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    expect_everywhere("HTTP/1.1 100 Continue\r\n\r\n" + final, "200 ");
    expect_everywhere("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + final, "200 ");
    expect_everywhere("HTTP/1.1 100 Continue\r\n\r\n", "cut off");
    expect_everywhere("HTTP/1.1 101 Switching\r\n\r\n", "bad");
    std::string endless;
    for (unsigned each = 0; each <= limits::interim_responses; ++each)
        endless += "HTTP/1.1 100 Continue\r\n\r\n";
    EXPECT_EQ(read_whole(endless + final), "bad");
}

TEST(Response, whether_the_connection_goes_on) {
    expect_everywhere("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "200- ");
    expect_everywhere("HTTP/1.1 200 OK\r\nconnection: foo , CLOSE\r\nContent-Length: 0\r\n\r\n", "200- ");
    expect_everywhere("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "200 ");
    expect_everywhere("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "200- ");
    expect_everywhere("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n", "200 ");
}

TEST(Response, what_is_none) {
    for (const char* wrong : {"SSH-2.0-OpenSSH\r\n",
                              "HTTP/2 200\r\n\r\n",
                              "HTTP/1.1 20 OK\r\n\r\n",
                              "HTTP/1.1 2000 OK\r\n\r\n",
                              "HTTP/1.1 099 OK\r\n\r\n",
                              "HTTP/1.1 600 OK\r\n\r\n",
                              "HTTP/1.1  200 OK\r\n\r\n",
                              "HTTP/1.1 200 OK\n\n",
                              "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
                              "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                              "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                              "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"}) {
        expect_everywhere(wrong, "bad");
    }
}

TEST(Response, a_head_has_a_limit) {
    const std::string start = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n";
    const std::string field = "X-Filler: " + std::string(100, 'x') + "\r\n";
    std::string fits = start;
    while (fits.size() + field.size() + 2 <= limits::response_head_bytes)
        fits += field;
    EXPECT_EQ(read_whole(fits + "\r\na"), "200 ");
    EXPECT_EQ(read_whole(fits + field + "\r\na"), "bad");
    reading slow;
    const std::string endless = fits + field + field;
    for (std::size_t at = 0; at < endless.size(); at += 7)
        slow.feed(std::string_view(endless).substr(at, 7));
    EXPECT_EQ(slow.summary, "bad");
    EXPECT_EQ(read_whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " +
                         std::string(2 * limits::response_head_bytes, 'x')),
              "bad");
}

// The remembered head must not be taken for one that only begins like it.
TEST(Response, a_remembered_head_is_recognised_only_whole) {
    const std::string five = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const std::string other = "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n" + std::string(52, 'x');
    const std::string closing = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    EXPECT_EQ(read_whole(five + five + other + five + five + other + closing),
              "200 200 200 200 200 200 200- ");
    const std::string large = "HTTP/1.1 200 OK\r\nX: " + std::string(limits::remembered_head_bytes, 'x') +
                              "\r\nContent-Length: 5\r\n\r\nhello";
    EXPECT_EQ(read_whole(large + large + five), "200 200 200 ");
}

TEST(Response, says_what_is_wrong) {
    reading one;
    one.feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    EXPECT_STREQ(one.skipper.problem(), "two Content-Lengths that differ");
    one.skipper.reset();
    EXPECT_FALSE(one.skipper.begun());
    std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(one.skipper.skip(input, one.last, false), outcome::complete);
}

}  // namespace
}  // namespace naru::http
