#include <lab/model_look.hpp>

#include <fmt/format.h>

namespace naru::lab {

namespace {

constexpr std::string_view circle = "M4 0A4 4 0 1 1-4 0A4 4 0 1 1 4 0Z";
constexpr std::string_view square = "M-3.6-3.6H3.6V3.6H-3.6Z";
constexpr std::string_view triangle_up = "M0-4.8L4.6 3.4H-4.6Z";
constexpr std::string_view triangle_down = "M0 4.8L4.6-3.4H-4.6Z";
constexpr std::string_view diamond = "M0-5L4.4 0L0 5L-4.4 0Z";
constexpr std::string_view pentagon = "M0-4.7L4.5-1.4L2.8 3.8H-2.8L-4.5-1.4Z";
constexpr std::string_view hexagon = "M-4.6 0L-2.3-4H2.3L4.6 0L2.3 4H-2.3Z";
constexpr std::string_view plus = "M-1.7-4.6H1.7V-1.7H4.6V1.7H1.7V4.6H-1.7V1.7H-4.6V-1.7H-1.7Z";
constexpr std::string_view star =
    "M0-5.6L1.5-1.9L5.3-1.7L2.4 .8L3.4 4.6L0 2.5L-3.4 4.6L-2.4 .8L-5.3-1.7L-1.5-1.9Z";
constexpr std::string_view bar = "M-5-1.8H5V1.8H-5Z";

struct known_model {
    std::string_view name;
    model_look look;
};

constexpr known_model known[] = {
    {"threads", {"m-threads", "11 3 2 3", triangle_down}},
    {"select", {"m-select", "", square}},
    {"poll", {"m-poll", "9 3", triangle_up}},
    {"epoll-level", {"m-epoll-level", "7 3", diamond}},
    {"epoll", {"m-epoll", "", circle}},
    {"epoll-oneshot", {"m-epoll-oneshot", "2 3", pentagon}},
    {"io_uring-single", {"m-uring-single", "7 3", plus}},
    {"io_uring", {"m-uring", "", star}},
    {"io_uring-sqpoll", {"m-uring-sqpoll", "9 3 2 3", hexagon}},
};

}  // namespace

model_look look_of(std::string_view model) {
    for (const auto& each : known) {
        if (each.name == model) return each.look;
    }
    if (model.starts_with("nginx")) return {"m-nginx", "4 2", triangle_up};
    if (model.starts_with("apache")) {
        if (model.find("event") != std::string_view::npos) return {"m-apache", "4 2", diamond};
        return {"m-apache", "1.5 2.5", square};
    }
    if (model.starts_with("h2o")) return {"m-h2o", "4 2", circle};
    constexpr std::string_view markers[] = {bar, pentagon, hexagon, plus, triangle_down};
    std::size_t sum = 0;
    for (const char byte : model)
        sum += static_cast<unsigned char>(byte);
    return {"m-other", "3 3", markers[sum % std::size(markers)]};
}

std::string swatch(std::string_view model) {
    const model_look look = look_of(model);
    return fmt::format(
        R"(<svg class="swatch {}" viewBox="0 0 30 14" width="30" height="14" aria-hidden="true" focusable="false">)"
        R"(<path class="line" d="M1 7H29" stroke-dasharray="{}"/><path class="mark" d="{}" transform='translate(15 7)'/></svg>)",
        look.css, look.dash.empty() ? "none" : look.dash, look.marker);
}

}  // namespace naru::lab
