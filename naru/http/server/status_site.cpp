#include <naru/http/server/status_site.hpp>

#include <naru/http/exchange/request_view.hpp>
#include <naru/http/message/path.hpp>
#include <naru/http/server/attached_server.hpp>
#include <naru/http/server/server.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr std::string_view text_type = "text/plain; charset=utf-8";

constexpr std::string_view page_begin = R"(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="5">
<title>naru: what goes on</title>
<style>
:root { color-scheme: light dark; --line: #8884; --dim: light-dark(#555, #aaa); }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 72rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .2rem 0 1.4rem; color: var(--dim); }
main { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); }
section { border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; overflow-x: auto; }
section.wide { grid-column: 1 / -1; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; font-weight: normal; padding: .15rem 0; border-top: 1px solid var(--line); }
tr:first-child > * { border-top: 0; }
td { text-align: right; font-variant-numeric: tabular-nums; padding-left: 1rem; white-space: nowrap; }
thead th, thead td { color: var(--dim); font-size: .85em; }
thead + tbody tr:first-child > * { border-top: 1px solid var(--line); }
.bad { color: light-dark(#b00020, #ff8a80); font-weight: 600; }
</style>
)";

std::string grouped(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3;)
        text.insert(at -= 3, ",");
    return text;
}

std::string in_bytes(std::uint64_t bytes) {
    constexpr std::string_view units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < std::size(units); ++unit)
        value /= 1024;
    return unit == 0 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string in_time(double seconds) {
    if (seconds < 0.001) return fmt::format("{:.0f} µs", seconds * 1e6);
    if (seconds < 1) return fmt::format("{:.1f} ms", seconds * 1e3);
    return fmt::format("{:.2f} s", seconds);
}

class page_writer {
 public:
    void section(std::string_view title, bool wide = false) {
        end();
        add("<section{}>\n<h2>{}</h2>\n<table>\n", wide ? " class=\"wide\"" : "", title);
        open_ = true;
    }
    void row(std::string_view name, std::string_view value, bool bad = false) {
        add("<tr><th>{}<td{}>{}\n", escape_html(name), bad ? " class=\"bad\"" : "", escape_html(value));
    }
    void row(std::string_view name, std::uint64_t value, bool bad = false) { row(name, grouped(value), bad); }
    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(text), format, std::forward<Arguments>(arguments)...);
    }
    void end() {
        if (std::exchange(open_, false)) text += "</table>\n</section>\n";
    }
    std::string text{page_begin};

 private:
    bool open_ = false;
};

void show_answers(page_writer& to, const server_metrics& of) {
    to.section("Answers");
    constexpr std::string_view classes[] = {"1xx, upgrades", "2xx, done", "3xx, elsewhere or unchanged",
                                            "4xx, the client's fault", "5xx, the server's fault"};
    for (std::size_t which = 0; which < std::size(classes); ++which) {
        std::uint64_t all = 0;
        for (std::size_t each = which * 100; each < which * 100 + 100; ++each)
            all += of.answers[each];
        to.row(classes[which], all, which == 4 && all > 0);
    }
    to.row("cut off", of.cut_answers);
    to.row("bytes in", in_bytes(of.bytes_in));
    to.row("bytes out", in_bytes(of.bytes_out));
}

void show_connections(page_writer& to, const server_metrics& of) {
    to.section("Connections");
    to.row("accepted", of.connections);
    to.row("with TLS", of.secure_connections);
    to.row("open: idle", of.open_idle);
    to.row("open: sending a body", of.open_reading);
    to.row("open: a handler works", of.open_working);
    to.row("open: waiting for a buffer", of.open_starved, of.open_starved > 0);
    to.row("open: taking an answer", of.open_sending);
    to.row("open: closing", of.open_closing);
    to.row("open: HTTP/2", of.open_http2);
    to.row("open: WebSocket and others", of.open_upgraded);
    to.section("HTTP/2 and TLS");
    to.row("HTTP/2 connections", of.http2_connections);
    to.row("streams", of.http2_streams);
    to.row("streams open", of.open_streams);
    to.row("handshakes", of.handshakes_done);
    to.row("of them resumed", of.handshakes_resumed);
    to.row("handshakes that failed", of.handshakes_failed);
    to.row("handshakes under way", of.handshakes);
}

void show_memory(page_writer& to, const server_metrics& of) {
    to.section("Memory");
    to.row("buffers in use", fmt::format("{} of {}", grouped(of.buffers_leased), grouped(of.buffers)));
    to.row("held by requests", of.buffers_held);
    to.row("requests that wait", in_bytes(of.aside_bytes));
    to.row("sent, and in no cache", in_bytes(of.loose_bytes));
    to.row("files in the cache", of.cached_files);
    to.row("memory of the cache", in_bytes(of.cached_bytes));
    to.row("open files of the cache", of.cached_descriptors);
    const std::uint64_t looks = of.cache_hits + of.cache_misses;
    to.row("found in the cache", looks == 0
                                     ? std::string("-")
                                     : fmt::format("{:.1f} %", 100.0 * static_cast<double>(of.cache_hits) /
                                                                   static_cast<double>(looks)));
}

void show_refusals(page_writer& to, const server_metrics& of) {
    to.section("Refused for others' sake");
    bool any = false;
    for (std::size_t each = 0; each < of.shed.size(); ++each) {
        if (of.shed[each] == 0) continue;
        any = true;
        to.row(shed_names[each], of.shed[each], true);
    }
    if (!any) to.row("nobody", "0");
}

void show_routes(page_writer& to, const server_metrics& of) {
    to.section("Routes", true);
    to.add(
        "<thead><tr><th>route<td>answers<td>mean<td>half below<td>99 % below<td>99.9 % "
        "below</thead>\n<tbody>\n");
    std::vector<const route_latency*> busiest;
    for (const route_latency& each : of.routes) {
        if (each.latency.count() > 0) busiest.push_back(&each);
    }
    std::ranges::sort(busiest, std::greater<>(),
                      [](const route_latency* each) { return each->latency.count(); });
    for (const route_latency* const each : busiest) {
        const latency_histogram& took = each->latency;
        const auto quantile = [&](double part) {
            return in_time(static_cast<double>(took.quantile(part)) / 1e6);
        };
        const double mean = static_cast<double>(took.microseconds) / static_cast<double>(took.count()) / 1e6;
        to.add("<tr><th>{}<td>{}<td>{}<td>{}<td>{}<td>{}\n",
               each->pattern.empty() ? std::string("(none)") : escape_html(each->pattern),
               grouped(took.count()), in_time(mean), quantile(0.5), quantile(0.99), quantile(0.999));
    }
    to.add("</tbody>\n");
}

constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view page_type = "text/html; charset=utf-8";
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> shown_with = {
    std::pair{"Cache-Control", "no-store"},
    std::pair{"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"},
    std::pair{"X-Content-Type-Options", "nosniff"}};

/// Whose answer may take long is made by a thread of its own, so that /healthz never waits for it.
auto shown(std::string_view type, std::function<std::string()> make) {
    return blocking(
        [type, make = std::move(make)](const request_view& /*of*/, const std::stop_token& /*stop*/) {
            answer whole(200, std::string(type), make());
            for (const auto& [name, value] : shown_with)
                whole.fields.emplace_back(name, value);
            return whole;
        });
}

/// On the loop of what is shown.
auto shown_here(std::string_view type, std::function<std::string()> make) {
    return [type, make = std::move(make)](exchange& x) -> task<> {
        std::string text = make();
        for (const auto& [name, value] : shown_with)
            x.add(name, value);
        x.respond(200, type, std::move(text));
        co_return;
    };
}

template <class IsDraining>
void add_health(site& to, IsDraining is_draining, std::shared_ptr<const status_options> with) {
    to.get("/healthz", [](exchange& x) noexcept { x.respond(200, text_type, "it answers\n"); });
    to.get("/readyz", [is_draining = std::move(is_draining), with = std::move(with)](exchange& x) -> task<> {
        const bool ready = with->ready ? with->ready() : !is_draining();
        x.respond(ready ? 200 : 503, text_type, ready ? "ready\n" : "not ready: it ends\n");
        co_return;
    });
}

}  // namespace

std::string status_page(const server_metrics& of, const status_options& options) {
    page_writer to;
    const bool ready = options.ready ? options.ready() : !of.draining;
    to.add("<h1>naru {}</h1>\n<p>{} loop{} with {}; <span{}>{}</span></p>\n<main>\n",
           escape_html(options.version), of.loops, of.loops == 1 ? "" : "s", of.engine,
           ready ? "" : " class=\"bad\"", ready ? "ready" : "not ready: it ends");
    show_answers(to, of);
    show_connections(to, of);
    show_memory(to, of);
    to.section("Loops and logs");
    const double tick = std::chrono::duration<double>(of.longest_tick.took).count();
    to.row("longest turn", in_time(tick), tick > 0.1);
    to.row("most of it by", of.longest_tick.route.empty() ? std::string_view("-") : of.longest_tick.route);
    to.row("loops that do not answer", of.silent_loops, of.silent_loops > 0);
    to.row("lines of the log lost", of.log_lines_lost, of.log_lines_lost > 0);
    to.row("reloads", of.reloads);
    show_refusals(to, of);
    show_routes(to, of);
    to.end();
    to.text += "</main>\n</html>\n";
    return std::move(to.text);
}

site status_site(server& of, status_options options) {
    const auto shared = std::make_shared<const status_options>(std::move(options));
    site made;
    made.get("/metrics", shown(metrics_type, [&of, shared] {
                 return metrics_text(of.metrics(std::chrono::seconds(1), true), *shared);
             }));
    made.get("/", shown(page_type, [&of, shared] { return status_page(of.metrics(), *shared); }));
    add_health(made, [&of] { return of.is_draining(); }, shared);
    return made;
}

site status_site(attached_server& of, status_options options) {
    const auto shared = std::make_shared<const status_options>(std::move(options));
    site made;
    const auto measure = of.meter();  // a server that was destroyed may answer within that tick
    made.get("/metrics",
             shown_here(metrics_type, [measure, shared] { return metrics_text(measure(true), *shared); }));
    made.get("/", shown_here(page_type, [measure, shared] { return status_page(measure(false), *shared); }));
    add_health(made, [measure] { return measure(false).draining; }, shared);
    return made;
}

}  // namespace naru::http
