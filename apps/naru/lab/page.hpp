// What the lab's report shows, as data: the measuring side fills it in, the page side draws it. Nothing here
// is computed from anything else here, so that a reader of the page and a reader of report.json see one
// truth.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace naru::lab {

/// A measured value: the median of some rounds and the interval that they leave it in (95%).
struct point {
    double x = 0;
    double y = 0;
    double low = 0;  ///< equal to `y` with a single round
    double high = 0;
    unsigned rounds = 1;
    bool valid = true;  ///< otherwise hatched, never ranked
    std::string note;   ///< why it is not valid, or what is odd about it; empty: nothing
};

/// One model, or one external server, in a chart.
struct series {
    std::string model;  ///< "epoll", "threads", "nginx": the same everywhere, decides colour and dash
    std::string label;
    std::vector<point> points;  ///< by ascending x
    std::string ends;  ///< why there is nothing beyond the last point ("FD_SETSIZE: ..."); empty: it goes on
};

/// A vertical line in a chart: the crossover of two models, for example.
struct marker {
    double x = 0;
    std::string text;
};

struct chart {
    enum class form : std::uint8_t { lines, bars };
    std::string id;  ///< unique in the page, letters, digits and dashes
    std::string title;
    std::string summary;  ///< one sentence for those who cannot see it, and under the chart
    form drawn_as = form::lines;
    std::string x_label;  ///< with its unit
    std::string y_label;
    bool x_logarithmic = false;
    bool y_logarithmic = false;
    std::vector<series> all;  ///< bars: one point each, x is not used
    std::vector<marker> markers;
    bool less_is_better = true;
};

/// Text cells; the first column names the row.
struct table {
    struct row {
        std::vector<std::string> cells;
        bool valid = true;  ///< otherwise hatched
    };
    std::string caption;
    std::vector<std::string> columns;
    std::vector<row> rows;
};

struct section {
    std::string id;
    std::string title;
    std::string question;               ///< what this part wants to know
    std::vector<std::string> findings;  ///< sentences made from the figures
    std::vector<chart> charts;
    std::vector<table> tables;
    std::vector<std::string> notes;  ///< how it was measured, what was left out and why
};

struct claim {
    enum class outcome : std::uint8_t { holds, does_not_hold, depends, not_measured };
    std::string sentence;  ///< what is said
    std::string claimed;   ///< the figure said
    std::string measured;  ///< the figure seen
    outcome found = outcome::not_measured;
    std::string why;  ///< depends: on what; not measured: what was missing
};

/// A model beside its measured cost; the words and the drawing belong to the page.
struct model_cost {
    std::string model;
    std::vector<std::string> lines;  ///< "4.1 us of CPU per request at 64 connections"
};

struct fact {
    std::string name;
    std::string value;
};

struct progress {
    std::uint32_t done = 0;  ///< measurements
    std::uint32_t planned = 0;
    double seconds_left = 0;  ///< an estimate
    std::string current;      ///< what is being measured; empty when all is done
};

struct page {
    std::string title;
    std::string subtitle;                ///< machine and date in a line
    std::vector<std::string> headlines;  ///< three to five sentences: what this machine showed
    std::vector<claim> claims;
    std::vector<section> sections;
    std::vector<model_cost> models;
    std::vector<fact> machine;  ///< machine, kernel, limits
    std::string command;        ///< repeats the run
    std::string version;
    std::vector<std::string> caveats;  ///< what this does not show
    progress under_way;
};

/// One self-contained HTML file.
std::string to_html(const page& shown);

/// What the page asks for while the run goes on: {"done": 3, "planned": 90, "seconds_left": 41.5, "current":
/// ""}.
std::string to_json(const progress& now);

}  // namespace naru::lab
