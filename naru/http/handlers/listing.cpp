#include <naru/http/handlers/listing.hpp>

#include <naru/http/message/date.hpp>
#include <naru/http/message/path.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr std::string_view style =
    R"(:root{color-scheme:light dark;--ink:#1c2b33;--soft:#5b6b73;--line:#d9e0e3;--paper:#fbfaf7;--link:#0b5c74}
@media(prefers-color-scheme:dark){:root{--ink:#e4ebee;--soft:#9fb0b8;--line:#2c3a41;--paper:#12191d;--link:#7cc7de}}
body{margin:0 auto;max-width:56rem;padding:1.5rem 1rem 3rem;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.15rem;font-weight:600;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:500;color:var(--soft);font-size:.85rem}
td,th{padding:.5rem .75rem .5rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td:first-child{overflow-wrap:anywhere;width:100%}
td+td,th+th{white-space:nowrap;font-variant-numeric:tabular-nums;color:var(--soft)}
td:nth-child(2),th:nth-child(2){text-align:right}
a{color:var(--link);text-decoration:none}a:hover,a:focus{text-decoration:underline}
footer{margin-top:1.5rem;color:var(--soft);font-size:.85rem}
@media(max-width:34rem){td:nth-child(3),th:nth-child(3){display:none}})";

std::string size_text(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.1f} {}", value, units[unit]);
}

std::string date_text(std::int64_t unix_seconds) {
    using namespace std::chrono;
    const sys_seconds when{seconds(std::clamp(unix_seconds, first_second, last_second))};
    const sys_days day = floor<days>(when);
    const year_month_day date(day);
    const hh_mm_ss<seconds> time(when - day);
    return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       time.hours().count(), time.minutes().count());
}

}  // namespace

std::string listing_page(std::string_view path, const directory_listing& listing) {
    const std::string title = escape_html("/" + std::string(path));
    std::string page = fmt::format(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<link rel=\"icon\" "
        "href=\"data:,\">\n<title>{0}</title>\n<style>\n{1}\n</style>\n</head>\n<body>\n<main>\n<h1>{0}</"
        "h1>\n<table>\n"
        "<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Size</th><th scope=\"col\">Modified "
        "(UTC)</th>"
        "</tr></thead>\n<tbody>\n",
        title, style);
    auto out = std::back_inserter(page);
    if (!path.empty()) fmt::format_to(out, "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    for (const directory_entry& each : listing.entries) {
        const bool directory = each.status.kind == file_kind::directory;
        const std::string_view slash = directory ? "/" : "";
        // "./": a name with a colon is not a scheme, and one that begins with a slash is none.
        fmt::format_to(out, "<tr><td><a href=\"./{}{}\">{}{}</a></td><td>{}</td><td>{}</td></tr>\n",
                       escape_html(encode_segment(each.name)), slash, escape_html(each.name), slash,
                       directory ? std::string() : size_text(each.status.size),
                       date_text(each.status.modified.seconds));
    }
    page += "</tbody>\n</table>\n</main>\n<footer>";
    if (listing.cut) fmt::format_to(out, "Only the first {} entries are shown. ", listing.entries.size());
    page += "Served by naru.</footer>\n</body>\n</html>\n";
    return page;
}

}  // namespace naru::http
