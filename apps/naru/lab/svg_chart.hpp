// Charts as SVG that needs no script: colours come from a style sheet (chart.css), everything else is in the
// drawing. In the page each chart is drawn twice, for a wide column and for a phone; the style sheet shows
// one of them.
#pragma once

#include <lab/page.hpp>

#include <string>

namespace naru::lab {

enum class picture : unsigned char { wide, narrow };

struct drawing {
    std::string svg;  ///< one element, its size in its viewBox
    double width;
    double height;
};

/// Whatever the points are, the result is well-formed XML; values that cannot be drawn (not finite, or not
/// above zero on a logarithmic axis) are left out.
drawing svg_lines(const chart& shown, picture size);
drawing svg_bars(const chart& shown, picture size);

/// By `drawn_as`.
drawing svg_chart(const chart& shown, picture size);

/// The wide drawing as a file of its own, with its colours (light and dark) and a ground to stand on.
std::string svg_file(const chart& shown);

}  // namespace naru::lab
