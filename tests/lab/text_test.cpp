#include <lab/page_text.hpp>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace naru::lab {
namespace {

TEST(PageText, NoMarkupGetsThrough) {
    EXPECT_EQ(escaped("<script>alert(\"1\" & '2')</script>"),
              "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
    EXPECT_EQ(escaped("\u00b5s, \ub098\ub8e8"), "\u00b5s, \ub098\ub8e8");
}

TEST(PageText, WhatIsNotTextIsReplaced) {
    const std::string replacement = "\xef\xbf\xbd";
    EXPECT_EQ(escaped(std::string_view("a\0b", 3)), "a" + replacement + "b");
    EXPECT_EQ(escaped("\x1b[31m"), replacement + "[31m");
    EXPECT_EQ(escaped("\xff"), replacement);
    EXPECT_EQ(escaped("\xc3"), replacement) << "cut short";
    EXPECT_EQ(escaped("\xc0\xaf"), replacement + replacement) << "longer than needed";
    EXPECT_EQ(escaped("\xed\xa0\x80"), replacement + replacement + replacement) << "half of a pair";
    EXPECT_EQ(escaped("\xef\xbf\xbe"), replacement + replacement + replacement) << "not allowed in XML";
}

TEST(PageText, JsonCannotEndItsScript) {
    const std::string quoted = json_string("</script><!-- \" \\ \n &");
    EXPECT_EQ(quoted, R"("\u003c/script\u003e\u003c!-- \" \\ \u000a \u0026")");
    EXPECT_EQ(json_number(std::nan("")), "null");
    EXPECT_EQ(json_number(std::numeric_limits<double>::infinity()), "null");
    EXPECT_EQ(json_number(0.1), "0.1");
}

TEST(PageText, NumbersHaveThreeDigitsThatCount) {
    EXPECT_EQ(number_text(12345.6), "12,346");
    EXPECT_EQ(number_text(1234567), "1,234,567");
    EXPECT_EQ(number_text(123.4), "123");
    EXPECT_EQ(number_text(99.96), "100");
    EXPECT_EQ(number_text(12.34), "12.3");
    EXPECT_EQ(number_text(3.14159), "3.14");
    EXPECT_EQ(number_text(0.00213), "0.00213");
    EXPECT_EQ(number_text(0), "0");
    EXPECT_EQ(number_text(-1500), "\u22121,500");
    EXPECT_EQ(number_text(std::nan("")), "\u2013");
    EXPECT_EQ(number_text(1e300), "1e+300");
}

TEST(PageText, AxesAreShort) {
    EXPECT_EQ(tick_text(20'000), "20,000");
    EXPECT_EQ(tick_text(100'000), "100k");
    EXPECT_EQ(tick_text(2.5e6), "2.5M");
    EXPECT_EQ(tick_text(0.02), "0.02");
    EXPECT_EQ(tick_text(-5), "\u22125");
    EXPECT_EQ(size_text(64), "64");
    EXPECT_EQ(size_text(4096), "4 KiB");
    EXPECT_EQ(size_text(1048576), "1 MiB");
}

TEST(PageText, LinesAreWrappedAtSpacesWhereThereAreAny) {
    EXPECT_EQ(wrapped("one two three", 7, 9), (std::vector<std::string>{"one two", "three"}));
    EXPECT_EQ(wrapped("abcdefgh", 3, 9), (std::vector<std::string>{"abc", "def", "gh"}));
    EXPECT_EQ(wrapped("one two three", 5, 2), (std::vector<std::string>{"one", "two\u2026"}));
    EXPECT_TRUE(wrapped("  ", 5, 2).empty());
    EXPECT_EQ(wrapped("\ub098\ub8e8\ub098\ub8e8", 2, 9),
              (std::vector<std::string>{"\ub098\ub8e8", "\ub098\ub8e8"}))
        << "characters are not cut";
    EXPECT_EQ(shortened("", 5), "");
    EXPECT_EQ(id_text("a b\"<\u00e9"), "a-b----");
}

}  // namespace
}  // namespace naru::lab
