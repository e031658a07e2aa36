#include <lab/svg_chart.hpp>

namespace naru::lab {

drawing svg_chart(const chart& shown, picture size) {
    return shown.drawn_as == chart::form::bars ? svg_bars(shown, size) : svg_lines(shown, size);
}

}  // namespace naru::lab
