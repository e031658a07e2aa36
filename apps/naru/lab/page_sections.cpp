#include <lab/page_parts.hpp>
#include <lab/page_text.hpp>

#include <array>

#include <fmt/format.h>

namespace naru::lab {

namespace {

struct verdict {
    const char* word;
    const char* css;
    const char* icon;  ///< path data in a square of 24
};

// In the order of claim::outcome.
constexpr std::array<verdict, 4> verdicts = {{
    {"holds", "holds", "M5.5 12.5l4.4 4.4L18.5 7.5"},
    {"does not hold", "fails", "M7 7l10 10M17 7L7 17"},
    {"depends", "depends", "M12 19v-6M12 13L6.5 6M12 13l5.5-7M6.5 10.5V6h4.2M17.5 10.5V6h-4.2"},
    {"not measured", "open", "M7 12h10"},
}};

const verdict& verdict_of(const claim& said) { return verdicts.at(static_cast<std::size_t>(said.found)); }

std::string stamp(const verdict& given) {
    return fmt::format(
        R"(<svg class="stamp {}" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">)"
        R"(<rect x="1" y="1" width="22" height="22" rx="4"/><path d="{}"/></svg>)",
        given.css, given.icon);
}

std::string table_html(const table& shown) {
    constexpr std::size_t few = 12;  // rows that do not push what follows out of sight
    const bool is_long = shown.rows.size() > few;
    std::string made;
    if (is_long) {
        made += fmt::format(R"(<details class="values"><summary>{} ({} rows)</summary>)",
                            escaped(shown.caption), shown.rows.size());
    }
    made += fmt::format(
        R"(<div class="scroll" tabindex="0" role="region" aria-label="{0}"><table class="figures"><caption>{0}</caption><thead><tr>)",
        escaped(shown.caption));
    for (const auto& each : shown.columns) {
        made += each.empty() ? "<td></td>" : fmt::format(R"(<th scope="col">{}</th>)", escaped(each));
    }
    made += "</tr></thead><tbody>";
    for (const auto& row : shown.rows) {
        made += row.valid ? "<tr>" : R"(<tr class="hatched">)";
        for (std::size_t at = 0; at < row.cells.size(); ++at) {
            if (at == 0) {
                made += fmt::format(R"(<th scope="row">{}{}</th>)", escaped(row.cells[at]),
                                    row.valid ? "" : R"( <span class="invalid-word">not valid</span>)");
            } else {
                made += fmt::format("<td>{}</td>", escaped(row.cells[at]));
            }
        }
        made += "</tr>";
    }
    made += "</tbody></table></div>";
    return made + (is_long ? "</details>\n" : "\n");
}

// "2 hold" for "holds": the words of a tally.
std::string counted(std::size_t count, const verdict& given) {
    const std::string_view word = given.word;
    if (count == 1 || word == "not measured") return fmt::format("<b>{}</b> {}", count, word);
    if (word == "holds") return fmt::format("<b>{}</b> hold", count);
    if (word == "depends") return fmt::format("<b>{}</b> depend", count);
    return fmt::format("<b>{}</b> do not hold", count);
}

std::string tally(std::span<const claim> claims) {
    std::array<std::size_t, verdicts.size()> counts{};
    for (const auto& each : claims)
        ++counts.at(static_cast<std::size_t>(each.found));
    std::string made = R"(<ul class="tally" aria-label="The claims, counted">)";
    for (std::size_t at = 0; at < verdicts.size(); ++at) {
        if (counts.at(at) == 0) continue;
        made += fmt::format("<li>{}<span>{}</span></li>", stamp(verdicts.at(at)),
                            counted(counts.at(at), verdicts.at(at)));
    }
    return made + "</ul>\n";
}

}  // namespace

std::string list_html(std::span<const std::string> lines, const char* css) {
    if (lines.empty()) return {};
    std::string made = fmt::format(R"(<ul class="{}">)", css);
    for (const auto& each : lines)
        made += fmt::format("<li>{}</li>", escaped(each));
    return made + "</ul>\n";
}

std::string claims_table(std::span<const claim> claims) {
    if (claims.empty()) return {};
    std::string made =
        R"(<section class="leg claims" id="claims" aria-labelledby="claims-h"><h2 id="claims-h">What is said, and what was seen</h2>)";
    made += tally(claims);
    // The roles are those of the elements: the phone's layout would take them away.
    made +=
        R"(<table role="table"><caption class="vh">Each claim with the figure claimed, the figure measured here and the verdict</caption>)"
        R"(<thead role="rowgroup"><tr role="row"><th role="columnheader" scope="col">Verdict</th><th role="columnheader" scope="col">What is said</th>)"
        R"(<th role="columnheader" scope="col">Claimed</th><th role="columnheader" scope="col">Measured here</th></tr></thead><tbody role="rowgroup">)";
    made += '\n';
    for (const auto& each : claims) {
        const verdict& given = verdict_of(each);
        made += fmt::format(
            R"(<tr role="row" class="{}"><td role="cell" class="verdict"><span>{}{}</span></td><th role="rowheader" scope="row">{}{}</th>)"
            R"(<td role="cell" class="said" data-name="Claimed">{}</td><td role="cell" class="seen" data-name="Measured here">{}</td></tr>)",
            given.css, stamp(given), given.word, escaped(each.sentence),
            each.why.empty() ? "" : fmt::format(R"( <span class="because">{}</span>)", escaped(each.why)),
            escaped(each.claimed), escaped(each.measured));
        made += '\n';
    }
    return made + "</tbody></table></section>\n";
}

std::string section_html(const section& shown) {
    const std::string id = id_text(shown.id);
    std::string made = fmt::format(
        R"(<section class="leg" id="{}" aria-labelledby="{}-h"><div class="opening"><h2 id="{}-h">{}</h2><div>)",
        id, id, id, escaped(shown.title));
    if (!shown.question.empty())
        made += fmt::format(R"(<p class="question">{}</p>)", escaped(shown.question));
    made += list_html(shown.findings, "findings") + "</div></div>\n";
    // Neighbouring bar charts stand beside each other.
    bool in_group = false;
    for (const auto& each : shown.charts) {
        const bool is_bars = each.drawn_as == chart::form::bars;
        if (is_bars != in_group) made += is_bars ? "<div class=\"pair\">\n" : "</div>\n";
        in_group = is_bars;
        made += chart_figure(each);
    }
    if (in_group) made += "</div>\n";
    for (const auto& each : shown.tables)
        made += table_html(each);
    if (!shown.notes.empty()) {
        made +=
            "<div class=\"how\"><h3>How it was measured</h3>" + list_html(shown.notes, "notes") + "</div>";
    }
    return made + "</section>\n";
}

std::string closing(const page& shown) {
    std::string made;
    if (!shown.caveats.empty()) {
        made +=
            R"(<section class="leg" id="caveats" aria-labelledby="caveats-h"><div class="opening"><h2 id="caveats-h">What this does not show</h2><div>)" +
            list_html(shown.caveats, "caveats") + "</div></div></section>\n";
    }
    if (shown.machine.empty() && shown.command.empty()) return made;
    made +=
        R"(<section class="leg" id="machine" aria-labelledby="machine-h"><div class="opening"><h2 id="machine-h">The machine, and how to repeat this</h2><div>)";
    if (!shown.machine.empty()) {
        made += R"(<dl class="facts">)";
        for (const auto& each : shown.machine) {
            made += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", escaped(each.name), escaped(each.value));
        }
        made += "</dl>";
    }
    if (!shown.command.empty()) {
        made += fmt::format(
            R"(<h3>The exact command</h3><pre tabindex="0" aria-label="The exact command"><code>{}</code></pre>)",
            escaped(shown.command));
    }
    return made + "</div></div></section>\n";
}

}  // namespace naru::lab
