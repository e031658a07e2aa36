// Sizes that memory budgets count on.
#include <naru/core/bytes.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/operation.hpp>
#include <naru/loop/timers.hpp>

#include <gtest/gtest.h>

namespace naru::testing {
namespace {

TEST(Layout, SizesAreWhatTheBudgetsCountOn) {
    EXPECT_LE(sizeof(operation), 64u);
    EXPECT_EQ(sizeof(timer), 32u);
    EXPECT_EQ(sizeof(handle), 8u);
    EXPECT_EQ(sizeof(slice), 16u);
    EXPECT_LE(sizeof(send_operation), 80u);
}

}  // namespace
}  // namespace naru::testing
