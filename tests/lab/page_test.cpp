#include "sample_page.hpp"
#include "xml_check.hpp"

#include <lab/assets.hpp>
#include <lab/model_text.hpp>
#include <lab/page_text.hpp>
#include <load/json.hpp>

#include <cmath>
#include <set>

#include <gtest/gtest.h>

namespace naru::lab {
namespace {

std::vector<std::string> drawings_in(const std::string& html) {
    std::vector<std::string> found;
    for (std::size_t at = html.find("<svg"); at != std::string::npos; at = html.find("<svg", at + 1))
        found.push_back(html.substr(at, html.find("</svg>", at) + 6 - at));
    return found;
}

std::string without_scripts(std::string html) {
    for (const auto& [open, close] :
         {std::pair<std::string, std::string>{"<script", "</script>"}, {"<style", "</style>"}}) {
        for (std::size_t at = html.find(open); at != std::string::npos; at = html.find(open))
            html.erase(at, html.find(close, at) + close.size() - at);
    }
    return html;
}

// What is between the doctype and the scripts is XML apart from void elements, so it is checked as XML.
std::string body_of(const std::string& html) {
    const std::string rest = without_scripts(html);
    const std::size_t start = rest.find("<body>");
    return rest.substr(start, rest.find("</body>") + 7 - start);
}

TEST(Page, AnEmptyOneIsStillAPage) {
    const std::string html = to_html({});
    EXPECT_TRUE(html.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    EXPECT_EQ(xml_check::problem_of(body_of(html)), "");
    EXPECT_NE(html.find("<main id=\"main\""), std::string::npos);
    EXPECT_EQ(html.find("id=\"under-way\" data"), std::string::npos);
}

TEST(Page, TheSampleIsWellFormed) {
    for (const bool under_way : {false, true}) {
        const std::string html = to_html(sample_page(under_way));
        EXPECT_EQ(xml_check::problem_of(body_of(html)), "");
        const auto drawings = drawings_in(html);
        EXPECT_GT(drawings.size(), 40U);
        for (const auto& each : drawings)
            EXPECT_EQ(xml_check::problem_of(each), "");
    }
}

TEST(Page, EveryTextIsEscaped) {
    const std::string hostile = "<script>alert(1)</script>\"'&\x01\xff<img src=x onerror=alert(2)>";
    page shown;
    shown.title = shown.subtitle = shown.command = shown.version = hostile;
    shown.headlines = {hostile, hostile};
    shown.caveats = {hostile};
    shown.machine = {{hostile, hostile}};
    for (const auto outcome : {claim::outcome::holds, claim::outcome::does_not_hold, claim::outcome::depends,
                               claim::outcome::not_measured})
        shown.claims.push_back({hostile, hostile, hostile, outcome, hostile});
    chart lines;
    lines.id = lines.title = lines.summary = lines.x_label = lines.y_label = hostile;
    lines.all = {
        {hostile, hostile, {{1, 2, 1, 3, 3, true, hostile}, {2, 2, 1, 3, 3, false, hostile}}, hostile},
        {hostile, hostile, {}, hostile}};
    lines.markers = {{1, hostile}};
    chart bars = lines;
    bars.id += "2";
    bars.drawn_as = chart::form::bars;
    section part{hostile, hostile, hostile, {hostile}, {lines, bars}, {}, {hostile}};
    part.tables = {{hostile, {hostile, hostile}, {{{hostile, hostile}, true}, {{hostile, hostile}, false}}}};
    shown.sections = {part};
    shown.models = {{"select", {hostile}}, {hostile, {hostile}}};
    shown.under_way = {1, 2, 3, hostile};
    const std::string html = to_html(shown);
    EXPECT_EQ(html.find("<script>alert"), std::string::npos);
    EXPECT_EQ(html.find("<img"), std::string::npos);
    EXPECT_EQ(html.find('\x01'), std::string::npos);
    EXPECT_EQ(xml_check::problem_of(body_of(html)), "");
    EXPECT_TRUE(load::json_value::parse(to_json(shown.under_way)).has_value());
}

TEST(Page, NothingIsFetched) {
    const std::string html = without_scripts(to_html(sample_page(false)));
    for (const char* reference : {" src=", "url(http", "href=\"http", "@import"})
        EXPECT_EQ(html.find(reference), std::string::npos) << reference;
    EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
    EXPECT_EQ(html.find("connect-src"), std::string::npos) << "a finished page asks for nothing";
    EXPECT_NE(to_html(sample_page(true)).find("connect-src 'self'"), std::string::npos);
    EXPECT_EQ(html.find(" style="), std::string::npos) << "the policy does not allow it";
}

TEST(Page, IdsAreUnique) {
    const std::string html = without_scripts(to_html(sample_page(true)));
    std::set<std::string> seen;
    for (std::size_t at = html.find(" id=\""); at != std::string::npos; at = html.find(" id=\"", at + 1)) {
        const std::string id = html.substr(at + 5, html.find('"', at + 5) - at - 5);
        EXPECT_TRUE(seen.insert(id).second) << id;
    }
}

TEST(Page, EveryModelIsExplainedAndDrawn) {
    EXPECT_EQ(all_model_texts().size(), 9U);
    const std::string html = to_html({});
    for (const auto& each : all_model_texts()) {
        EXPECT_FALSE(find_asset(each.drawing).text.empty()) << each.drawing;
        EXPECT_EQ(xml_check::problem_of(find_asset(each.drawing).text), "") << each.drawing;
        EXPECT_NE(html.find("id=\"model-" + id_text(each.model) + "\""), std::string::npos) << each.model;
        for (const auto text :
             {each.kernel, each.per_wait, each.per_event, each.per_request, each.limit, each.drawn})
            EXPECT_FALSE(text.empty()) << each.model;
    }
}

TEST(Page, AllVerdictsHaveTheirWord) {
    const std::string html = to_html(sample_page(false));
    for (const char* word : {"</svg>holds</span>", "</svg>does not hold</span>", "</svg>depends</span>",
                             "</svg>not measured</span>"})
        EXPECT_NE(html.find(word), std::string::npos) << word;
}

TEST(Page, LongTablesAreFolded) {
    page shown;
    section part;
    part.id = "part";
    part.tables = {{"Ratios", {"", "median"}, {}}};
    for (int row = 0; row < 40; ++row)
        part.tables[0].rows.push_back({{"epoll", "1.00"}, true});
    shown.sections = {part};
    EXPECT_NE(to_html(shown).find("Ratios (40 rows)</summary>"), std::string::npos);
}

TEST(Page, AssetsAreEmbeddedWhole) {
    for (const char* name : {"chart.css", "report.css", "readout.js", "page.js"}) {
        EXPECT_FALSE(find_asset(name).text.empty()) << name;
        EXPECT_EQ(find_asset(name).sha256_hex.size(), 64U) << name;
        EXPECT_EQ(find_asset(name).text.find("</script"), std::string_view::npos) << name;
        EXPECT_EQ(find_asset(name).text.find("</style"), std::string_view::npos) << name;
    }
    EXPECT_TRUE(find_asset("no such file").text.empty());
}

TEST(Progress, IsJson) {
    EXPECT_EQ(to_json({3, 90, 41.5, ""}),
              R"({"done": 3, "planned": 90, "seconds_left": 41.5, "current": ""})");
    EXPECT_EQ(to_json({0, 0, std::nan(""), "a \"b\""}),
              R"({"done": 0, "planned": 0, "seconds_left": null, "current": "a \"b\""})");
}

}  // namespace
}  // namespace naru::lab
