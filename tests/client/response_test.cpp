// Where responses end, whatever pieces they come in.
#include "response_cases.hpp"

#include <naru/http/h1/response.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace naru::http {
namespace {

using testing::reading;

// What came of a stream, by skip and by reading: the statuses of the responses in it, then how it ends.
std::string read_whole(std::string_view text, bool to_head = false) {
    const std::string all = testing::response_outcome_of(text, {}, to_head);
    const std::string line = all.substr(0, all.find('\n'));
    return line.substr(0, line.find(": "));  // without the problem
}
std::string bodies_of(std::string_view text) {
    reading one(false);
    one.feed(text);
    return one.bodies();
}

// The same in two pieces, at every place, and byte by byte.
void expect_everywhere(std::string_view text, const std::string& summary, bool to_head = false) {
    EXPECT_EQ(read_whole(text, to_head), summary) << text;
    const std::string whole = testing::response_outcome_of(text, {}, to_head);
    for (std::size_t split = 1; split < text.size(); ++split) {
        ASSERT_EQ(testing::response_outcome_of(text, {split, text.size()}, to_head), whole)
            << "split at " << split << " of\n"
            << text;
    }
    EXPECT_EQ(testing::response_outcome_of(text, {1}, to_head), whole) << "byte by byte:\n" << text;
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
    EXPECT_EQ(bodies_of(text), "hello, world|abc||");
    reading one(false);
    one.feed("HTTP/1.1 200 OK\r\nX-One: \t two words \r\nempty:\r\n\r\nrest");
    std::string_view fields = one.heads();
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
    expect_everywhere("HTTP/1.1 200 OK\r\n\r\nall of it", "200- at the end");
    expect_everywhere("HTTP/1.0 200 OK\r\n\r\n", "200- at the end");
    expect_everywhere("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxyz", "200- at the end");
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
    EXPECT_TRUE(testing::response_outcome_of(fits + field + field, {7}).starts_with("bad"));
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
    response_reader reader;
    remembered_head last;
    std::string_view input = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
    EXPECT_EQ(reader.skip(input, last, false), response_reader::outcome::bad);
    EXPECT_STREQ(reader.problem(), "two Content-Lengths that differ");
    reader.reset();
    EXPECT_FALSE(reader.begun());
    input = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    EXPECT_EQ(reader.skip(input, last, false), response_reader::outcome::complete);
}

}  // namespace
}  // namespace naru::http
