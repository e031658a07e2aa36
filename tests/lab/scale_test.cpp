#include <lab/svg_label.hpp>
#include <lab/svg_scale.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace naru::lab {
namespace {

using list = std::vector<double>;

void expect_about(const list& found, const list& wanted) {
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t at = 0; at < found.size(); ++at)
        EXPECT_NEAR(found[at], wanted[at], 1e-9 * std::max(1.0, std::fabs(wanted[at])));
}

TEST(Scale, LogarithmicTicksAreAsDenseAsFits) {
    const scale made = scale::fit(list{10, 20'000}, true, scale::spread::exact);
    expect_about(made.ticks(11), {10, 20, 50, 100, 200, 500, 1'000, 2'000, 5'000, 10'000, 20'000});
    expect_about(made.ticks(7), {10, 30, 100, 300, 1'000, 3'000, 10'000});
    expect_about(made.ticks(4), {10, 100, 1'000, 10'000});
    expect_about(made.ticks(2), {100, 10'000});
}

TEST(Scale, HugeRangesHaveFewTicks) {
    const scale made = scale::fit(list{1e-12, 1e12}, true, scale::spread::round);
    EXPECT_LE(made.ticks(6).size(), 6U);
    EXPECT_GE(made.ticks(6).size(), 2U);
    const scale linear = scale::fit(list{-1e15, 1e15}, false, scale::spread::from_zero);
    EXPECT_LE(linear.ticks(7).size(), 8U);
}

TEST(Scale, PowersOfTwoHaveTicksOfTheirOwn) {
    const scale made = scale::fit(list{1, 2, 4, 8, 16, 32, 64}, true, scale::spread::exact);
    EXPECT_TRUE(made.is_binary());
    expect_about(made.ticks(8), {1, 2, 4, 8, 16, 32, 64});
    expect_about(made.ticks(4), {1, 4, 16, 64});
}

TEST(Scale, LinearAxesBeginAtZeroAndEndWithRoundValues) {
    const scale made = scale::fit(list{3.1, 27.4}, false, scale::spread::from_zero);
    EXPECT_EQ(made.low(), 0);
    EXPECT_NEAR(made.high(), 30, 1e-9);
    expect_about(made.ticks(7), {0, 5, 10, 15, 20, 25, 30});
    EXPECT_NEAR(made.place(15), .5, 1e-9);
    const scale below = scale::fit(list{-7, 3}, false, scale::spread::from_zero);
    EXPECT_LE(below.low(), -7);
    EXPECT_GE(below.high(), 3);
}

TEST(Scale, OneValueOrNoneMakesAnAxis) {
    for (const bool logarithmic : {false, true}) {
        for (const auto how : {scale::spread::exact, scale::spread::round, scale::spread::from_zero}) {
            for (const list& values : {list{}, list{0}, list{42}, list{-3}, list{NAN, INFINITY, 1e300}}) {
                const scale made = scale::fit(values, logarithmic, how);
                EXPECT_LT(made.low(), made.high());
                EXPECT_TRUE(std::isfinite(made.place(42)));
                EXPECT_GE(made.ticks(5).size(), 2U);
            }
        }
    }
}

TEST(Scale, WhatCannotBeDrawn) {
    EXPECT_TRUE(is_drawable(0, false));
    EXPECT_FALSE(is_drawable(0, true));
    EXPECT_FALSE(is_drawable(-1, true));
    EXPECT_FALSE(is_drawable(NAN, false));
    EXPECT_FALSE(is_drawable(INFINITY, false));
    EXPECT_FALSE(is_drawable(1e300, false)) << "no room for arithmetic";
}

TEST(Labels, AreMovedApartAndNoFurther) {
    std::vector<stacked_label> labels = {{50, 10, 0}, {51, 10, 0}, {90, 10, 0}, {49, 10, 0}};
    spread_out(labels, 0, 100);
    EXPECT_NEAR(labels[3].middle, 40, 1e-9);
    EXPECT_NEAR(labels[0].middle, 50, 1e-9);
    EXPECT_NEAR(labels[1].middle, 60, 1e-9);
    EXPECT_NEAR(labels[2].middle, 90, 1e-9);
}

TEST(Labels, StayInside) {
    std::vector<stacked_label> labels = {{0, 10, 0}, {0, 10, 0}, {100, 10, 0}, {100, 10, 0}, {99, 10, 0}};
    spread_out(labels, 0, 100);
    for (const auto& each : labels) {
        EXPECT_GE(each.middle, 5 - 1e-9);
        EXPECT_LE(each.middle, 95 + 1e-9);
    }
}

TEST(Labels, FindTheEmptyPlace) {
    label_field field({0, 0, 200, 200});
    field.avoid_line(0, 100, 200, 100);
    const box first = field.place(100, 100, 40, 10);
    EXPECT_TRUE(first.y + first.height <= 100 || first.y >= 100);
    const box second = field.place(100, 100, 40, 10);
    const bool apart = first.x + first.width <= second.x || second.x + second.width <= first.x ||
                       first.y + first.height <= second.y || second.y + second.height <= first.y;
    EXPECT_TRUE(apart);
}

}  // namespace
}  // namespace naru::lab
