#include <lab/model_look.hpp>
#include <lab/page_parts.hpp>
#include <lab/page_text.hpp>
#include <lab/svg_chart.hpp>

#include <set>

#include <fmt/format.h>

namespace naru::lab {

namespace {

std::string interval_text(const point& at) {
    if (at.rounds < 2 || !(at.low < at.high)) return {};
    return fmt::format(R"(<span class="interval">{}–{}</span>)", number_text(at.low), number_text(at.high));
}

std::string value_cell(const point* at) {
    if (at == nullptr) return R"(<td class="none">–</td>)";
    return fmt::format(R"(<td{}>{}{}{}</td>)", at->valid ? "" : R"( class="hatched")", number_text(at->y),
                       interval_text(*at),
                       at->valid ? "" : R"( <span class="invalid-word">not valid</span>)");
}

const point* point_at(const series& each, double x) {
    for (const point& at : each.points) {
        if (at.x == x) return &at;
    }
    return nullptr;
}

std::string remark(const series& each, std::string_view rest) {
    return fmt::format(R"(<li>{}<strong class="{}">{}</strong>{}</li>)", swatch(each.model),
                       look_of(each.model).css, escaped(each.label), rest);
}

// The points of a series about which the same is said, in one line.
void append_notes(std::string& made, const chart& shown, const series& each) {
    std::vector<const point*> left;
    for (const point& at : each.points) {
        if (!at.note.empty() || !at.valid) left.push_back(&at);
    }
    while (!left.empty()) {
        const point& first = *left.front();
        const auto is_alike = [valid = first.valid, note = first.note](const point* at) {
            return at->valid == valid && at->note == note;
        };
        std::string where;
        if (shown.drawn_as == chart::form::lines) {
            for (const point* at : left) {
                if (is_alike(at)) where += (where.empty() ? " at " : ", ") + place_text(shown.x_label, at->x);
            }
        }
        const std::string_view what = first.valid ? "" : " is hatched and not ranked";
        made += remark(
            each, fmt::format("{}{}{}{}", where, what, first.note.empty() ? "" : ": ", escaped(first.note)));
        std::erase_if(left, is_alike);
    }
}

// What the figures do not say by themselves: where lines end, and what is odd about points.
std::string remarks(const chart& shown) {
    std::string made;
    for (const series& each : shown.all) {
        append_notes(made, shown, each);
        if (each.ends.empty()) continue;
        const bool is_bar = shown.drawn_as == chart::form::bars || each.points.empty();
        const std::string where =
            is_bar ? " has no figure here" : " ends at " + place_text(shown.x_label, each.points.back().x);
        made += remark(each, where + ": " + escaped(each.ends));
    }
    return made.empty() ? made : "<ul class=\"remarks\">" + made + "</ul>\n";
}

std::string bars_table(const chart& shown) {
    std::string made = fmt::format(
        R"(<thead><tr><th scope="col">Model</th><th scope="col">{}</th><th scope="col">Rounds</th></tr></thead><tbody>)",
        escaped(shown.y_label));
    for (const series& each : shown.all) {
        const point* at = each.points.empty() ? nullptr : &each.points[0];
        made += fmt::format(R"(<tr><th scope="row">{}</th>{}<td>{}</td></tr>)", escaped(each.label),
                            value_cell(at), at == nullptr ? "\u2013" : fmt::format("{}", at->rounds));
    }
    return made + "</tbody>";
}

std::string lines_table(const chart& shown) {
    std::set<double> xs;
    std::string made = fmt::format(R"(<thead><tr><th scope="col">{}</th>)", escaped(shown.x_label));
    for (const series& each : shown.all) {
        made += fmt::format(R"(<th scope="col">{}</th>)", escaped(each.label));
        for (const point& at : each.points) {
            if (at.x == at.x) xs.insert(at.x);  // a set cannot hold NaN
        }
    }
    made += "</tr></thead><tbody>";
    for (const double x : xs) {
        made += fmt::format(R"(<tr><th scope="row">{}</th>)", place_text(shown.x_label, x));
        for (const series& each : shown.all)
            made += value_cell(point_at(each, x));
        made += "</tr>";
    }
    return made + "</tbody>";
}

std::string values_table(const chart& shown) {
    const bool is_bars = shown.drawn_as == chart::form::bars;
    return fmt::format(
        R"(<details class="values"><summary>The figures<span class="vh"> of: {0}</span></summary>)"
        R"(<div class="scroll" tabindex="0" role="region" aria-label="Figures: {0}"><table class="figures"><caption>{0}: {1}. )"
        R"(Small: the interval (95%) that the rounds leave the median in.</caption>{2}</table></div></details>)",
        escaped(shown.title), escaped(shown.y_label), is_bars ? bars_table(shown) : lines_table(shown));
}

void append_points(std::string& made, const series& each) {
    const char* comma = "";
    for (const point& at : each.points) {
        made += fmt::format(R"({}{{"x":{},"valid":{},"text":{}}})", comma, json_number(at.x), at.valid,
                            json_string(number_text(at.y)));
        comma = ",";
    }
}

}  // namespace

std::string chart_json(const chart& shown) {
    std::string made = fmt::format(R"({{"title":{},"x":{{"label":{}}},"series":[)", json_string(shown.title),
                                   json_string(shown.x_label));
    const char* comma = "";
    for (const series& each : shown.all) {
        made += fmt::format(R"({}{{"label":{},"points":[)", comma, json_string(each.label));
        append_points(made, each);
        made += "]}";
        comma = ",";
    }
    return made + "]}";
}

std::string chart_figure(const chart& shown) {
    const bool is_lines = shown.drawn_as == chart::form::lines;
    const std::string id = id_text(shown.id);
    std::size_t points = 0;
    for (const series& each : shown.all)
        points += each.points.size();
    std::string made =
        fmt::format(R"(<figure class="{}" id="{}" aria-labelledby="{}-h"><h3 id="{}-h">{}</h3>)",
                    is_lines ? "lines" : "bars", id, id, id, escaped(shown.title));
    made += "\n<div class=\"drawing\">";
    if (is_lines ? points == 0 : shown.all.empty()) {
        made += R"(<p class="empty">There are no figures for this chart.</p>)";
    } else {
        made += fmt::format("<div class=\"wide\">{}</div>\n<div class=\"narrow\">{}</div>",
                            svg_chart(shown, picture::wide).svg, svg_chart(shown, picture::narrow).svg);
    }
    made += "</div>\n";
    if (!shown.summary.empty()) made += fmt::format("<figcaption>{}</figcaption>\n", escaped(shown.summary));
    made += remarks(shown);
    if (points > 0) made += values_table(shown);
    if (is_lines && points > 0) {
        made += "\n<template class=\"swatches\">";
        for (const series& each : shown.all)
            made += swatch(each.model);
        made += fmt::format("</template>\n<script type=\"application/json\" class=\"chart-data\">{}</script>",
                            chart_json(shown));
    }
    return made + "</figure>\n";
}

}  // namespace naru::lab
