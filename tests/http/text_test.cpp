// Dates, conditions, paths, content types, escapes: the parts of the server that only compute.
#include <naru/http/h1/parse.hpp>
#include <naru/http/handlers/media_types.hpp>
#include <naru/http/handlers/mime.hpp>
#include <naru/http/message/conditions.hpp>
#include <naru/http/message/date.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/access_line.hpp>

#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <random>
#include <string>

namespace naru::http {
namespace {

std::string format(std::int64_t seconds) {
    const auto text = format_date(seconds);
    return {text.data(), text.size()};
}

TEST(date, three_forms) {
    constexpr std::int64_t now = 1'700'000'000;
    constexpr std::int64_t then = 784'111'777;
    EXPECT_EQ(format(then), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", now), then);
    EXPECT_EQ(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", now), then);
    EXPECT_EQ(parse_date("Sun Nov  6 08:49:37 1994", now), then);
    EXPECT_EQ(parse_date("Wed Nov 16 08:49:37 1994", now), then + 10 * 86'400);
    EXPECT_EQ(parse_date("Tuesday, 06-Nov-73 08:49:37 GMT", now),
              parse_date("Tue, 06 Nov 2073 08:49:37 GMT", now))
        << "at most 50 years ahead";
    EXPECT_EQ(parse_date("Tuesday, 06-Nov-74 08:49:37 GMT", now),
              parse_date("Tue, 06 Nov 1974 08:49:37 GMT", now));
    for (const char* bad :
         {"", "Sun", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT ",
          "Sun, 06 Nov 1994 08:49:37 UTC", "sun, 06 nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
          "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
          "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
          "Sun Nov 6 08:49:37 1994", "784111777"}) {
        EXPECT_EQ(parse_date(bad, now), std::nullopt) << bad;
    }
}

#if !defined(_WIN32)  // which has no strptime
TEST(date, agrees_with_timegm) {
    std::mt19937_64 random(11);
    for (int round = 0; round < 20'000; ++round) {
        const auto seconds = static_cast<std::int64_t>(random() % 253'402'300'800u);  // to the end of 9999
        const std::string text = format(seconds);
        std::tm parts{};
        ASSERT_NE(::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts), nullptr) << text;
        ASSERT_EQ(::timegm(&parts), seconds) << text;
        ASSERT_EQ(parse_date(text, 0), seconds) << text;
        std::tm back{};
        const std::time_t same = seconds;
        ::gmtime_r(&same, &back);
        char other[64];
        ASSERT_GT(std::strftime(other, sizeof other, "%a, %d %b %Y %H:%M:%S GMT", &back), 0u);
        ASSERT_EQ(text, other);
        ASSERT_GT(std::strftime(other, sizeof other, "%a %b %e %H:%M:%S %Y", &back), 0u);
        ASSERT_EQ(parse_date(other, 0), seconds) << other;
    }
}
#endif

TEST(date, what_four_digits_cannot_name_is_told_as_the_nearest_that_they_can) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    EXPECT_EQ(format(253'402'300'799), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(format(253'402'300'800), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(format(most), "Fri, 31 Dec 9999 23:59:59 GMT");
    EXPECT_EQ(format(-62'167'219'200), "Sat, 01 Jan 0000 00:00:00 GMT");
    EXPECT_EQ(format(-most), "Sat, 01 Jan 0000 00:00:00 GMT");
}

struct asked {
    explicit asked(const std::string& fields, const char* method = "GET")
        : text(std::string(method) + " / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n") {
        request_parser parser;
        if (parser.parse(text) != parse_status::complete) throw std::runtime_error("a bad request: " + text);
        head = parser.head();
    }
    std::string text;
    request_head head;
};

constexpr std::int64_t now = 1'700'000'000;
constexpr std::int64_t modified = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT
const validators thing{"\"tag\"", modified};

TEST(conditions, entity_tags) {
    const auto verdict = [](const std::string& fields) {
        const asked request(fields);
        return evaluate(request.head, request.text, thing, now);
    };
    EXPECT_EQ(verdict(""), precondition::met);
    for (const char* list : {"\"tag\"", "*", "\"a\",\"tag\"", "\"a\" , W/\"tag\"", ",, \"tag\"",
                             "\"a,b\",\"tag\"", "\"\",\"tag\""}) {
        EXPECT_EQ(verdict(std::string("If-None-Match: ") + list + "\r\n"), precondition::not_modified)
            << list;
    }
    for (const char* list : {"\"Tag\"", "tag", "\"tag", "\"a\"\"b\"", "w/\"tag\"", "\"a\" tag \"tag\"", ""}) {
        EXPECT_EQ(verdict(std::string("If-None-Match: ") + list + "\r\n"), precondition::met) << list;
    }
    EXPECT_EQ(verdict("If-Match: \"tag\"\r\n"), precondition::met);
    EXPECT_EQ(verdict("If-Match: *\r\n"), precondition::met);
    EXPECT_EQ(verdict("If-Match: W/\"tag\"\r\n"), precondition::failed);
    EXPECT_EQ(verdict("If-Match: \"x\", \"tag\"\r\n"), precondition::met);
    EXPECT_EQ(verdict("If-Match:\r\n"), precondition::failed);
    const std::string same = "Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    const std::string before = "Sun, 06 Nov 1994 08:49:36 GMT\r\n";
    EXPECT_EQ(verdict("If-Modified-Since: " + same), precondition::not_modified);
    EXPECT_EQ(verdict("If-Modified-Since: " + before), precondition::met);
    EXPECT_EQ(verdict("If-Unmodified-Since: " + same), precondition::met);
    EXPECT_EQ(verdict("If-Unmodified-Since: " + before), precondition::failed);
    EXPECT_EQ(verdict("If-Match: \"tag\"\r\nIf-Unmodified-Since: " + before), precondition::met);
    EXPECT_EQ(verdict("If-None-Match: \"x\"\r\nIf-Modified-Since: " + same), precondition::met);
    EXPECT_EQ(verdict("If-Unmodified-Since: " + before + "If-None-Match: \"tag\"\r\n"), precondition::failed);
}

// RFC 9110, sections 13.1.3 and 13.1.4: where no time is known, what asks for it is passed over.
TEST(conditions, without_a_time_of_modification) {
    const validators timeless{"\"tag\"", std::nullopt};
    const std::string date = "Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for (const std::string& fields : {"If-Modified-Since: " + date, "If-Unmodified-Since: " + date}) {
        const asked request(fields);
        EXPECT_EQ(evaluate(request.head, request.text, timeless, now), precondition::met) << fields;
    }
    const asked tagged("If-None-Match: \"tag\"\r\nIf-Modified-Since: " + date);
    EXPECT_EQ(evaluate(tagged.head, tagged.text, timeless, now), precondition::not_modified);
    range_list list;
    for (const auto& [value, outcome] : {std::pair(date, range_outcome::whole),
                                         std::pair(std::string("\"tag\"\r\n"), range_outcome::partial)}) {
        const asked request("Range: bytes=0-3\r\nIf-Range: " + value);
        EXPECT_EQ(select_ranges(request.head, request.text, timeless, 10, now, list), outcome) << value;
    }
}

/// "whole", "416", or the ranges.
std::string ranges_of(const std::string& value, std::uint64_t size, const std::string& more = {},
                      const char* method = "GET") {
    const asked request("Range: " + value + "\r\n" + more, method);
    range_list list;
    switch (select_ranges(request.head, request.text, thing, size, now, list)) {
        case range_outcome::whole:
            return "whole";
        case range_outcome::unsatisfiable:
            return "416";
        case range_outcome::partial:
            break;
    }
    std::string text;
    for (const byte_range& each : list.view())
        text += std::to_string(each.first) + "-" + std::to_string(each.last) + " ";
    return text;
}

TEST(conditions, ranges) {
    EXPECT_EQ(ranges_of("bytes=0-0", 100), "0-0 ");
    EXPECT_EQ(ranges_of("bytes=10-", 100), "10-99 ");
    EXPECT_EQ(ranges_of("bytes=10-1000", 100), "10-99 ");
    EXPECT_EQ(ranges_of("bytes=-10", 100), "90-99 ");
    EXPECT_EQ(ranges_of("bytes=-1000", 100), "0-99 ");
    EXPECT_EQ(ranges_of("bytes= 0-1 ,, 5-6", 100), "0-1 5-6 ");
    EXPECT_EQ(ranges_of("bytes=5-6,0-1", 100), "5-6 0-1 ") << "in the order asked for";
    EXPECT_EQ(ranges_of("bytes=0-1,200-", 100), "0-1 ") << "what cannot be satisfied is left out";
    EXPECT_EQ(ranges_of("bytes=100-", 100), "416");
    EXPECT_EQ(ranges_of("bytes=-0", 100), "416");
    EXPECT_EQ(ranges_of("bytes=0-", 0), "416");
    EXPECT_EQ(ranges_of("bytes=-1", 0), "416");
    EXPECT_EQ(ranges_of("bytes=100-,200-300", 100), "416");
    for (const char* ignored : {"bytes=", "bytes=,", "bytes", "bytes=1", "bytes=-", "bytes=2-1", "bytes=a-1",
                                "bytes=1-b", "bytes=1-2-3", "bytes=0-1,x", "items=0-1", "bytes =0-1",
                                "bytes=0x1-2", "bytes=0-60,40-99", "bytes=0-99,0-99"}) {
        EXPECT_EQ(ranges_of(ignored, 100), "whole") << ignored;
    }
    const std::string longest(300, '9');
    for (const char* last : {"999999999999999999", "9223372036854775807", "18446744073709551615",
                             "18446744073709551616", longest.c_str()}) {
        EXPECT_EQ(ranges_of(std::string("bytes=0-") + last, 100), "0-99 ") << last;
        EXPECT_EQ(ranges_of(std::string("bytes=-") + last, 100), "0-99 ") << last;
        EXPECT_EQ(ranges_of(std::string("bytes=") + last + "-", 100), "416") << last;
        EXPECT_EQ(ranges_of(std::string("bytes=") + last + "-" + last, 100), "416") << last;
    }
    EXPECT_EQ(ranges_of("bytes=00000000000000000000001-00000000000000000000002", 100), "1-2 ");
    std::string many = "bytes=0-0";
    for (unsigned each = 1; each < limits::ranges; ++each)
        many += ",0-0";
    EXPECT_NE(ranges_of(many, 100), "whole");
    EXPECT_EQ(ranges_of(many + ",0-0", 100), "whole");
    EXPECT_EQ(ranges_of("bytes=0-1", 100, "Range: bytes=0-1\r\n"), "whole");
    EXPECT_EQ(ranges_of("bytes=0-1", 100, "", "HEAD"), "whole");
    EXPECT_EQ(ranges_of("bytes=0-1", 100, "If-Range: \"tag\"\r\n"), "0-1 ");
    EXPECT_EQ(ranges_of("bytes=0-1", 100, "If-Range: W/\"tag\"\r\n"), "whole");
    EXPECT_EQ(ranges_of("bytes=0-1", 100, "If-Range: \"x\"\r\n"), "whole");
    EXPECT_EQ(ranges_of("bytes=0-1", 100, "If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), "0-1 ");
    EXPECT_EQ(ranges_of("bytes=0-1", 100, "If-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n"), "whole");
}

TEST(conditions, a_date_of_this_very_second_is_no_strong_validator) {
    const asked request("Range: bytes=0-1\r\nIf-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    range_list list;
    EXPECT_EQ(select_ranges(request.head, request.text, thing, 100, modified, list), range_outcome::whole);
    EXPECT_EQ(select_ranges(request.head, request.text, thing, 100, modified + 60, list),
              range_outcome::partial);
}

TEST(conditions, content_codings) {
    constexpr std::array<bool, coding_count> all{true, true, true, true};
    const auto choice = [](std::string_view accepted, const std::array<bool, coding_count>& available) {
        const asked request("Accept-Encoding: " + std::string(accepted) + "\r\n");
        return choose_coding(request.head, request.text, available);
    };
    EXPECT_EQ(choice("", all), coding::identity);
    EXPECT_EQ(choice("gzip", all), coding::gzip);
    EXPECT_EQ(choice("GZip", all), coding::gzip);
    EXPECT_EQ(choice("x-gzip", all), coding::gzip);
    EXPECT_EQ(choice("gzip, deflate, br, zstd", all), coding::zstd);
    EXPECT_EQ(choice("gzip;q=0.5, br;q=0.4", all), coding::gzip);
    EXPECT_EQ(choice("gzip ; q=0.8 , br;Q=0.9", all), coding::brotli);
    EXPECT_EQ(choice("gzip;q=0", all), coding::identity);
    EXPECT_EQ(choice("gzip;q=0.000, *;q=0.1", all), coding::zstd);
    EXPECT_EQ(choice("*", all), coding::zstd);
    EXPECT_EQ(choice("identity;q=1, gzip;q=0.5", all), coding::identity);
    EXPECT_EQ(choice("identity;q=0.5, gzip;q=0.5", all), coding::gzip);
    EXPECT_EQ(choice("identity;q=0, gzip", all), coding::gzip);
    EXPECT_EQ(choice("gzip;q=nonsense", all), coding::identity);
    EXPECT_EQ(choice("gzip;q=1.001", all), coding::identity);
    EXPECT_EQ(choice("gzip;q=0.0001", all), coding::identity) << "three digits at most";
    EXPECT_EQ(choice("deflate, compress", all), coding::identity);
    EXPECT_EQ(choice("zstd, br, gzip", {false, false, true, true}), coding::gzip);
    EXPECT_EQ(choice("zstd, br", {false, false, true, true}), coding::identity);
    EXPECT_EQ(choice("deflate\r\nAccept-Encoding: br;q=0.5\r\naccept-encoding:gzip", all), coding::gzip)
        << "several lines are one list";
}

TEST(path, decodes_and_stays_inside) {
    const std::pair<const char*, const char*> good[] = {{"/", ""},
                                                        {"/a", "a"},
                                                        {"/a/", "a/"},
                                                        {"/a/b", "a/b"},
                                                        {"//a", "a"},
                                                        {"/a//b", "a/b"},
                                                        {"/./a", "a"},
                                                        {"/a/.", "a/"},
                                                        {"/a/./b", "a/b"},
                                                        {"/a/..", ""},
                                                        {"/a/../b", "b"},
                                                        {"/a/b/..", "a/"},
                                                        {"/a/b/../..", ""},
                                                        {"/%41%2f%62", "A/b"},
                                                        {"/a%20b", "a b"},
                                                        {"/a+b", "a+b"},
                                                        {"/...", "..."},
                                                        {"/..a", "..a"},
                                                        {"/a..", "a.."},
                                                        {"/%252e%252e", "%2e%2e"},
                                                        {"/%c3%a9", "\xc3\xa9"},
                                                        {"/a/%2e%2e/b", "b"},
                                                        {"/a/.%2E/b", "b"},
                                                        {"", ""}};
    for (const auto& [sent, path] : good)
        EXPECT_EQ(decode_path(sent), path) << sent;
    for (const char* bad : {"/..",     "/../",    "/../a",       "/a/../..",   "/%2e%2e",
                            "/%2e./x", "/.%2e/x", "/%2E%2E%2fx", "/..%2fx",    "/a/%2e%2e/%2e%2e",
                            "/%00",    "/a%00b",  "/a\\b",       "/%",         "/%4",
                            "/%zz",    "/%4g",    "a",           "/a/../../a", "/a/b/../../../c"}) {
        EXPECT_EQ(decode_path(bad), std::nullopt) << bad;
    }
#if defined(_WIN32)
    EXPECT_EQ(decode_path("/..%5cx"), std::nullopt);
#else
    EXPECT_EQ(decode_path("/..%5cx"), "..\\x") << "a name like any other";
#endif
    for (const char* name : {".a", "a/.b", ".a/b", "a/.b/c", "..a", "a/.", ".well-known/.a",
                             "a/.well-known/b", ".well-knownx", ".well-known2/a"})
        EXPECT_TRUE(has_dotfile(name)) << name;
    for (const char* name : {"", "a", "a.b", "a/", "a/b.", ".well-known", ".well-known/", ".well-known/a"})
        EXPECT_FALSE(has_dotfile(name)) << name;
    EXPECT_EQ(query_part("/a?b?c"), "?b?c");
    EXPECT_EQ(query_part("/a"), "");
}

TEST(path, what_is_encoded_decodes_to_itself) {
#if defined(_WIN32)
    constexpr int separator = '\\';
#else
    constexpr int separator = '/';
#endif
    std::string name;
    for (int byte = 1; byte < 256; ++byte) {
        if (byte != '/' && byte != separator) name.push_back(static_cast<char>(byte));
    }
    const std::string encoded = encode_segment(name);
    EXPECT_EQ(decode_path("/" + encoded), name);
    EXPECT_EQ(encoded.find_first_of(" \"<>?#:/[]\x7f\xff"), std::string::npos);
    EXPECT_EQ(encode_segment("a/b"), "a%2Fb");
    EXPECT_EQ(encode_high_bytes("?a=\xc3\xa9&%20"), "?a=%C3%A9&%20");
    EXPECT_EQ(escape_html("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST(mime, by_extension) {
    EXPECT_EQ(content_type_of("a.html"), "text/html; charset=utf-8");
    EXPECT_EQ(content_type_of("A.HTML"), "text/html; charset=utf-8");
    EXPECT_EQ(content_type_of("a.tar.gz"), "application/gzip");
    EXPECT_EQ(content_type_of("a.7z"), "application/x-7z-compressed");
    EXPECT_EQ(content_type_of("a.zst"), "application/zstd");
    for (const char* unknown : {"", "a", "a.", ".html", "a.htm1", "a.averyveryverylongextension", "html"}) {
        EXPECT_EQ(content_type_of(unknown), "application/octet-stream") << unknown;
    }
}

TEST(mime, what_players_and_offices_use_is_known) {
    EXPECT_EQ(content_type_of("a.m3u8"), "application/vnd.apple.mpegurl");
    EXPECT_EQ(content_type_of("a.vtt"), "text/vtt; charset=utf-8");
    EXPECT_EQ(content_type_of("a.mpd"), "application/dash+xml");
    EXPECT_EQ(content_type_of("a.atom"), "application/atom+xml");
    EXPECT_EQ(content_type_of("a.docx"),
              "application/vnd.openxmlformats-officedocument.wordprocessingml.document");
    EXPECT_EQ(content_type_of("a.js"), "text/javascript; charset=utf-8");
    EXPECT_EQ(content_type_of("a.ts"), "video/mp2t");
}

TEST(mime, every_entry_of_the_table_is_found_and_well_formed) {
    std::string_view left = http::media_types;
    std::string_view before;
    std::size_t entries = 0;
    for (; !left.empty(); ++entries) {
        const std::size_t end = left.find('|');
        ASSERT_NE(end, std::string_view::npos);
        const std::string_view entry = left.substr(0, end);
        left.remove_prefix(end + 1);
        const std::string_view extension = entry.substr(0, entry.find(' '));
        const std::string_view type = entry.substr(entry.find(' ') + 1);
        EXPECT_LT(before, extension);
        EXPECT_EQ(http::type_of_extension(extension), type) << extension;
        EXPECT_TRUE(http::parse_content_type(std::string(extension) + "=" + std::string(type))) << entry;
        before = extension;
    }
    EXPECT_GT(entries, 1'000u);
    for (const char* unknown : {"", "0", "zzzzzz", "htmk", "html0", "~"})
        EXPECT_EQ(http::type_of_extension(unknown), "") << unknown;
}

TEST(mime, types_that_are_given_go_first) {
    const std::vector<http::content_type> given = {{"vtt", "text/plain"}, {"ferry", "application/x-ferry"}};
    EXPECT_EQ(content_type_of("a.VTT", given), "text/plain");
    EXPECT_EQ(content_type_of("a.ferry", given), "application/x-ferry");
    EXPECT_EQ(content_type_of("a.html", given), "text/html; charset=utf-8");
    const auto parsed = http::parse_content_type(".VTT=text/vtt; charset=utf-8");
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->extension, "vtt");
    EXPECT_EQ(parsed->type, "text/vtt; charset=utf-8");
    for (const char* bad : {"", "vtt", "=text/vtt", "vtt=", "vtt=text", "vtt=/vtt", "vtt=text/",
                            "a.b=text/vtt", "a/b=text/vtt", "vtt=text/v tt\r\nX: 1", "vtt=te xt/vtt"})
        EXPECT_FALSE(http::parse_content_type(bad)) << bad;
}

TEST(access_log, the_combined_format) {
    access_entry entry;
    entry.host = "::1";
    entry.unix_seconds = 784'111'777;
    entry.request_line = "GET /\"\\\x01\x7f\xc3 HTTP/1.1";
    entry.status = 200;
    entry.bytes = 12'345'678'901;
    entry.referer = "http://a/";
    entry.user_agent = "b\nc";
    EXPECT_EQ(
        combined_line(entry),
        "::1 - - [06/Nov/1994:08:49:37 +0000] \"GET /\\x22\\x5c\\x01\\x7f\\xc3 HTTP/1.1\" 200 12345678901 "
        "\"http://a/\" \"b\\x0ac\"\n");
    EXPECT_EQ(combined_line({}), "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 0 0 \"-\" \"-\"\n");
}

}  // namespace
}  // namespace naru::http
