// One line chart while it is being drawn.
#pragma once

#include <lab/model_look.hpp>
#include <lab/page.hpp>
#include <lab/svg_chart.hpp>
#include <lab/svg_label.hpp>
#include <lab/svg_scale.hpp>

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace naru::lab {

class line_drawing {
 public:
    line_drawing(const chart& shown, picture size);
    drawing draw();

 private:
    struct drawn_line {
        const series& from;
        model_look look;
        std::size_t index;                 ///< in the chart
        std::vector<const point*> points;  ///< those that can be drawn
        bool ends_at_right = false;
        std::string name{};
        std::vector<std::string> why{};  ///< it ends here
    };

    template <typename... Values>
    void add(fmt::format_string<Values...> format, Values&&... values) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    }

    void measure();
    void margins();
    unsigned y_ticks() const;
    std::vector<std::string> marker_lines(const marker& each) const;
    double x_of(double value) const;
    double y_of(double value) const;
    double y_of_interval(double value, double otherwise) const;

    void open();
    void grid();
    void places();
    void in_groups(void (line_drawing::*part)(const drawn_line&));
    template <typename Draw>
    void in_group(const drawn_line& each, Draw draw) {
        const std::size_t before = text_.size();
        add(R"(<g data-series="{}">)", each.index);
        const std::size_t empty = text_.size();
        draw();
        text_.size() == empty ? text_.resize(before) : void(text_ += "</g>");
    }
    void band(const drawn_line& each);
    void line(const drawn_line& each);
    void marks(const drawn_line& each);
    void cross(const drawn_line& each);
    void vertical_markers();
    void names_at_the_right();
    void names_inside();
    void lead(const drawn_line& each, double x, double y, const box& label);
    void reason(const drawn_line& each, double x, double y, std::string_view anchor);

    const chart& shown_;
    std::string id_;
    bool is_wide_;
    double font_;
    double name_font_;
    double width_;
    double height_;
    double left_ = 0;
    double right_ = 0;
    double top_ = 0;
    double bottom_ = 0;
    scale x_;
    scale y_;
    std::vector<drawn_line> lines_;
    std::vector<std::string> heading_;  ///< the y axis's name
    label_field field_;
    std::string text_;
};

}  // namespace naru::lab
