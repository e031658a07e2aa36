#include <lab/assets.hpp>
#include <lab/svg_chart.hpp>

#include <fmt/format.h>

namespace naru::lab {

namespace {

constexpr double margin = 18;

}  // namespace

std::string svg_file(const chart& shown) {
    const drawing inner = svg_chart(shown, picture::wide);
    return fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}">)"
        "<style>{2}.ground {{ fill: var(--paper); }}</style>"
        R"(<rect class="ground" width="{0:.0f}" height="{1:.0f}"/>)"
        R"(<svg x="{3}" y="{3}" width="{4:.0f}" height="{5:.0f}">{6}</svg></svg>)"
        "\n",
        inner.width + 2 * margin, inner.height + 2 * margin, find_asset("chart.css").text, margin,
        inner.width, inner.height, inner.svg);
}

}  // namespace naru::lab
