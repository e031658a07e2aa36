// Conditional requests, ranges and precompressed siblings, on every engine.
#include "fixture.hpp"

#include <naru/http/message/date.hpp>

#include <set>

#if !defined(_WIN32)
#include <fcntl.h>
#include <sys/stat.h>
#endif

namespace naru::testing {
namespace {

class condition_test : public http_server_test {
 protected:
    std::string tag_of(std::string_view target) { return ask(request("HEAD", target), true)["ETag"]; }
    int status_with(std::string_view fields) { return ask(get("/hello.txt", fields)).status; }
};
NARU_ON_EVERY_ENGINE(condition_test);

TEST_P(condition_test, if_none_match) {
    start();
    const std::string tag = tag_of("/hello.txt");
    client one = connect();
    for (const std::string& value : {tag, "W/" + tag, "\"a\", " + tag, "\"a,b\" ,," + tag, std::string("*"),
                                     "\"x\"\r\nX-Other: a\r\nIf-None-Match: " + tag}) {
        const response got = one.ask(get("/hello.txt", "If-None-Match: " + value + "\r\n"));
        EXPECT_EQ(got.status, 304) << value;
        EXPECT_EQ(got["ETag"], tag);
        EXPECT_EQ(got["Last-Modified"], hello_date);
        EXPECT_TRUE(got.has("Date"));
        EXPECT_FALSE(got.has("Content-Length"));
    }
    for (const std::string value : {"\"other\"", "garbage", "\"", "W/"}) {
        EXPECT_EQ(one.ask(get("/hello.txt", "If-None-Match: " + value + "\r\n")).body, hello) << value;
    }
    EXPECT_EQ(one.ask(request("HEAD", "/hello.txt", "If-None-Match: " + tag + "\r\n"), true).status, 304);
    EXPECT_TRUE(one.unread().empty());
}

TEST_P(condition_test, if_match) {
    start();
    const std::string tag = tag_of("/hello.txt");
    EXPECT_EQ(status_with("If-Match: " + tag + "\r\n"), 200);
    EXPECT_EQ(status_with("If-Match: *\r\n"), 200);
    EXPECT_EQ(status_with("If-Match: \"x\", " + tag + "\r\n"), 200);
    EXPECT_EQ(status_with("If-Match: \"x\"\r\nif-match:" + tag + "\r\n"), 200) << "two lines are one list";
    EXPECT_EQ(status_with("If-Match: \"x\"\r\nIf-Match: \"y\"\r\n"), 412);
    EXPECT_EQ(status_with("If-Match: W/" + tag + "\r\n"), 412) << "the comparison is strong";
    EXPECT_EQ(status_with("If-Match: \"x\"\r\n"), 412);
    EXPECT_EQ(status_with("If-Match: \"x\"\r\nIf-None-Match: " + tag + "\r\n"), 412) << "If-Match goes first";
}

TEST_P(condition_test, by_date) {
    start();
    const std::string same(hello_date);
    const std::string before = "Thu, 04 Mar 2021 05:06:06 GMT";
    const std::string after = "Thu, 04 Mar 2021 05:06:08 GMT";
    EXPECT_EQ(status_with("If-Modified-Since: " + same + "\r\n"), 304);
    EXPECT_EQ(status_with("If-Modified-Since: " + after + "\r\n"), 304);
    EXPECT_EQ(status_with("If-Modified-Since: " + before + "\r\n"), 200);
    EXPECT_EQ(status_with("If-Modified-Since: Thursday, 04-Mar-21 05:06:07 GMT\r\n"), 304);
    EXPECT_EQ(status_with("If-Modified-Since: Thu Mar  4 05:06:07 2021\r\n"), 304);
    EXPECT_EQ(status_with("If-Modified-Since: yesterday\r\n"), 200);
    EXPECT_EQ(status_with("If-Unmodified-Since: " + same + "\r\n"), 200);
    EXPECT_EQ(status_with("If-Unmodified-Since: " + before + "\r\n"), 412);
    EXPECT_EQ(status_with("If-None-Match: \"x\"\r\nIf-Modified-Since: " + after + "\r\n"), 200)
        << "the tag goes before the date";
    EXPECT_EQ(
        status_with("If-Match: " + tag_of("/hello.txt") + "\r\nIf-Unmodified-Since: " + before + "\r\n"),
        200);
}

TEST_P(condition_test, one_range) {
    const std::string small = pattern(1'000, 2);
    const std::string large = pattern(300'000, 3);
    files_.write("small.bin", small);
    files_.write("large.bin", large);
    start();
    client one = connect();
    const auto check = [&](const char* target, const std::string& whole, const char* range, std::size_t first,
                           std::size_t size) {
        const response got = one.ask(get(target, std::string("Range: ") + range + "\r\n"));
        EXPECT_EQ(got.status, 206) << range;
        EXPECT_EQ(got["Content-Range"], "bytes " + std::to_string(first) + "-" +
                                            std::to_string(first + size - 1) + "/" +
                                            std::to_string(whole.size()));
        EXPECT_TRUE(got.body == whole.substr(first, size)) << range;
        EXPECT_TRUE(got.has("ETag"));
    };
    check("/small.bin", small, "bytes=0-0", 0, 1);
    check("/small.bin", small, "bytes=10-19", 10, 10);
    check("/small.bin", small, "bytes=990-", 990, 10);
    check("/small.bin", small, "bytes=990-5000", 990, 10);
    check("/small.bin", small, "bytes=-10", 990, 10);
    check("/small.bin", small, "bytes=-5000", 0, 1'000);
    check("/small.bin", small, "BYTES=0-4", 0, 5);
    check("/large.bin", large, "bytes=100000-299999", 100'000, 200'000);
    check("/large.bin", large, "bytes=-1", 299'999, 1);
    check("/large.bin", large, "bytes=7-70000", 7, 69'994);
}

TEST_P(condition_test, ranges_that_cannot_be_satisfied) {
    files_.write("empty", "");
    start();
    for (const char* range : {"bytes=14-", "bytes=14-20", "bytes=100-200", "bytes=-0"}) {
        const response got = ask(get("/hello.txt", std::string("Range: ") + range + "\r\n"));
        EXPECT_EQ(got.status, 416) << range;
        EXPECT_EQ(got["Content-Range"], "bytes */14");
    }
    EXPECT_EQ(ask(get("/empty", "Range: bytes=0-\r\n")).status, 416);
    EXPECT_EQ(ask(get("/empty")).body, "");
}

TEST_P(condition_test, ranges_that_are_not_heeded) {
    start();
    for (const char* range : {"bytes=", "bytes=a-b", "bytes=5-2", "bytes=-", "lines=1-2", "bytes 0-1",
                              "bytes=0-1,x", "bytes=0-1x"}) {
        EXPECT_EQ(ask(get("/hello.txt", std::string("Range: ") + range + "\r\n")).body, hello) << range;
    }
    EXPECT_EQ(ask(get("/hello.txt", "Range: bytes=0-1\r\nRange: bytes=3-4\r\n")).body, hello);
    EXPECT_EQ(ask(request("HEAD", "/hello.txt", "Range: bytes=0-1\r\n"), true).status, 200);
}

TEST_P(condition_test, if_range) {
    start();
    const std::string tag = tag_of("/hello.txt");
    const auto status = [&](const std::string& value) {
        return status_with("Range: bytes=0-1\r\nIf-Range: " + value + "\r\n");
    };
    EXPECT_EQ(status(tag), 206);
    EXPECT_EQ(status(std::string(hello_date)), 206);
    EXPECT_EQ(status("\"other\""), 200);
    EXPECT_EQ(status("W/" + tag), 200);
    EXPECT_EQ(status("Thu, 04 Mar 2021 05:06:08 GMT"), 200) << "the date must be the exact one";
    EXPECT_EQ(status("nonsense"), 200);
}

/// The parts of a multipart body: Content-Range and content.
std::vector<std::pair<std::string, std::string>> parts_of(const response& of) {
    std::vector<std::pair<std::string, std::string>> parts;
    const std::string type = of["Content-Type"];
    const std::string start = "multipart/byteranges; boundary=";
    if (!type.starts_with(start)) throw std::runtime_error("another type: " + type);
    const std::string mark = "\r\n--" + type.substr(start.size());
    std::string_view rest = of.body;
    if (!rest.starts_with(mark)) throw std::runtime_error("no boundary");
    while (true) {
        rest.remove_prefix(mark.size());
        if (rest == "--\r\n") return parts;
        const std::size_t head_end = rest.find("\r\n\r\n");
        const std::size_t next = rest.find(mark, head_end + 4);
        if (head_end == std::string_view::npos || next == std::string_view::npos)
            throw std::runtime_error("a part without end");
        const std::string_view head = rest.substr(0, head_end + 2);
        const std::size_t field = head.find("\r\nContent-Range: ");
        if (field == std::string_view::npos ||
            head.find("\r\nContent-Type: application/octet-stream\r\n") == std::string_view::npos) {
            throw std::runtime_error("a part's head: " + std::string(head));
        }
        parts.emplace_back(head.substr(field + 17, head.find("\r\n", field + 2) - field - 17),
                           rest.substr(head_end + 4, next - head_end - 4));
        rest.remove_prefix(next);
    }
}

TEST_P(condition_test, several_ranges_come_as_parts) {
    for (const std::size_t size : {std::size_t{1'000}, std::size_t{50'000}, std::size_t{300'000}}) {
        files_.write("f" + std::to_string(size) + ".bin", pattern(size, 4));
    }
    start();
    client one = connect();
    for (const std::size_t size : {std::size_t{1'000}, std::size_t{50'000}, std::size_t{300'000}}) {
        const std::string whole = pattern(size, 4);
        const std::string total = std::to_string(size);
        one.send(get("/f" + total + ".bin", "Range: bytes=0-0, 100-299 ,-3,5000000-\r\n") +
                 get("/hello.txt"));
        const response got = one.read();
        ASSERT_EQ(got.status, 206);
        EXPECT_FALSE(got.has("Content-Range"));
        const auto parts = parts_of(got);
        ASSERT_EQ(parts.size(), 3u) << "the one that cannot be satisfied is left out";
        EXPECT_EQ(parts[0].first, "bytes 0-0/" + total);
        EXPECT_TRUE(parts[0].second == whole.substr(0, 1));
        EXPECT_EQ(parts[1].first, "bytes 100-299/" + total);
        EXPECT_TRUE(parts[1].second == whole.substr(100, 200));
        EXPECT_TRUE(parts[2].second == whole.substr(size - 3));
        EXPECT_EQ(one.read().body, hello) << "the length was right";
    }
    std::string sixteen = "Range: bytes=0-0";
    for (int each = 1; each < 16; ++each)
        sixteen += "," + std::to_string(each * 10) + "-" + std::to_string(each * 10);
    EXPECT_EQ(parts_of(one.ask(get("/f300000.bin", sixteen + "\r\n"))).size(), 16u);
    EXPECT_EQ(one.ask(get("/f1000.bin", sixteen + ",900-900\r\n")).status, 200) << "too many: the whole";
    EXPECT_EQ(one.ask(get("/f1000.bin", "Range: bytes=0-600,300-999\r\n")).status, 200)
        << "more than the whole";
}

TEST_P(condition_test, a_last_position_of_any_length) {
    start();
    client one = connect();
    const std::string total = std::to_string(hello.size());
    for (const char* last : {"9223372036854775807", "18446744073709551615", "99999999999999999999999999"}) {
        const response got = one.ask(get("/hello.txt", "Range: bytes=7-" + std::string(last) + "\r\n"));
        EXPECT_EQ(got.status, 206) << last;
        EXPECT_EQ(got["Content-Range"], "bytes 7-" + std::to_string(hello.size() - 1) + "/" + total);
        EXPECT_EQ(got.body, hello.substr(7));
        EXPECT_EQ(one.ask(get("/hello.txt", "Range: bytes=" + std::string(last) + "-\r\n")).status, 416);
    }
}

#if !defined(_WIN32)
TEST_P(condition_test, times_that_nanoseconds_in_64_bits_do_not_reach) {
    files_.write("future.txt", "x");
    files_.write("past.txt", "x");
    const auto touch = [this](const char* name, std::int64_t seconds) {  // the library's clock is not so wide
        const timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 0}, {.tv_sec = seconds, .tv_nsec = 0}};
        checked(::utimensat(AT_FDCWD, (files_.path() / name).c_str(), times, 0), "utimensat");
    };
    touch("future.txt", 13'569'465'600);  // 2400; ext4 keeps times up to 2446
    touch("past.txt", -2'000'000'000);    // 1906
    options_.hash_up_to = 0;              // tags of size and time
    start();
    client one = connect();
    const auto clock_now = [] {
        return std::chrono::duration_cast<std::chrono::seconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    };
    const std::int64_t before = clock_now();
    const response future = one.ask(get("/future.txt"));
    const auto told = http::parse_date(future["Last-Modified"], before);
    ASSERT_TRUE(told) << future["Last-Modified"];
    EXPECT_TRUE(before - 1 <= *told && *told <= clock_now())
        << future["Last-Modified"] << " is not now, " << before;
    EXPECT_EQ(future["ETag"].find("\"-"), std::string::npos) << future["ETag"];
    EXPECT_EQ(one.ask(get("/future.txt", "If-None-Match: " + future["ETag"] + "\r\n")).status, 304);
    const response past = one.ask(get("/past.txt"));
    EXPECT_EQ(past["Last-Modified"], "Thu, 16 Aug 1906 20:26:40 GMT");
    EXPECT_EQ(past["ETag"].find("\"-"), std::string::npos) << past["ETag"];
    EXPECT_NE(past["ETag"], future["ETag"]);
}
#endif

TEST_P(condition_test, precompressed_siblings) {
    files_.write("page.html", "<p>plain</p>");
    files_.write("page.html.gz", "gzip bytes");
    files_.write("page.html.br", "br bytes");
    files_.write("page.html.zst", "zstd bytes");
    files_.write("only.css.gz", "x");
    start();
    client one = connect();
    std::set<std::string> tags;
    const auto check = [&](const char* accepted, const char* coding, const char* body) {
        const response got = one.ask(get("/page.html", accepted));
        EXPECT_EQ(got.status, 200);
        EXPECT_EQ(got["Content-Encoding"], coding) << accepted;
        EXPECT_EQ(got.body, body) << accepted;
        EXPECT_EQ(got["Content-Type"], "text/html; charset=utf-8");
        EXPECT_EQ(got["Vary"], "Accept-Encoding") << accepted;
        tags.insert(got["ETag"]);
    };
    check("", "", "<p>plain</p>");
    check("Accept-Encoding: gzip\r\n", "gzip", "gzip bytes");
    check("Accept-Encoding: gzip, deflate, br\r\n", "br", "br bytes");
    check("Accept-Encoding: gzip, deflate, br, zstd\r\n", "zstd", "zstd bytes");
    check("Accept-Encoding: gzip;q=1.0, br;q=0.5, zstd;q=0\r\n", "gzip", "gzip bytes");
    check("Accept-Encoding: identity, gzip;q=0\r\n", "", "<p>plain</p>");
    EXPECT_EQ(tags.size(), 4u) << "each representation has its own tag";

    const response gzip = one.ask(get("/page.html", "Accept-Encoding: gzip\r\n"));
    const std::string condition = "If-None-Match: " + gzip["ETag"] + "\r\n";
    const response unchanged = one.ask(get("/page.html", "Accept-Encoding: gzip\r\n" + condition));
    EXPECT_EQ(unchanged.status, 304);
    EXPECT_EQ(unchanged["Vary"], "Accept-Encoding");
    EXPECT_EQ(one.ask(get("/page.html", condition)).status, 200) << "another representation";
    EXPECT_EQ(one.ask(get("/page.html", "Accept-Encoding: gzip\r\nRange: bytes=0-3\r\n")).body, "gzip");
    EXPECT_EQ(one.ask(get("/page.html.gz")).body, "gzip bytes");
    EXPECT_EQ(one.ask(get("/page.html.gz"))["Content-Type"], "application/gzip");
    EXPECT_EQ(one.ask(get("/only.css")).status, 404) << "a sibling alone is no file";
}

}  // namespace
}  // namespace naru::testing
