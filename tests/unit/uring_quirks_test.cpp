// The table of known bad kernels.
#include <naru/backend/uring/quirks.hpp>

#include <gtest/gtest.h>

namespace naru::testing {
namespace {

TEST(UringQuirks, VersionsAreReadFromReleases) {
    EXPECT_EQ(parse_kernel_version("6.14.3-generic"), (kernel_version{6, 14, 3}));
    EXPECT_EQ(parse_kernel_version("6.1"), (kernel_version{6, 1, 0}));
    EXPECT_EQ(parse_kernel_version("6.8.0-rc3"), (kernel_version{6, 8, 0}));
    EXPECT_EQ(parse_kernel_version("5.10.0-28-amd64"), (kernel_version{5, 10, 0}));
    EXPECT_EQ(parse_kernel_version(""), (kernel_version{0, 0, 0}));
    EXPECT_EQ(parse_kernel_version("weird"), (kernel_version{0, 0, 0}));
}

TEST(UringQuirks, AFaultyKernelGoesWithoutTheFeature) {
    const auto found = quirks_of({6, 14, 0});
    ASSERT_EQ(found.size(), 1u);
    uring_options options;
    options.bundles = true;
    EXPECT_TRUE(found[0].switches_off(options));
    EXPECT_FALSE(options.bundles);
    EXPECT_TRUE(options.multishot_accept && options.multishot_recv);
    EXPECT_FALSE(found[0].switches_off(options)) << "it was off already";
    EXPECT_NE(found[0].text().find("axboe/liburing#1409"), std::string::npos) << found[0].text();
}

TEST(UringQuirks, OnlyTheVersionsInTheTableAreConcerned) {
    for (const kernel_version good :
         {kernel_version{6, 13, 10}, {6, 14, 9}, {6, 18, 0}, {6, 1, 6}, {6, 1, 8}, {6, 6, 0}})
        EXPECT_TRUE(quirks_of(good).empty()) << good[0] << '.' << good[1] << '.' << good[2];
    for (const kernel_version bad : {kernel_version{6, 13, 11}, {6, 14, 8}, {6, 1, 7}, {6, 6, 9}, {6, 7, 4}})
        EXPECT_EQ(quirks_of(bad).size(), 1u) << bad[0] << '.' << bad[1] << '.' << bad[2];
}

}  // namespace
}  // namespace naru::testing
