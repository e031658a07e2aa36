#include "xml_check.hpp"

#include <lab/page_parts.hpp>
#include <lab/svg_chart.hpp>
#include <load/json.hpp>

#include <cmath>

#include <gtest/gtest.h>

namespace naru::lab {
namespace {

chart empty_chart() {
    chart made;
    made.id = "a-chart";
    made.title = "Cost";
    made.summary = "What it costs.";
    made.x_label = "connections";
    made.y_label = "us";
    return made;
}

series line(std::string model, std::vector<double> ys) {
    series made{model, model, {}, {}};
    double x = 10;
    for (const double y : ys) {
        made.points.push_back({x, y, y * .9, y * 1.1, 5, true, {}});
        x *= 3;
    }
    return made;
}

std::size_t count(std::string_view text, std::string_view wanted) {
    std::size_t found = 0;
    for (std::size_t at = text.find(wanted); at != std::string_view::npos; at = text.find(wanted, at + 1))
        ++found;
    return found;
}

// In every shape, in the page and as a file: lines and bars, linear and logarithmic, wide and narrow.
void expect_sound(chart shown) {
    for (const auto form : {chart::form::lines, chart::form::bars}) {
        for (const bool x_log : {false, true}) {
            for (const bool y_log : {false, true}) {
                for (const auto size : {picture::wide, picture::narrow}) {
                    shown.drawn_as = form;
                    shown.x_logarithmic = x_log;
                    shown.y_logarithmic = y_log;
                    const std::string drawn = svg_chart(shown, size).svg;
                    EXPECT_EQ(xml_check::problem_of(drawn), "");
                    EXPECT_EQ(drawn.find("nan"), std::string::npos) << drawn;
                    EXPECT_EQ(drawn.find("inf"), std::string::npos);
                    EXPECT_NE(drawn.find("<title id="), std::string::npos);
                    EXPECT_NE(drawn.find("<desc id="), std::string::npos);
                    const std::string file = svg_file(shown);
                    EXPECT_EQ(xml_check::problem_of(file), "");
                    EXPECT_NE(file.find("<title id="), std::string::npos);
                }
            }
        }
    }
    EXPECT_TRUE(load::json_value::parse(chart_json(shown)).has_value()) << chart_json(shown);
}

TEST(XmlCheck, SaysWhatIsWrong) {
    EXPECT_EQ(xml_check::problem_of(R"(<a b="1"><c/>x &amp; y</a>)"), "");
    for (const char* broken :
         {"<a>", "<a></b>", "<a b=1/>", "<a b=\"1\" b=\"2\"/>", "x & y", "<a b=\"<\"/>", "a \x01"})
        EXPECT_NE(xml_check::problem_of(broken), "") << broken;
}

TEST(Chart, WithoutAnything) {
    expect_sound({});
    expect_sound(empty_chart());
    chart shown = empty_chart();
    EXPECT_NE(chart_figure(shown).find("no figures"), std::string::npos);
    shown.drawn_as = chart::form::bars;
    EXPECT_NE(chart_figure(shown).find("no figures"), std::string::npos);
}

TEST(Chart, SeriesWithoutPoints) {
    chart shown = empty_chart();
    shown.all = {{"select", "select", {}, "FD_SETSIZE"}, {"epoll", "epoll", {}, {}}};
    shown.markers = {{100, "here"}};
    expect_sound(shown);
    shown.drawn_as = chart::form::bars;
    const std::string drawn = svg_bars(shown, picture::wide).svg;
    EXPECT_NE(drawn.find("FD_SETSIZE"), std::string::npos);
    EXPECT_NE(drawn.find("not measured"), std::string::npos);
}

TEST(Chart, OnePoint) {
    chart shown = empty_chart();
    shown.all = {line("epoll", {4})};
    expect_sound(shown);
}

TEST(Chart, ValuesThatCannotBeDrawnAreLeftOut) {
    chart shown = empty_chart();
    shown.all = {line("epoll", {0, -3, NAN, INFINITY, 1e300, -1e300, 1e-300, 5})};
    shown.all.push_back(line("poll", {NAN}));
    shown.all[0].points.push_back({NAN, 1, NAN, INFINITY, 2, true, {}});
    shown.all[0].points.push_back({0, 1, -INFINITY, 1, 2, false, {}});
    shown.markers = {{NAN, "nowhere"}, {-1, "before"}, {1e300, "far"}, {50, "here"}};
    expect_sound(shown);
    shown.y_logarithmic = true;
    const std::string drawn = svg_lines(shown, picture::wide).svg;
    EXPECT_EQ(count(drawn, "class=\"mark "), 2U) << "the 5, and the hatched point at 0";
}

TEST(Chart, NineSeriesOfTwelvePoints) {
    chart shown = empty_chart();
    for (const char* model : {"threads", "select", "poll", "epoll-level", "epoll", "epoll-oneshot",
                              "io_uring-single", "io_uring", "io_uring-sqpoll"}) {
        shown.all.push_back(line(model, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
    }
    expect_sound(shown);
    const std::string drawn = svg_lines(shown, picture::wide).svg;
    EXPECT_EQ(count(drawn, "class=\"mark "), 108U);
    EXPECT_EQ(count(drawn, "class=\"name "), 9U);
    EXPECT_EQ(count(drawn, "class=\"band "), 9U);
}

TEST(Chart, HugeRanges) {
    chart shown = empty_chart();
    shown.all = {line("epoll", {1e-14, 1, 1e14}), line("poll", {-1e15, 1e15})};
    expect_sound(shown);
}

TEST(Chart, InvalidPointsAreHollowAndHatchedAndTheirLinesDoubtful) {
    chart shown = empty_chart();
    shown.all = {line("epoll", {4, 5, 6, 7})};
    shown.all[0].points[1].valid = false;
    shown.all[0].points[1].note = "the generator was late";
    const std::string drawn = svg_lines(shown, picture::wide).svg;
    EXPECT_EQ(count(drawn, "class=\"mark hollow"), 1U);
    EXPECT_EQ(count(drawn, "fill='url(#a-chart-w-h)'"), 1U);
    EXPECT_EQ(count(drawn, "class=\"line doubtful"), 1U);
    const std::string figure = chart_figure(shown);
    EXPECT_NE(figure.find("the generator was late"), std::string::npos);
    EXPECT_NE(figure.find("class=\"hatched\""), std::string::npos);
    shown.drawn_as = chart::form::bars;
    shown.all[0].points[0].valid = false;
    EXPECT_NE(svg_bars(shown, picture::wide).svg.find("not valid"), std::string::npos);
}

TEST(Chart, PointsWithTheSameNoteShareALine) {
    chart shown = empty_chart();
    shown.all = {line("epoll", {4, 5, 6, 7})};
    for (const std::size_t at : {0U, 2U}) {
        shown.all[0].points[at].valid = false;
        shown.all[0].points[at].note = "late";
    }
    shown.all[0].points[1].note = "odd";
    const std::string figure = chart_figure(shown);
    EXPECT_NE(figure.find("</strong> at 10, 90 is hatched and not ranked: late</li>"), std::string::npos)
        << figure;
    EXPECT_NE(figure.find("</strong> at 30: odd</li>"), std::string::npos);
}

TEST(Chart, ASeriesThatEndsEarlySaysWhy) {
    chart shown = empty_chart();
    shown.x_logarithmic = true;
    shown.all = {line("epoll", {4, 4, 4, 4, 4, 4}), line("select", {4, 5, 6})};
    shown.all[1].ends = "FD_SETSIZE: 1,024 & no more";
    const std::string drawn = svg_lines(shown, picture::wide).svg;
    EXPECT_EQ(count(drawn, "class=\"cross "), 1U);
    EXPECT_NE(drawn.find("FD_SETSIZE: 1,024 &amp; no"), std::string::npos);
    EXPECT_NE(chart_figure(shown).find("ends at 90: FD_SETSIZE"), std::string::npos);
}

TEST(Chart, MarkersAreLabelledLines) {
    chart shown = empty_chart();
    shown.all = {line("epoll", {4, 4, 4})};
    shown.markers = {{30, "crossover at 30"}};
    const std::string drawn = svg_lines(shown, picture::wide).svg;
    EXPECT_EQ(count(drawn, "class=\"marker\""), 1U);
    EXPECT_NE(drawn.find("crossover at 30"), std::string::npos);
}

TEST(Chart, SizesAreWrittenAsSizes) {
    chart shown = empty_chart();
    shown.x_label = "bytes per response";
    shown.x_logarithmic = true;
    shown.all = {{"epoll",
                  "epoll",
                  {{64, 1, 1, 1, 1, true, {}}, {4096, 2, 2, 2, 1, true, {}}, {1048576, 3, 3, 3, 1, true, {}}},
                  {}}};
    EXPECT_NE(svg_lines(shown, picture::wide).svg.find("1 MiB"), std::string::npos);
}

TEST(Chart, ModelsCanBeToldApartWithoutColour) {
    chart shown = empty_chart();
    for (const char* model : {"epoll", "epoll-level", "nginx", "something new"})
        shown.all.push_back(line(model, {1, 2}));
    const std::string drawn = svg_lines(shown, picture::wide).svg;
    for (const char* css : {"m-epoll\"", "m-epoll-level\"", "m-nginx\"", "m-other\""})
        EXPECT_NE(drawn.find(css), std::string::npos) << css;
}

}  // namespace
}  // namespace naru::lab
