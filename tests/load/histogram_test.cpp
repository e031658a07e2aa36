#include <load/histogram.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <vector>

namespace naru::load {
namespace {

using namespace std::chrono_literals;

TEST(Histogram, an_empty_one_is_all_zero) {
    const histogram empty;
    EXPECT_EQ(empty.count(), 0u);
    EXPECT_EQ(empty.percentile(99), 0ns);
    EXPECT_EQ(empty.min(), 0ns);
    EXPECT_EQ(empty.max(), 0ns);
    EXPECT_EQ(empty.mean(), 0.0);
    EXPECT_EQ(empty.standard_deviation(), 0.0);
}

TEST(Histogram, no_value_from_a_microsecond_to_an_hour_is_wrong_by_more_than_one_percent) {
    for (double value = 1000; value <= 3.6e12; value *= 1.0013) {
        histogram one;
        const duration recorded(static_cast<std::int64_t>(value));
        one.record(recorded);
        one.record(1h);  // a larger one, so that the answer is not cut to the maximum
        const duration read = one.percentile(50);
        ASSERT_GE(read, recorded) << "never understated";
        ASSERT_LE(static_cast<double>((read - recorded).count()), 0.01 * value) << value;
    }
}

// Every percentile against the sorted values.
void expect_as_sorted(std::vector<std::int64_t> values) {
    histogram all;
    for (const std::int64_t each : values)
        all.record(duration(each));
    std::sort(values.begin(), values.end());
    for (const double percent : {0.0, 1.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
        const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()) - 1e-6);
        const auto exact = values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
        const auto read = all.percentile(percent).count();
        EXPECT_GE(read, exact) << percent;
        EXPECT_LE(static_cast<double>(read - exact),
                  0.01 * static_cast<double>(std::max<std::int64_t>(exact, 1000)))
            << percent;
    }
    EXPECT_EQ(all.min().count(), values.front());
    EXPECT_EQ(all.max().count(), values.back());
    EXPECT_EQ(all.percentile(100).count(), values.back());
    double sum = 0;
    for (const std::int64_t each : values)
        sum += static_cast<double>(each);
    const double mean = sum / static_cast<double>(values.size());
    EXPECT_NEAR(all.mean(), mean, 1e-6 * mean);
    double squares = 0;
    for (const std::int64_t each : values)
        squares += (static_cast<double>(each) - mean) * (static_cast<double>(each) - mean);
    const double deviation = std::sqrt(squares / static_cast<double>(values.size()));
    EXPECT_NEAR(all.standard_deviation(), deviation, 0.01 * deviation + 0.004 * mean);
}

TEST(Histogram, percentiles_are_those_of_the_sorted_values) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> latency(12, 1.5);  // about 160 us, with a long tail
    std::vector<std::int64_t> values;
    for (int each = 0; each < 200'000; ++each)
        values.push_back(static_cast<std::int64_t>(latency(random)));
    expect_as_sorted(values);
    expect_as_sorted({5'000});
    expect_as_sorted({1'000, 2'000, 3'000, 4'000, 5'000, 6'000, 7'000, 8'000, 9'000, 10'000});
}

TEST(Histogram, merging_is_the_same_as_recording_everything_in_one) {
    std::mt19937_64 random(3);
    std::exponential_distribution<double> latency(1e-5);
    histogram all;
    histogram parts[3];
    for (int each = 0; each < 30'000; ++each) {
        const duration value(static_cast<std::int64_t>(latency(random)));
        all.record(value);
        parts[each % 3].record(value);
    }
    histogram merged;
    merged.merge(histogram());
    for (const histogram& each : parts)
        merged.merge(each);
    EXPECT_EQ(merged.count(), all.count());
    EXPECT_EQ(merged.min(), all.min());
    EXPECT_EQ(merged.max(), all.max());
    EXPECT_NEAR(merged.mean(), all.mean(), 1e-6 * all.mean());
    for (double percent = 0; percent <= 100; percent += 0.5)
        EXPECT_EQ(merged.percentile(percent), all.percentile(percent)) << percent;
}

TEST(Histogram, values_above_an_hour_are_counted_as_saturated) {
    histogram all;
    all.record(1h);
    EXPECT_EQ(all.saturated(), 0u);
    all.record(90min);
    all.record(1000h);
    EXPECT_EQ(all.saturated(), 2u);
    EXPECT_EQ(all.count(), 3u);
    EXPECT_EQ(all.max(), 1000h);
    EXPECT_EQ(all.percentile(99), 1000h);
    histogram other;
    other.merge(all);
    EXPECT_EQ(other.saturated(), 2u);
}

TEST(Histogram, values_below_a_microsecond_and_clocks_that_step_back_do_no_harm) {
    histogram all;
    all.record(-5s);
    all.record(0ns);
    all.record(100ns);
    EXPECT_EQ(all.count(), 3u);
    EXPECT_EQ(all.min(), 0ns);
    EXPECT_LE(all.percentile(100), 107ns);
}

TEST(Histogram, clear_forgets_everything) {
    histogram all;
    all.record(90min);
    all.clear();
    EXPECT_EQ(all.count() + all.saturated(), 0u);
    EXPECT_EQ(all.max(), 0ns);
    all.record(5us);
    EXPECT_EQ(all.min(), 5us);
}

TEST(Histogram, visits_its_values_in_order_and_all_of_them) {
    histogram all;
    for (int each = 1; each <= 1000; ++each)
        all.record(std::chrono::microseconds(each * each));
    std::uint64_t seen = 0;
    duration last = -1ns;
    all.for_each([&](duration highest, std::uint64_t count) {
        EXPECT_GT(highest, last);
        last = highest;
        seen += count;
    });
    EXPECT_EQ(seen, 1000u);
    EXPECT_GE(last, all.max());
}

TEST(Histogram, ten_values_must_lie_above_a_percentile) {
    EXPECT_FALSE(enough_for(19, 50));
    EXPECT_TRUE(enough_for(20, 50));
    EXPECT_FALSE(enough_for(999, 99));
    EXPECT_TRUE(enough_for(1000, 99));
    EXPECT_FALSE(enough_for(9'999, 99.9));
    EXPECT_TRUE(enough_for(10'000, 99.9));
    EXPECT_FALSE(enough_for(500, 99.99));
    EXPECT_TRUE(enough_for(100'000, 99.99));
}

}  // namespace
}  // namespace naru::load
