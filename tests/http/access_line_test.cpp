// Lines of the access log, and counts, as texts: no socket, no engine.
#include <naru/http/limits.hpp>
#include <naru/http/server/access_line.hpp>
#include <naru/http/server/answer_record.hpp>
#include <naru/http/server/loop_counts.hpp>
#include <naru/http/server/metrics.hpp>
#include <naru/http/server/status_site.hpp>

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <utility>

namespace naru::http {
namespace {

using std::chrono::microseconds;

access_entry entry() {
    access_entry made;
    made.host = "127.0.0.1";
    made.unix_seconds = 1'614'834'367;
    made.request_line = "GET / HTTP/1.1";
    made.status = 200;
    made.bytes = 14;
    made.sent = 233;
    made.microseconds = 1'002'003;
    return made;
}

TEST(access_line, json) {
    access_entry of = entry();
    of.milliseconds = 7;
    of.id = "a-1";
    of.tls = "TLSv1.3";
    of.asked_host = "example.org";
    of.route = "/{rest...}";
    of.referer = "http://a/";
    of.user_agent = "ferry";
    of.reason = "why";
    of.cut = "the client left";
    EXPECT_EQ(json_line(of),
              R"({"time":"2021-03-04T05:06:07.007Z","client":"127.0.0.1","id":"a-1","tls":"TLSv1.3",)"
              R"("host":"example.org","request":"GET / HTTP/1.1","route":"/{rest...}","referer":"http://a/",)"
              R"("user_agent":"ferry","reason":"why","status":200,"bytes":14,"sent":233,"seconds":1.002003,)"
              R"("cut":"the client left"})"
              "\n");
    EXPECT_EQ(json_line({}),
              R"({"time":"1970-01-01T00:00:00.000Z","request":"","status":0,"bytes":0,"sent":0,)"
              R"("seconds":0.000000})"
              "\n");
}

std::string shown_in_json(std::string_view text) {
    access_entry of;
    of.request_line = text;
    const std::string line = json_line(of);
    const std::size_t begin = line.find("\"request\":\"") + 11;
    return line.substr(begin, line.find("\",\"status\"") - begin);
}

TEST(access_line, json_is_utf8_whatever_a_request_holds) {
    EXPECT_EQ(shown_in_json("a \"b\" \\ c"), R"(a \"b\" \\ c)");
    EXPECT_EQ(shown_in_json(std::string("\0\t\n\x1f\x7f", 5)), R"(\u0000\u0009\u000a\u001f\u007f)");
    EXPECT_EQ(shown_in_json("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6"),
              "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xa6");
    EXPECT_EQ(shown_in_json("\xc2\x85"), R"(\u0085)") << "a control";
    for (const std::string_view none : {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82", "\xc3"}) {
        std::string wanted;
        for (const char each : none) {
            constexpr char digits[] = "0123456789abcdef";
            const auto byte = static_cast<unsigned char>(each);
            wanted += std::string(R"(\\x)") + digits[byte >> 4] + digits[byte & 15];
        }
        EXPECT_EQ(shown_in_json(none), wanted);
        EXPECT_EQ(shown_in_json("0123456789abcdef" + std::string(none) + "x"),
                  "0123456789abcdef" + wanted + "x");
    }
}

TEST(access_line, each_byte_in_each_place_of_a_block) {
    for (int byte = 0; byte < 256; ++byte) {
        for (std::size_t at = 0; at < 36; ++at) {
            std::string text(at < 17 ? at + 1 : at < 20 ? 20 : 36, 'a');  // each size of a short text
            text[at] = static_cast<char>(byte);
            const std::string shown = shown_in_json(text);
            for (const char each : shown)
                EXPECT_TRUE(each >= 0x20 && each < 0x7f) << byte;
            access_entry of;
            of.request_line = text;
            const std::string line = combined_line(of);
            EXPECT_EQ(std::count(line.begin(), line.end(), '"'), 6) << byte;
            for (const char each : line)
                EXPECT_TRUE((each >= 0x20 && each < 0x7f) || each == '\n') << byte;
        }
    }
}

TEST(access_line, the_combined_format_tells_why_a_request_was_refused) {
    access_entry of = entry();
    of.refused = true;
    of.reason = "it \"was\"";
    EXPECT_EQ(combined_line(of),
              R"re(127.0.0.1 - - [04/Mar/2021:05:06:07 +0000] "GET / HTTP/1.1" 200 14 "-" "-" )re"
              R"re("it \x22was\x22")re"
              "\n");
}

TEST(access_line, memory_is_used_again_and_lines_of_any_length_fit) {
    access_line made;
    std::size_t split = 0;
    std::string begun;
    for (const std::size_t size : {0u, 1u, 100u, 8000u, 3u}) {
        access_entry of = entry();
        const std::string target(size, '\x01');
        of.request_line = target;
        for (const log_format as : {log_format::json, log_format::combined}) {
            made.begin(as, of, begun, split);
            std::string line(access_line::room_for_end(of, begun), '\0');
            line.resize(
                static_cast<std::size_t>(access_line::end(line.data(), as, of, begun, split) - line.data()));
            EXPECT_EQ(line, as == log_format::json ? json_line(of) : combined_line(of));
        }
    }
}

// ---------------------------------------------------------------------------------------- counts

TEST(latency_histogram, places_follow_each_other_and_hold_their_values) {
    std::uint64_t begin = 0;
    for (std::size_t place = 0; place < latency_histogram().counts.size(); ++place) {
        const std::uint64_t end = latency_histogram::end_of(place);
        ASSERT_GT(end, begin);
        EXPECT_EQ(latency_histogram::place_of(begin), place);
        EXPECT_EQ(latency_histogram::place_of(end - 1), place);
        if (begin >= 8) {
            EXPECT_LE((end - begin) * 4, begin) << "to a quarter";
        }
        begin = end;
    }
    EXPECT_EQ(latency_histogram::place_of(~std::uint64_t{0}), latency_histogram().counts.size() - 1);
}

TEST(latency_histogram, what_is_below) {
    latency_histogram took;
    EXPECT_EQ(took.quantile(0.5), 0u);
    for (const int each : {0, 1, 63, 64, 1000, 1'000'000, -5})
        took.add(microseconds(each));
    EXPECT_EQ(took.count(), 7u);
    EXPECT_EQ(took.below(64), 4u);
    EXPECT_EQ(took.below(1024), 6u);
    EXPECT_EQ(took.below(std::uint64_t{1} << 26), 7u);
    EXPECT_EQ(took.microseconds, 1'001'128u);
    EXPECT_EQ(took.quantile(0.5), 64u);
    EXPECT_GT(took.quantile(1), 1'000'000u);
    latency_histogram twice = took;
    twice.add(took);
    EXPECT_EQ(twice.count(), 14u);
}

TEST(answer_record, those_that_are_alike_share_one) {
    answer_facts known;
    known.from = 100;
    known.body = 7;
    known.status = 200;
    const auto record_of = [](const answer_facts& of) {
        answer_record made;
        static_cast<answer_facts&>(made) = of;
        return made;
    };
    answer_record all = record_of(known);
    for (int each = 1; each < 4; ++each) {
        known.from += 50;
        ASSERT_TRUE(all.joins(known)) << each;
    }
    EXPECT_EQ(all.answers, 4u);
    EXPECT_EQ(all.each, 50u);
    const std::uint64_t end = 305;  // the last is longer
    const std::pair<std::uint64_t, std::uint32_t> whole[] = {
        {0, 0}, {100, 0}, {149, 0}, {150, 1}, {249, 2}, {250, 3}, {300, 3}, {304, 3}, {305, 4}, {900, 4}};
    for (const auto& [sent, count] : whole)
        EXPECT_EQ(all.whole_at(sent, end), count) << sent;
    EXPECT_EQ(record_of(known).whole_at(known.from + 1, known.from + 50), 0u) << "one by itself";

    EXPECT_FALSE(all.joins(known)) << "another begins where the last does";
    known.from += 51;
    EXPECT_FALSE(all.joins(known)) << "the last is longer than those before";
    known.from -= 1;
    const auto differs = [&](auto change) {
        answer_facts other = known;
        change(other);
        return !all.joins(other);
    };
    EXPECT_TRUE(differs([](answer_facts& of) { of.began += std::chrono::nanoseconds(1); }));
    EXPECT_TRUE(differs([](answer_facts& of) { ++of.body; }));
    EXPECT_TRUE(differs([](answer_facts& of) { ++of.status; }));
    EXPECT_TRUE(differs([](answer_facts& of) { ++of.route; }));
    EXPECT_TRUE(differs([](answer_facts& of) { of.minor_version = 0; }));
    all.in_pieces = true;
    EXPECT_FALSE(all.joins(known));
    all.in_pieces = false;
    all.to = known.from;
    EXPECT_FALSE(all.joins(known)) << "where it ends is known";
    all.to = answer_record::unknown;
    EXPECT_TRUE(all.joins(known));
}

TEST(loop_counts, routes_past_the_limit_share_a_place) {
    loop_counts counts;
    std::set<std::uint16_t> places;
    for (std::size_t each = 0; each < 3 * limits::counted_routes; ++each)
        places.insert(counts.place_of("/" + std::to_string(each)));
    EXPECT_EQ(places.size(), limits::counted_routes);
    EXPECT_EQ(counts.place_of("/0"), 1);
    counts.count(200, counts.place_of("/500"), microseconds(1), 1, 0);
    counts.count(404, 0, microseconds(1), 2, 1);
    server_metrics got;
    counts.copy_to(got);
    EXPECT_EQ(got.answers[100], 1u);
    EXPECT_EQ(got.answers[304], 1u);
    EXPECT_EQ(got.protocols[2], 1u);
    EXPECT_EQ(got.cut_answers, 1u);
    server_metrics sum;
    sum.add(got);
    sum.add(got);
    EXPECT_EQ(sum.routes.size(), got.routes.size());
    EXPECT_EQ(sum.routes.back().pattern, "*");
    EXPECT_EQ(sum.routes.back().latency.count(), 2u);
}

// As strict as a reader of the format is: families told first, names and labels well-formed, nothing twice.
std::string fault_of(const std::string& text) {
    if (!text.ends_with('\n')) return "no line feed at the end";
    std::set<std::string> families;
    std::set<std::string> samples;
    std::string family;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("# HELP ")) {
            family = line.substr(7, line.find(' ', 7) - 7);
            if (!families.insert(family).second) return "told twice: " + line;
            continue;
        }
        if (line.starts_with("# TYPE ")) {
            if (!line.starts_with("# TYPE " + family + " ")) return "a type of another: " + line;
            continue;
        }
        if (!line.starts_with(family)) return "of no family: " + line;
        const std::size_t end = line.rfind(' ');
        if (!samples.insert(line.substr(0, end)).second) return "twice: " + line;
        std::size_t used = 0;
        (void)std::stod(line.substr(end + 1), &used);
        if (used != line.size() - end - 1) return "no number: " + line;
        const std::size_t brace = line.find('{');
        if (brace != std::string::npos && line[end - 1] != '}') return "no label: " + line;
    }
    return {};
}

TEST(metrics_text, every_sample_belongs_to_a_family) {
    server_metrics of;
    EXPECT_EQ(fault_of(metrics_text(of)), "");
    of.answers[100] = 3;
    of.engine = "epoll";
    of.routes.push_back({"/a\"b\\c\n{x}", {}});
    of.routes.back().latency.add(microseconds(100));
    of.routes.push_back({"", {}});
    of.routes.back().latency.add(microseconds(5));
    const std::string text = metrics_text(of, {.ready = {}, .version = "1"});
    EXPECT_EQ(fault_of(text), "");
    EXPECT_TRUE(text.contains("\nnaru_answers_total{code=\"200\"} 3\n"));
    EXPECT_TRUE(text.contains("\nnaru_info{engine=\"epoll\",version=\"1\"} 1\n"));
    EXPECT_TRUE(
        text.contains(R"(naru_request_duration_seconds_bucket{route="/a\"b\\c\n{x}",le="0.000128"} 1)"));
    EXPECT_TRUE(text.contains(R"(naru_request_duration_seconds_bucket{route="",le="6.4e-05"} 1)"));
}

TEST(status_page, it_is_whole_and_from_nowhere_else) {
    server_metrics of;
    of.routes.push_back({"/<script>", {}});
    of.routes.back().latency.add(microseconds(1500));
    of.draining = true;
    const std::string page = status_page(of, {.ready = {}, .version = "1.2"});
    EXPECT_TRUE(page.contains("/&lt;script&gt;"));
    EXPECT_FALSE(page.contains("<script"));
    EXPECT_TRUE(page.contains("not ready"));
    EXPECT_FALSE(page.contains("src="));
    EXPECT_FALSE(page.contains("href="));
    EXPECT_TRUE(page.ends_with("</html>\n"));
}

}  // namespace
}  // namespace naru::http
