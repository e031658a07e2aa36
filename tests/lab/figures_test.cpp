// From samples to figures: statistics, files on disk, other programs' output.
#include <lab/measure.hpp>
#include <lab/report_words.hpp>
#include <lab/statistics.hpp>
#include <lab/store.hpp>
#include <load/process_tree.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace naru::lab {
namespace {

TEST(LabStatistics, TakesTheMedianAndAnIntervalThatHoldsIt) {
    const std::array<double, 5> values{10, 11, 9, 10.5, 30};
    const auto made = estimate_of(values);
    ASSERT_TRUE(made);
    EXPECT_DOUBLE_EQ(made->median, 10.5);
    EXPECT_LE(made->low, 10.5);
    EXPECT_GE(made->high, 10.5);
    EXPECT_EQ(made->rounds, 5u);
}

// Two-sided 95% of Student's t with three degrees of freedom is 3.182: by hand for logarithms 0, 0, 0.1, 0.1.
TEST(LabStatistics, KnowsStudentsInterval) {
    const std::array<double, 4> values{1, 1, std::exp(0.1), std::exp(0.1)};
    const auto made = estimate_of(values);
    ASSERT_TRUE(made);
    const double reach = 3.182 * (0.1 / std::sqrt(3.0)) / 2;
    EXPECT_NEAR(made->low, std::exp(0.05 - reach), 1e-9);
    EXPECT_NEAR(made->high, std::exp(0.05 + reach), 1e-9);
}

TEST(LabStatistics, OfFewRoundsShowsTheRange) {
    const std::array<double, 3> values{3, 1, 2};
    const auto made = estimate_of(values);
    ASSERT_TRUE(made);
    EXPECT_DOUBLE_EQ(made->low, 1);
    EXPECT_DOUBLE_EQ(made->high, 3);
    EXPECT_FALSE(estimate_of({}));
    const std::array<double, 2> none{-1, 0};
    EXPECT_FALSE(estimate_of(none));
}

TEST(LabStatistics, FindsWhereTwoLinesCross) {
    const std::array<line_point, 3> crossing{{{10, 1, 2}, {100, 2, 2.5}, {1000, 4, 2}}};
    const auto at = crossover_of(crossing);
    ASSERT_TRUE(at);
    EXPECT_GT(*at, 100);
    EXPECT_LT(*at, 1000);
    const std::array<line_point, 2> apart{{{10, 1, 2}, {100, 2, 3}}};
    EXPECT_FALSE(crossover_of(apart));
}

TEST(LabStatistics, GivesTheSlopeBetweenTheEnds) {
    const std::array<xy, 3> line{{{10, 1000}, {100, 7000}, {1010, 201'000}}};
    EXPECT_DOUBLE_EQ(slope_of(line).value(), 200);
    EXPECT_FALSE(slope_of(std::span(line).first(1)));
}

TEST(LabSample, ComesBackFromItsLine) {
    sample made;
    made.key = "connections/epoll/10000/2";
    made.valid = false;
    made.generator_bound = true;
    made.reasons = "clock_steal, \"odd\"";
    made.cpu_microseconds = 12.5;
    made.p99_microseconds = 812.25;
    const auto back = parse_sample(to_line(made));
    ASSERT_TRUE(back);
    EXPECT_EQ(back->key, made.key);
    EXPECT_FALSE(back->valid);
    EXPECT_TRUE(back->generator_bound);
    EXPECT_EQ(back->reasons, made.reasons);
    EXPECT_DOUBLE_EQ(back->cpu_microseconds, 12.5);
    EXPECT_DOUBLE_EQ(back->p99_microseconds, 812.25);
    EXPECT_DOUBLE_EQ(back->user_bytes, -1);
    EXPECT_FALSE(parse_sample("{\"key\": \"half of a li"));
    EXPECT_FALSE(parse_sample("{}"));
}

TEST(LabSample, ReadsOtherProgramsFigures) {
    EXPECT_DOUBLE_EQ(parse_ab("Complete requests:      10000\nFailed requests:        0\n"
                              "Requests per second:    6625.32 [#/sec] (mean)\n")
                         .value(),
                     6625.32);
    EXPECT_FALSE(
        parse_ab("Complete requests:      10000\nFailed requests:        0\nNon-2xx responses:      10000\n"
                 "Requests per second:    9625.32 [#/sec] (mean)\n"));
    EXPECT_FALSE(parse_ab("apr_socket_recv: Connection reset by peer (104)\n"));
    EXPECT_DOUBLE_EQ(parse_strace("% time     seconds  usecs/call     calls    errors syscall\n"
                                  "------ ----------- ----------- --------- --------- ----------------\n"
                                  " 99.00    0.120000           3     40000           sendto\n"
                                  "  1.00    0.001212           3      1234        12 accept4\n"
                                  "------ ----------- ----------- --------- --------- ----------------\n"
                                  "100.00    0.121212           3     41234        12 total\n")
                         .value(),
                     41234);
    EXPECT_FALSE(parse_strace(""));
    EXPECT_FALSE(parse_strace("strace: attach: Operation not permitted\n"));
}

class LabStore : public ::testing::Test {
 protected:
    LabStore() : path_(std::filesystem::temp_directory_path() / ("naru-store-" + std::to_string(getpid()))) {
        std::filesystem::remove(path_);
    }
    ~LabStore() override { std::filesystem::remove(path_); }

    static sample named(std::string key) {
        sample made;
        made.key = std::move(key);
        return made;
    }
    std::filesystem::path path_;
};

TEST_F(LabStore, GoesOnWithARunOfTheSameKind) {
    store(path_.string(), "a", false).add(named("one"));
    {
        store again(path_.string(), "a", false);
        ASSERT_EQ(again.earlier().size(), 1u);
        EXPECT_EQ(again.earlier().front().key, "one");
        again.add(named("two"));
    }
    EXPECT_EQ(store(path_.string(), "a", false).earlier().size(), 2u);
}

TEST_F(LabStore, ForgetsAnotherRunAndWhatIsCutOff) {
    store(path_.string(), "a", false).add(named("one"));
    std::ofstream(path_, std::ios::app) << "{\"key\": \"two\", \"val";
    EXPECT_EQ(store(path_.string(), "a", false).earlier().size(), 1u);
    EXPECT_EQ(store(path_.string(), "b", false).earlier().size(), 0u);
    store(path_.string(), "b", false).add(named("one"));
    EXPECT_EQ(store(path_.string(), "b", true).earlier().size(), 0u);
}

TEST(LabWords, ShowThreeDigitsThatCount) {
    EXPECT_EQ(figure_words(0.4567), "0.46");
    EXPECT_EQ(figure_words(12.34), "12.3");
    EXPECT_EQ(figure_words(456.7), "457");
    EXPECT_EQ(figure_words(1234567), "1,234,567");
    EXPECT_EQ(byte_words(412), "412 bytes");
    EXPECT_EQ(byte_words(20 * 1024), "20.0 KiB");
    EXPECT_EQ(milliseconds_words(0.05), "50.0 us");
}

TEST(ProcessTree, ReadsALineWhoseNameHasBrackets) {
    const auto line = load::parse_process_line(
        "77 (a) R (b)) S 42 77 77 0 -1 4194560 1 2 3 4 100 200 30 40 20 0 8 0 123 456 789");
    ASSERT_TRUE(line);
    EXPECT_EQ(line->parent, 42);
    EXPECT_EQ(line->child_ticks, 70u);
    EXPECT_EQ(line->threads, 8u);
    EXPECT_FALSE(load::parse_process_line("77 (short) S 42"));
}

TEST(ProcessTree, FindsThisProcessAndItsTime) {
    const std::vector<int> tree = load::process_tree(getpid());
    ASSERT_FALSE(tree.empty());
    EXPECT_EQ(tree.front(), getpid());
    const duration before = load::read_cpu_time(tree);
    EXPECT_GT(before.count(), 0);
    volatile unsigned work = 0;
    while (load::read_cpu_time(tree) < before + std::chrono::milliseconds(5))
        work = work + 1;
    EXPECT_GT(load::read_memory(tree).user_bytes, 0u);
    EXPECT_GE(load::count_threads(tree), 1u);
    EXPECT_TRUE(load::process_tree(1 << 29).empty());
}

}  // namespace
}  // namespace naru::lab
