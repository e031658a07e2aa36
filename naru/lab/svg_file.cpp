#include <naru/lab/assets.hpp>
#include <naru/lab/svg_chart.hpp>

#include <cstdio>

#include <fmt/format.h>

namespace naru::lab {

namespace {

constexpr int margin = 18;

}  // namespace

std::string svg_chart(const chart& shown, picture size) {
    return shown.drawn_as == chart::form::lines ? svg_lines(shown, size) : svg_bars(shown, size);
}

std::string svg_file(const chart& shown) {
    std::string drawn = svg_chart(shown, picture::wide);
    int width = 0;
    int height = 0;
    const std::size_t box = drawn.find("viewBox=");
    if (box == std::string::npos ||
        std::sscanf(drawn.c_str() + box, "viewBox=\"0 0 %d %d\"", &width, &height) != 2)
        return {};
    drawn.insert(box, fmt::format(R"(x="{}" y="{}" width="{}" height="{}" )", margin, margin, width, height));
    return fmt::format(
        R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}">)"
        "<style>{2}.ground {{ fill: var(--paper); }}</style>"
        R"(<rect class="ground" width="{0}" height="{1}"/>{3}</svg>)"
        "\n",
        width + 2 * margin, height + 2 * margin, find_asset("chart.css").text, drawn);
}

}  // namespace naru::lab
