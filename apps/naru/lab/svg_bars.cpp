#include <lab/model_look.hpp>
#include <lab/page_text.hpp>
#include <lab/svg_chart.hpp>
#include <lab/svg_scale.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace naru::lab {

namespace {

constexpr double row_height = 27;
constexpr double bar_height = 16;

class bar_drawing {
 public:
    bar_drawing(const chart& shown, picture size)
        : shown_(shown),
          id_(id_text(shown.id) + (size == picture::wide ? "-w" : "-n")),
          font_(size == picture::wide ? 13 : 12.5),
          width_(size == picture::wide ? 480 : 336) {
        measure();
    }

    drawing draw() {
        header();
        grid();
        double y = top_ + row_height / 2;
        for (const auto& each : shown_.all) {
            bar(each, y);
            y += row_height;
        }
        return {text_ + "</svg>", width_, height()};
    }

 private:
    template <typename... Values>
    void add(fmt::format_string<Values...> format, Values&&... values) {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    }

    const point* point_of(const series& each) const {
        if (each.points.empty() || !is_drawable(each.points[0].y, shown_.y_logarithmic)) return nullptr;
        return &each.points[0];
    }

    std::string value_text(const point& at) const {
        return number_text(at.y) + (at.valid ? "" : " \u00b7 not valid");
    }

    void measure() {
        std::vector<double> values;
        double names = 40;
        for (const auto& each : shown_.all) {
            names = std::max(names, text_width(each.label, font_) + 12);
            const point* at = point_of(each);
            if (at == nullptr) continue;
            values.push_back(at->y);
            if (at->valid && is_drawable(at->high, false)) values.push_back(at->high);
        }
        left_ = std::min(names, width_ * .42);
        scale_ = scale::fit(values, shown_.y_logarithmic, scale::spread::from_zero);
        // The longest bar's value has to fit behind it.
        double behind = 12;
        for (const auto& each : shown_.all) {
            if (const point* at = point_of(each)) {
                const double end = std::max(scale_.place(at->y), scale_.place(std::max(at->high, at->y)));
                if (end > .55) behind = std::max(behind, text_width(value_text(*at), font_) + 12);
            }
        }
        right_ = width_ - std::min(behind, width_ * .3);
        label_lines_ = wrapped(shown_.y_label, static_cast<std::size_t>(width_ / (font_ * .62)), 3);
        top_ = 8 + static_cast<double>(label_lines_.size() + 1) * font_ * 1.35;
        bottom_ = top_ + row_height * static_cast<double>(shown_.all.size());
    }

    double height() const { return bottom_ + font_ * 2; }

    double x_of(double value) const {
        return left_ + std::clamp(scale_.place(value), 0.0, 1.0) * (right_ - left_);
    }

    void header() {
        add(R"(<svg class="chart bars" viewBox="0 0 {:.0f} {:.0f}" role="group" aria-roledescription="bar chart" )"
            R"(aria-labelledby="{}-t" aria-describedby="{}-d" font-size="{}"><title id="{}-t">{}</title><desc id="{}-d">{}</desc>)",
            width_, height(), id_, id_, font_, id_, escaped(shown_.title), id_, escaped(shown_.summary));
        add(R"(<defs><pattern id="{}-h" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform='rotate(45)'>)"
            R"(<path class="hatch" d="M0 0V6"/></pattern></defs>)",
            id_);
        double y = font_ + 2;
        add(R"(<g aria-hidden="true">)");
        for (const auto& line : label_lines_) {
            add(R"(<text class="axis-name" x="0" y="{:.1f}">{}</text>)", y, escaped(line));
            y += font_ * 1.35;
        }
        add(R"(<text class="soft" x="0" y="{:.1f}">{}{}</text></g>)", y,
            shown_.less_is_better ? "\u2190 less is better" : "more is better \u2192",
            shown_.y_logarithmic ? " \u00b7 logarithmic" : "");
    }

    void grid() {
        add(R"(<g aria-hidden="true">)");
        for (const double at : scale_.ticks(static_cast<unsigned>((right_ - left_) / (font_ * 3.4)))) {
            const double x = x_of(at);
            add(R"(<path class="grid" d="M{0:.1f} {1:.1f}V{2:.1f}"/><text class="tick" x="{0:.1f}" y="{3:.1f}" text-anchor="middle">{4}</text>)",
                x, top_, bottom_, bottom_ + font_ * 1.4, escaped(tick_text(at)));
        }
        const double zero = shown_.y_logarithmic ? left_ : x_of(0);
        add(R"(<path class="base" d="M{:.1f} {:.1f}V{:.1f}"/></g>)", zero, top_, bottom_);
    }

    std::string spoken(const series& each, const point& at) const {
        std::string words = fmt::format("{}: {} {}", each.label, number_text(at.y), shown_.y_label);
        if (at.rounds > 1 && at.low < at.high) {
            words += fmt::format(", between {} and {} in {} rounds", number_text(at.low),
                                 number_text(at.high), at.rounds);
        }
        if (!at.valid) words += ", not valid";
        if (!at.note.empty()) words += ": " + at.note;
        return words;
    }

    void bar(const series& each, double y) {
        const double base = y + font_ * .35;
        const std::string name = text_width(each.label, font_) + 10 > left_
                                     ? shortened(each.label, static_cast<std::size_t>(left_ / (font_ * .62)))
                                     : each.label;
        const point* at = point_of(each);
        if (at == nullptr) {
            const std::string why = each.ends.empty() ? "not measured" : each.ends;
            const auto room = static_cast<std::size_t>((width_ - left_) / (font_ * .6));
            const std::string fits = shortened(why, room);
            add(R"(<g class="bar {}" role="img" tabindex="0" aria-label="{}"><title>{}</title>)",
                look_of(each.model).css, escaped(each.label + ": " + why), escaped(each.label + ": " + why));
            add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text><path class="cross" d="M{:.1f} {:.1f}m-4-4l8 8m0-8l-8 8"/>)",
                left_ - 8, base, escaped(name), left_ + 8, y);
            add(R"(<text class="soft" x="{:.1f}" y="{:.1f}">{}</text></g>)", left_ + 18, base, escaped(fits));
            return;
        }
        const model_look look = look_of(each.model);
        const std::string words = escaped(spoken(each, *at));
        add(R"(<g class="bar {}{}" role="img" tabindex="0" aria-label="{}"><title>{}</title>)", look.css,
            at->valid ? "" : " invalid", words, words);
        add(R"(<rect class="hit" x="0" y="{:.1f}" width="{:.0f}" height="{:.1f}"/>)", y - row_height / 2,
            width_, row_height);
        add(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)", left_ - 8, base, escaped(name));
        shape(*at, look, y);
        const double end = whisker(*at, y);
        add(R"(<text class="value" x="{:.1f}" y="{:.1f}">{}</text></g>)", end + 7, base,
            escaped(value_text(*at)));
    }

    // On a logarithmic axis the length of a bar means nothing: a dot at the end of a thin line.
    void shape(const point& at, const model_look& look, double y) {
        const double x = x_of(at.y);
        if (shown_.y_logarithmic) {
            add(R"(<path class="stem" d="M{:.1f} {:.1f}H{:.1f}"/><path class="mark{}" d="{}" transform='translate({:.1f} {:.1f}) scale(1.3)'/>)",
                left_, y, x, at.valid ? "" : " hollow", look.marker, x, y);
            return;
        }
        const double zero = x_of(0);
        const double from = std::min(x, zero);
        const double wide = std::max(std::fabs(x - zero), .6);
        add(R"(<rect class="fill" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)", from,
            y - bar_height / 2, wide, bar_height);
        if (at.valid) return;
        add(R"(<rect fill='url(#{}-h)' x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>)", id_, from,
            y - bar_height / 2, wide, bar_height);
    }

    // Returns where text may begin behind the bar.
    double whisker(const point& at, double y) {
        const double end = std::max(x_of(at.y), x_of(0));
        if (!is_drawable(at.low, false) || !is_drawable(at.high, false) || at.low >= at.high) return end;
        const double from = x_of(at.low);
        const double to = x_of(at.high);
        add(R"(<path class="whisker" d="M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v6M{1:.1f} {3:.1f}v6"/>)",
            from, to, y, y - 3);
        return std::max(to, end);
    }

    const chart& shown_;
    std::string id_;
    double font_;
    double width_;
    double left_ = 0;
    double right_ = 0;
    double top_ = 0;
    double bottom_ = 0;
    scale scale_;
    std::vector<std::string> label_lines_;
    std::string text_;
};

}  // namespace

drawing svg_bars(const chart& shown, picture size) { return bar_drawing(shown, size).draw(); }

}  // namespace naru::lab
