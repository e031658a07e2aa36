// JSON, HdrHistogram's text, and comparisons.
#include <load/output.hpp>

#include <gtest/gtest.h>

#include <sstream>

namespace naru::load {
namespace {

using namespace std::chrono_literals;

TEST(Json, reads_what_it_should) {
    const auto read = json_value::parse(
        R"( {"a": [1, -2.5e3, true, false, null, "x\"\\\nA"], "b": {"c": {"d": 7}}, "e": {}, "f": []} )");
    ASSERT_TRUE(read) << read.error();
    const auto& elements = read->find("a")->elements();
    ASSERT_EQ(elements.size(), 6u);
    EXPECT_EQ(elements[1].number(0), -2500);
    EXPECT_TRUE(elements[2].truth(false));
    EXPECT_EQ(elements[5].text(), "x\"\\\nA");
    EXPECT_EQ(read->find("b.c.d")->number(0), 7);
    EXPECT_EQ(read->find("b.c.e"), nullptr);
    EXPECT_EQ(read->find("a.b"), nullptr);
    EXPECT_EQ(json_value::parse(R"({"a": {"p99.9": 3, "p99": 2}})")->find("a.p99.9")->number(0), 3);
    EXPECT_EQ(elements[4].number(3), 3);
}

TEST(Json, refuses_what_is_none) {
    for (const char* wrong : {"", "{", "[1,]", "{\"a\" 1}", "{\"a\": }", "tru", "\"x", "\"\\", "\"\\u12",
                              "1 2", "{1: 2}", "nan", "--1", "\"\x01\"", "[1}"}) {
        EXPECT_FALSE(json_value::parse(wrong)) << wrong;
    }
    EXPECT_FALSE(json_value::parse(std::string(10'000, '[')));
}

TEST(Json, writes_text_that_can_be_read_back) {
    const std::string odd = "a\"b\\c\n\t\x01 d\xc3\xa9";
    const auto read = json_value::parse(json_text(odd));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->text(), odd);
}

// A run of `seconds` seconds with `rate` requests in each, more or less.
report made_up(bool open, double rate, std::size_t seconds, duration latency, unsigned wobble = 0) {
    report made;
    made.open_loop = open;
    made.measured_seconds = static_cast<double>(seconds);
    made.engine = "epoll";
    made.threads.push_back({.cpu_share = 0.5, .away_share = 0.4, .wait_share = 0.01});
    for (std::size_t each = 0; each < seconds; ++each) {
        second line;
        line.requests = line.samples =
            static_cast<std::uint64_t>(rate * (1 + 0.01 * wobble * (each % 2 == 0 ? 1 : -1)));
        line.p50 = latency;
        line.p99 = 2 * latency;
        line.max = 3 * latency;
        made.seconds.push_back(line);
        made.counts.in_time += line.requests;
    }
    made.counts.completed = made.counts.in_time;
    for (std::uint64_t each = 0; each < made.counts.completed; ++each) {
        made.service.record(latency);
        if (open) made.corrected.record(latency);
    }
    return made;
}

std::string json_of(const report& of) {
    run_options options;
    options.request = "GET / HTTP/1.1\r\n\r\n";
    if (of.open_loop) options.rate = 1000;
    return to_json(of, options, "1.2.3", "http://a/\"quoted\"");
}

TEST(Json, a_report_is_well_formed_and_has_units_in_its_names) {
    const auto read = json_value::parse(json_of(made_up(true, 1000, 6, 200us)));
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->find("tool")->text(), "naru load");
    EXPECT_EQ(read->find("mode")->text(), "open");
    EXPECT_TRUE(read->find("verdict.valid")->truth(false));
    EXPECT_NEAR(read->find("latency_us.corrected.p50")->number(0), 200, 2);
    EXPECT_EQ(read->find("latency_us.service.p99.9")->number(-1), -1) << "6,000 samples say nothing of it";
    EXPECT_EQ(read->find("requests")->number(0), 6000);
    EXPECT_EQ(read->find("timeline")->elements().size(), 6u);
    EXPECT_EQ(read->find("machine.steal_share")->number(-7), -7) << "not known is null";
    const auto closed = json_value::parse(json_of(made_up(false, 1000, 6, 200us)));
    ASSERT_TRUE(closed);
    EXPECT_FALSE(closed->find("latency_us.corrected")->is_object());
    EXPECT_EQ(closed->find("verdict.remarks")->elements().size(), 2u)
        << "a closed loop, and what is not known";
}

TEST(Json, percentiles_that_the_samples_do_not_bear_are_null) {
    const std::string text = json_of(made_up(false, 500, 1, 1ms));
    EXPECT_NE(text.find("\"p90\": 1000.0, \"p99\": null, \"p99.9\": null, \"p99.99\": null"),
              std::string::npos)
        << text;
    const report empty;
    EXPECT_TRUE(json_value::parse(json_of(empty)));
}

TEST(Hdr, is_what_the_plotter_reads) {
    histogram of;
    for (int each = 1; each <= 10'000; ++each)
        of.record(std::chrono::microseconds(each));
    std::istringstream lines(to_hdr_text(of));
    std::string line;
    std::getline(lines, line);
    std::istringstream head(line);
    std::string names[4];
    head >> names[0] >> names[1] >> names[2] >> names[3];
    EXPECT_EQ(names[0] + names[1] + names[2] + names[3], "ValuePercentileTotalCount1/(1-Percentile)");
    std::getline(lines, line);
    EXPECT_EQ(line, "");
    double last_share = -1;
    std::uint64_t last_count = 0;
    unsigned rows = 0;
    while (std::getline(lines, line) && line[0] != '#') {
        std::istringstream row(line);
        double value = 0;
        double share = 0;
        std::uint64_t count = 0;
        std::string inverse;
        ASSERT_TRUE(row >> value >> share >> count >> inverse) << line;
        EXPECT_GT(share, last_share);
        EXPECT_GT(count, last_count);
        EXPECT_NEAR(share, static_cast<double>(count) / 10'000, 1e-9);
        EXPECT_NEAR(value, static_cast<double>(count) / 1000, 0.01 * value + 0.001) << "in milliseconds";
        last_share = share;
        last_count = count;
        ++rows;
    }
    EXPECT_EQ(last_share, 1);
    EXPECT_EQ(last_count, 10'000u);
    EXPECT_GT(rows, 20u);
    EXPECT_LT(rows, 200u);
    EXPECT_EQ(line.rfind("#[Mean    =        5.000, StdDeviation   =", 0), 0u) << line;
    std::getline(lines, line);
    EXPECT_EQ(line, "#[Max     =       10.000, Total count    =        10000]");
    std::getline(lines, line);
    EXPECT_EQ(line.rfind("#[Buckets =", 0), 0u);
    EXPECT_FALSE(std::getline(lines, line));
    EXPECT_NE(to_hdr_text(histogram()).find("Total count    =            0]"), std::string::npos);
}

std::string compared(const report& a, const report& b, bool ranked) {
    const auto made = compare(json_of(a), json_of(b), "a.json", "b.json");
    EXPECT_TRUE(made);
    EXPECT_EQ(made->ranked, ranked) << made->text;
    return made->text;
}

TEST(Compare, ratios_and_noise) {
    const report a = made_up(false, 1000, 10, 200us, 1);
    EXPECT_NE(compared(a, made_up(false, 1500, 10, 100us, 1), true).find("1.500  larger than the noise"),
              std::string::npos);
    const std::string same = compared(a, made_up(false, 1001, 10, 200us, 1), true);
    EXPECT_NE(same.find("within the noise"), std::string::npos) << same;
    EXPECT_NE(same.find("repeat them"), std::string::npos);
    EXPECT_NE(compared(a, made_up(false, 1001, 3, 200us, 1), true).find("too short to tell"),
              std::string::npos);
}

TEST(Compare, an_invalid_run_is_not_ranked) {
    const report good = made_up(false, 1000, 10, 200us);
    report bad = good;
    bad.threads[0].cpu_share = 0.99;
    const std::string text = compared(good, bad, false);
    EXPECT_NE(text.find("Not compared"), std::string::npos);
    EXPECT_NE(text.find("B: a generator thread used 99%"), std::string::npos) << text;
    EXPECT_EQ(text.find("B/A"), std::string::npos);
    compared(bad, good, false);
}

TEST(Compare, open_and_closed_loops_measure_different_things) {
    compared(made_up(false, 1000, 10, 200us), made_up(true, 1000, 10, 200us), false);
}

TEST(Compare, what_is_no_report) {
    const std::string good = json_of(made_up(false, 1000, 10, 200us));
    EXPECT_FALSE(compare(good, "nonsense", "a", "b"));
    EXPECT_FALSE(compare("{}", good, "a", "b"));
    EXPECT_NE(compare(good, "[1]", "a", "b.json").error().find("b.json is not a report"), std::string::npos);
}

}  // namespace
}  // namespace naru::load
