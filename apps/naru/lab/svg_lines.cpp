#include <lab/svg_lines.hpp>

#include <lab/page_text.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace naru::lab {

namespace {

// Beyond this part of the width a line ends at the right-hand side, where its name has a column of its own.
constexpr double right_hand_side = .94;
constexpr double inner = 7;  ///< between the axes and what is drawn

}  // namespace

line_drawing::line_drawing(const chart& shown, picture size)
    : shown_(shown),
      id_(id_text(shown.id) + (size == picture::wide ? "-w" : "-n")),
      is_wide_(size == picture::wide),
      font_(is_wide_ ? 13 : 12),
      name_font_(is_wide_ ? 13 : 11),
      width_(is_wide_ ? 900 : 344),
      height_(is_wide_ ? 480 : 390),
      field_({}) {
    measure();
}

drawing line_drawing::draw() {
    open();
    grid();
    places();
    in_groups(&line_drawing::band);
    in_groups(&line_drawing::line);
    in_groups(&line_drawing::marks);
    in_groups(&line_drawing::cross);
    add("</g>");
    vertical_markers();
    names_at_the_right();
    names_inside();
    return {text_ + "</svg>", width_, height_};
}

// What belongs to one line is in groups that name it, so that a script can hide and mark it.
void line_drawing::in_groups(void (line_drawing::*part)(const drawn_line&)) {
    for (const auto& each : lines_)
        in_group(each, [&] { (this->*part)(each); });
}

// Where values can be read: drawn, but seen only when a script asks for it.
void line_drawing::places() {
    std::map<double, std::string> at;
    for (const auto& each : lines_) {
        for (const point* there : each.points)
            at.emplace(there->x, fmt::format("{:.1f}", x_of(there->x)));
    }
    for (const auto& [x, place] : at) {
        add(R"(<path class="place" data-x="{}" data-at="{}" data-text="{}" d="M{} {:.1f}V{:.1f}"/>)",
            json_number(x), place, escaped(place_text(shown_.x_label, x)), place, top_, bottom_);
    }
}

void line_drawing::measure() {
    std::vector<double> xs;
    std::vector<double> ys;
    for (const auto& each : shown_.all) {
        drawn_line made{
            each, look_of(each.model), static_cast<std::size_t>(&each - shown_.all.data()), {}, false};
        for (const point& at : each.points) {
            if (!is_drawable(at.x, shown_.x_logarithmic) || !is_drawable(at.y, shown_.y_logarithmic))
                continue;
            made.points.push_back(&at);
            xs.push_back(at.x);
            ys.push_back(at.y);
            if (at.valid) {
                ys.push_back(at.low);
                ys.push_back(at.high);
            }
        }
        if (!made.points.empty()) lines_.push_back(std::move(made));
    }
    for (const marker& each : shown_.markers) {
        if (!lines_.empty() && is_drawable(each.x, shown_.x_logarithmic)) xs.push_back(each.x);
    }
    x_ = scale::fit(xs, shown_.x_logarithmic, scale::spread::exact);
    y_ = scale::fit(ys, shown_.y_logarithmic, scale::spread::from_zero);
    for (auto& each : lines_)
        each.ends_at_right = x_.place(each.points.back()->x) >= right_hand_side;
    margins();
}

void line_drawing::margins() {
    double ticks = 0;
    for (const double at : y_.ticks(y_ticks()))
        ticks = std::max(ticks, text_width(tick_text(at), font_));
    left_ = ticks + 10;
    double names = 10;
    const double most = is_wide_ ? 190 : 108;
    for (auto& each : lines_) {
        each.name = each.from.label;
        if (text_width(each.name, name_font_) > most) each.name = each.from.model;
        if (text_width(each.name, name_font_) > most)
            each.name = shortened(each.name, static_cast<std::size_t>(most / name_font_ / .6));
        if (!each.ends_at_right) continue;
        names = std::max(names, text_width(each.name, name_font_) + 22);
        if (is_wide_ && !each.from.ends.empty()) each.why = wrapped(each.from.ends, 22, 3);
        for (const auto& text : each.why)
            names = std::max(names, text_width(text, font_ * .86) + 22);
    }
    right_ = width_ - std::min(names, most + 24);
    heading_ = wrapped(shown_.y_label, static_cast<std::size_t>(width_ / font_ / .62), 2);
    double rows = 0;
    for (const auto& each : shown_.markers)
        rows += static_cast<double>(marker_lines(each).size()) + .3;
    top_ = 14 + font_ * 1.35 * (static_cast<double>(heading_.size()) + 1 + rows);
    bottom_ = height_ - font_ * 3.3;
    field_ = label_field({left_, top_ - 4, right_ - left_ + 4, bottom_ - top_ + 2});
}

unsigned line_drawing::y_ticks() const { return is_wide_ ? 7 : 6; }

std::vector<std::string> line_drawing::marker_lines(const marker& each) const {
    if (!is_drawable(each.x, shown_.x_logarithmic)) return {};
    const double room = std::max(width_ - x_of(each.x), x_of(each.x)) - 10;
    return wrapped(each.text, static_cast<std::size_t>(room / font_ / .62), 3);
}

double line_drawing::x_of(double value) const {
    return left_ + inner + std::clamp(x_.place(value), -.1, 1.1) * (right_ - left_ - 2 * inner);
}

double line_drawing::y_of(double value) const {
    return bottom_ - std::clamp(y_.place(value), -.1, 1.1) * (bottom_ - top_);
}

// The place of an interval's end; one that cannot be drawn is at the point itself, and one that a logarithmic
// axis never reaches at its foot.
double line_drawing::y_of_interval(double value, double otherwise) const {
    if (is_drawable(value, shown_.y_logarithmic)) return std::clamp(y_of(value), top_, bottom_);
    return shown_.y_logarithmic && value <= 0 ? bottom_ : otherwise;
}

void line_drawing::open() {
    add(R"(<svg class="chart lines" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-labelledby="{}-t" )"
        R"(aria-describedby="{}-d" font-size="{}"><title id="{}-t">{}</title><desc id="{}-d">{}</desc>)",
        width_, height_, id_, id_, font_, id_, escaped(shown_.title), id_, escaped(shown_.summary));
    add(R"(<defs><pattern id="{}-h" width="3.4" height="3.4" patternUnits="userSpaceOnUse" patternTransform='rotate(45)'>)"
        R"(<path class="hatch" d="M0 0V3.4"/></pattern><clipPath id="{}-c"><rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/></clipPath></defs>)",
        id_, id_, left_ - 4, top_ - 6, right_ - left_ + 10, bottom_ - top_ + 12);
}

void line_drawing::grid() {
    const double line = font_ * 1.35;
    double y = font_ + 2;
    for (const auto& each : heading_) {
        add(R"(<text class="axis-name" x="0" y="{:.1f}">{}</text>)", y, escaped(each));
        y += line;
    }
    add(R"(<text class="soft" x="0" y="{:.1f}">{}{}</text>)", y,
        shown_.less_is_better ? "\u2193 less is better" : "\u2191 more is better",
        shown_.y_logarithmic ? " \u00b7 logarithmic" : "");
    for (const double at : y_.ticks(y_ticks())) {
        add(R"(<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/><text class="tick" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>)",
            left_, y_of(at), right_, left_ - 8, y_of(at) + font_ * .35, escaped(tick_text(at)));
    }
    const bool is_size = x_.is_binary() && (shown_.x_label.find("byte") != std::string::npos ||
                                            shown_.x_label.find("KiB") != std::string::npos);
    for (const double at :
         x_.ticks(static_cast<unsigned>((right_ - left_) / (font_ * (is_size ? 4.6 : 3.4))))) {
        add(R"(<path class="tick-mark" d="M{0:.1f} {1:.1f}v5"/><text class="tick" x="{0:.1f}" y="{2:.1f}" text-anchor="middle">{3}</text>)",
            x_of(at), bottom_, bottom_ + 6 + font_, escaped(is_size ? size_text(at) : tick_text(at)));
    }
    add(R"(<path class="base" d="M{:.1f} {:.1f}H{:.1f}"/>)", left_, bottom_, right_);
    add(R"(<text class="axis-name" x="{:.1f}" y="{:.1f}">{}<tspan class="soft">{}</tspan></text>)", left_,
        height_ - 5, escaped(shortened(shown_.x_label, static_cast<std::size_t>(width_ / font_ / .62))),
        shown_.x_logarithmic && is_wide_ ? " \u00b7 logarithmic" : "");
    add(R"(<g clip-path='url(#{}-c)'>)", id_);
}

void line_drawing::band(const drawn_line& each) {
    std::string upper;
    std::string lower;
    const auto end = [&] {
        if (!upper.empty())
            add(R"(<path class="band {}" d="M{}{}Z"/>)", each.look.css, upper.substr(1), lower);
        upper.clear();
        lower.clear();
    };
    for (const point* at : each.points) {
        if (!at->valid) {
            end();
            continue;
        }
        const double y = y_of(at->y);
        upper += fmt::format("L{:.1f} {:.1f}", x_of(at->x), y_of_interval(at->high, y));
        lower.insert(0, fmt::format("L{:.1f} {:.1f}", x_of(at->x), y_of_interval(at->low, y)));
    }
    end();
}

void line_drawing::line(const drawn_line& each) {
    std::string sound;
    std::string doubtful;
    for (std::size_t at = 1; at < each.points.size(); ++at) {
        const point& from = *each.points[at - 1];
        const point& to = *each.points[at];
        field_.avoid_line(x_of(from.x), y_of(from.y), x_of(to.x), y_of(to.y));
        const bool goes_on = at > 1 && from.valid && to.valid && each.points[at - 2]->valid;
        std::string& into = from.valid && to.valid ? sound : doubtful;
        if (!goes_on) into += fmt::format("M{:.1f} {:.1f}", x_of(from.x), y_of(from.y));
        into += fmt::format("L{:.1f} {:.1f}", x_of(to.x), y_of(to.y));
    }
    if (!sound.empty()) {
        add(R"(<path class="line {}" d="{}" stroke-dasharray="{}"/>)", each.look.css, sound,
            each.look.dash.empty() ? "none" : each.look.dash);
    }
    if (!doubtful.empty()) add(R"(<path class="line doubtful {}" d="{}"/>)", each.look.css, doubtful);
}

void line_drawing::marks(const drawn_line& each) {
    for (const point* at : each.points) {
        const double x = x_of(at->x);
        const double y = y_of(at->y);
        const double high = y_of_interval(at->high, y);
        const double low = y_of_interval(at->low, y);
        field_.avoid_line(x, y, x, y);
        if (at->valid && low - high > 3) {
            add(R"(<path class="whisker {}" d="M{:.1f} {:.1f}V{:.1f}"/>)", each.look.css, x, high, low);
        }
        if (!at->valid) {
            add(R"(<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="6" fill='url(#{}-h)'/>)", each.look.css, x,
                y, id_);
        }
        add(R"(<path class="mark{} {}" d="{}" transform='translate({:.1f} {:.1f}){}'/>)",
            at->valid ? "" : " hollow", each.look.css, each.look.marker, x, y, is_wide_ ? "" : " scale(.8)");
    }
}

// Above everything else, or the lines that go on would hide it.
void line_drawing::cross(const drawn_line& each) {
    if (each.from.ends.empty()) return;
    const point& last = *each.points.back();
    add(R"(<path class="cross {}" d="M{:.1f} {:.1f}m-7-7l14 14m0-14l-14 14"/>)", each.look.css, x_of(last.x),
        y_of(last.y));
}

void line_drawing::vertical_markers() {
    const double line = font_ * 1.35;
    double y = font_ + 2 + line * static_cast<double>(heading_.size() + 1) + 6;
    for (const auto& each : shown_.markers) {
        if (!is_drawable(each.x, shown_.x_logarithmic)) continue;
        const double x = x_of(each.x);
        const auto lines = marker_lines(each);
        double widest = 0;
        for (const auto& text : lines)
            widest = std::max(widest, text_width(text, font_));
        // The text stands on the side where there is room for it.
        const bool at_left = x + widest + 8 > width_;
        const double text_x = at_left ? std::max(x - 7, std::min(widest, width_ - 2)) : x + 7;
        add(R"(<path class="marker" d="M{:.1f} {:.1f}V{:.1f}"/>)", x, y - font_, bottom_);
        field_.avoid_line(x, top_, x, bottom_);
        for (const auto& text : lines) {
            add(R"(<text class="marker-text" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>)", text_x, y,
                at_left ? "end" : "start", escaped(text));
            y += line;
        }
        y += line * .3;
    }
}

void line_drawing::names_at_the_right() {
    std::vector<const drawn_line*> named;
    std::vector<stacked_label> labels;
    const double line = font_ * 1.2;
    for (const auto& each : lines_) {
        if (!each.ends_at_right) continue;
        named.push_back(&each);
        labels.push_back(
            {y_of(each.points.back()->y), line * (1 + .88 * static_cast<double>(each.why.size())), 0});
    }
    spread_out(labels, top_ - font_, bottom_ + font_ * .5);
    for (std::size_t at = 0; at < named.size(); ++at) {
        const drawn_line& each = *named[at];
        const double from_x = x_of(each.points.back()->x) + 6;
        const double first = labels[at].middle - labels[at].height / 2 + line / 2;
        in_group(each, [&] {
            if (std::fabs(first - labels[at].wanted) > 2.5) {
                add(R"(<path class="leader {}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}H{:.1f}"/>)", each.look.css,
                    from_x, labels[at].wanted, right_ + 9, first, right_ + 12);
            }
            add(R"(<text class="name {}" x="{:.1f}" y="{:.1f}" font-size="{}">{}</text>)", each.look.css,
                right_ + 15, first + font_ * .35, name_font_, escaped(each.name));
            reason(each, right_ + 15, first + font_ * .35 + line, "start");
        });
    }
}

void line_drawing::reason(const drawn_line& each, double x, double y, std::string_view anchor) {
    for (const auto& text : each.why) {
        add(R"(<text class="why" x="{:.1f}" y="{:.1f}" font-size="{:.1f}" text-anchor="{}">{}</text>)", x, y,
            font_ * .86, anchor, escaped(text));
        y += font_ * 1.2 * .88;
    }
}

void line_drawing::names_inside() {
    const double line = font_ * 1.2;
    for (auto& each : lines_) {
        if (each.ends_at_right) continue;
        if (is_wide_) each.why = wrapped(each.from.ends, 30, 3);
        double wide = text_width(each.name, name_font_);
        for (const auto& text : each.why)
            wide = std::max(wide, text_width(text, font_ * .86));
        const double high = line * (1 + .88 * static_cast<double>(each.why.size()));
        const double x = x_of(each.points.back()->x);
        const double y = y_of(each.points.back()->y);
        const box at = field_.place(x, y, wide, high);
        const bool is_left = at.x + at.width < x;
        const double text_x = is_left ? at.x + at.width : at.x;
        const std::string_view anchor = is_left ? "end" : "start";
        in_group(each, [&] {
            lead(each, x, y, at);
            add(R"(<text class="name {}" x="{:.1f}" y="{:.1f}" font-size="{}" text-anchor="{}">{}</text>)",
                each.look.css, text_x, at.y + font_ * .95, name_font_, anchor, escaped(each.name));
            reason(each, text_x, at.y + font_ * .95 + line * .92, anchor);
        });
    }
}

// A label that had to go further off is joined to its line's end.
void line_drawing::lead(const drawn_line& each, double x, double y, const box& label) {
    const double to_x = std::clamp(x, label.x, label.x + label.width);
    const double to_y = std::clamp(y, label.y - 1, label.y + label.height + 1);
    const double distance = std::hypot(to_x - x, to_y - y);
    if (distance < 18) return;
    const double start = 9 / distance;  // not through the cross
    add(R"(<path class="leader {}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>)", each.look.css,
        x + (to_x - x) * start, y + (to_y - y) * start, to_x, to_y);
}

drawing svg_lines(const chart& shown, picture size) { return line_drawing(shown, size).draw(); }

}  // namespace naru::lab
