#include <lab/assets.hpp>
#include <lab/page_parts.hpp>
#include <lab/page_text.hpp>

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace naru::lab {

namespace {

constexpr std::array<std::string_view, 2> styles = {"chart.css", "report.css"};
constexpr std::array<std::string_view, 2> scripts = {"readout.js", "page.js"};

constexpr std::string_view seal =
    R"(<svg class="seal" viewBox="0 0 48 88" role="img" aria-label="나루"><rect width="48" height="88" rx="5"/>)"
    R"(<path d="M11 11v21h12M31 9v33M31 24h8M11 48h26v8H11v9h27M8 73h32M24 73v9"/></svg>)";

constexpr std::string_view favicon =
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 88'%3E%3Crect x='-20' "
    "width='88' height='88' rx='14' fill='%23a3301f'/%3E%3Cpath fill='none' stroke='%23fbf6ec' "
    "stroke-width='5' "
    "stroke-linecap='round' stroke-linejoin='round' d='M11 11v21h12M31 9v33M31 24h8M11 "
    "48h26v8H11v9h27M8 73h32M24 73v9'/%3E%3C/svg%3E";

unsigned digit(char hex) { return static_cast<unsigned>(hex <= '9' ? hex - '0' : hex - 'a' + 10); }

// The 32 bytes of a SHA-256 sum, from hexadecimal to the base64 that a policy wants.
std::string base64_of_hex(std::string_view hex) {
    constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string made;
    unsigned held = 0;
    unsigned bits = 0;
    for (const char each : hex) {
        held = (held << 4U | digit(each)) & 0xffffU;
        bits += 4;
        if (bits < 6) continue;
        bits -= 6;
        made += letters[held >> bits & 63U];
    }
    if (bits > 0) made += letters[held << (6 - bits) & 63U];
    while (made.size() % 4 != 0)
        made += '=';
    return made;
}

template <std::size_t count>
std::string hashes(const std::array<std::string_view, count>& names) {
    std::string made;
    for (const auto name : names)
        made += fmt::format(" 'sha256-{}'", base64_of_hex(find_asset(name).sha256_hex));
    return made;
}

std::string clock_text(double seconds) {
    if (!(seconds >= 1) || seconds > 1e7) return "a moment";
    if (seconds < 90) return fmt::format("{:.0f} s", seconds);
    return fmt::format("{:.0f} min", seconds / 60);
}

bool is_under_way(const progress& now) { return !now.current.empty(); }

}  // namespace

std::string security_policy(bool asks_for_progress) {
    return fmt::format(
        R"(<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src{}; script-src{}; )"
        R"(img-src data:; base-uri 'none'; form-action 'none'{}">)",
        hashes(styles), hashes(scripts), asks_for_progress ? "; connect-src 'self'" : "");
}

std::string progress_bar(const progress& now) {
    if (!is_under_way(now)) return {};
    const unsigned percent =
        now.planned == 0 ? 0 : static_cast<unsigned>(100.0 * std::min(now.done, now.planned) / now.planned);
    return fmt::format(
        R"(<div class="under-way" id="under-way" data-done="{}" data-planned="{}"><div class="page">)"
        R"(<div class="meter" role="progressbar" aria-label="Measuring" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{}">)"
        R"(<svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true"><rect width="{}" height="1"/></svg></div>)"
        R"(<p><b class="part">{} of {}</b> <span class="current">{}</span> <span class="left">{} left</span></p></div></div>)",
        now.done, now.planned, percent, percent, now.done, now.planned, escaped(now.current),
        clock_text(now.seconds_left));
}

std::string masthead(const page& shown) {
    std::string made =
        fmt::format(R"(<header class="hero page"><p class="brand">{}<span>naru lab</span></p><h1>{}</h1>)",
                    seal, escaped(shown.title));
    if (!shown.subtitle.empty())
        made += fmt::format(R"(<p class="subtitle">{}</p>)", escaped(shown.subtitle));
    if (!shown.headlines.empty()) {
        made += fmt::format(R"(<p class="lede">{}</p>)", escaped(shown.headlines.front()));
        made += list_html(std::span(shown.headlines).subspan(1), "headlines");
    }
    return made + "</header>\n";
}

std::string navigation(const page& shown) {
    std::string made = R"(<nav class="contents" aria-label="Contents"><ul class="page">)";
    const auto link = [&](std::string_view id, std::string_view words) {
        made += fmt::format(R"(<li><a href="#{}">{}</a></li>)", id, escaped(words));
    };
    if (!shown.claims.empty()) link("claims", "Claims");
    for (const auto& each : shown.sections)
        link(id_text(each.id), each.title);
    link("models", "The models");
    if (!shown.caveats.empty()) link("caveats", "Not shown");
    if (!shown.machine.empty() || !shown.command.empty()) link("machine", "Machine");
    return made + "</ul></nav>\n";
}

std::string to_html(const page& shown) {
    const bool asks = is_under_way(shown.under_way);
    const std::string title = escaped(shown.title.empty() ? "naru lab" : shown.title);
    std::string made =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" + security_policy(asks);
    made +=
        "\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<meta name=\"theme-color\" content=\"#f3f2ea\" media=\"(prefers-color-scheme: light)\">\n"
        "<meta name=\"theme-color\" content=\"#0f181d\" media=\"(prefers-color-scheme: dark)\">\n";
    made += fmt::format("<title>{}</title>\n<link rel=\"icon\" href=\"{}\">\n", title, favicon);
    for (const auto name : styles)
        made += fmt::format("<style>{}</style>\n", find_asset(name).text);
    made += "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the findings</a>\n";
    made += progress_bar(shown.under_way) + masthead(shown) + navigation(shown);
    made += "<main id=\"main\" class=\"page\" tabindex=\"-1\">\n" + claims_table(shown.claims);
    for (const auto& each : shown.sections)
        made += section_html(each);
    made += models_html(shown.models) + closing(shown) + "</main>\n";
    made += fmt::format("<footer><div class=\"page\"><p>Measured and drawn by {}.</p></div></footer>\n",
                        escaped(shown.version.empty() ? "naru" : shown.version));
    for (const auto name : scripts)
        made += fmt::format("<script>{}</script>\n", find_asset(name).text);
    return made + "</body>\n</html>\n";
}

std::string to_json(const progress& now) {
    return fmt::format(R"({{"done": {}, "planned": {}, "seconds_left": {}, "current": {}}})", now.done,
                       now.planned, json_number(now.seconds_left), json_string(now.current));
}

}  // namespace naru::lab
