// The report for people: what was measured, and first of all whether it may be believed.
#include "load_view.hpp"
#include "load_words.hpp"

#include <load/output.hpp>

#include <fmt/format.h>

namespace naru::program {

namespace {

// Breaks a sentence into lines with a margin.
std::string wrapped(std::string_view text, std::size_t margin, std::size_t width) {
    std::string out;
    std::size_t column = margin;
    while (!text.empty()) {
        const std::size_t space = std::min(text.find(' '), text.size());
        if (column > margin && column + 1 + space > width) {
            out += "\n" + std::string(margin, ' ');
            column = margin;
        } else if (column > margin) {
            out += ' ';
            ++column;
        }
        out += text.substr(0, space);
        column += space;
        text.remove_prefix(std::min(space + 1, text.size()));
    }
    return out;
}

// Percentiles downwards: six of them and three more beside each other do not fit on a terminal of 80 columns.
std::string latency_table(const load::report& of) {
    const auto row = [&](std::string_view name, auto value) {
        std::string out = fmt::format("  {:<9}", name);
        if (of.open_loop) out += fmt::format(" {:>12}", value(of.corrected));
        return out + fmt::format(" {:>12}\n", value(of.service));
    };
    const auto rounded = [](double nanoseconds) { return duration(static_cast<std::int64_t>(nanoseconds)); };
    std::string out = fmt::format("  {:<9}", "latency");
    if (of.open_loop) out += fmt::format(" {:>12}", "corrected");
    out += fmt::format(" {:>12}\n", "service time");
    for (const load::named_percentile& each : load::percentiles) {
        out += row(each.name, [&](const load::histogram& values) {
            return words_if(load::enough_for(values.count(), each.percent), values.percentile(each.percent));
        });
    }
    out +=
        row("max", [](const load::histogram& values) { return words_if(values.count() > 0, values.max()); });
    out += row("mean", [&](const load::histogram& values) {
        return words_if(values.count() > 0, rounded(values.mean()));
    });
    return out + row("stddev", [&](const load::histogram& values) {
               return words_if(values.count() > 0, rounded(values.standard_deviation()));
           });
}

std::string error_words(const load::report& of) {
    const load::totals& counts = of.counts;
    std::string out;
    for (std::size_t kind = 0; kind < load::failures; ++kind) {
        if (counts.errors[kind] == 0) continue;
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", grouped(counts.errors[kind]),
                           load::name_of(static_cast<load::failure>(kind)));
    }
    if (!counts.first_problem.empty()) out += fmt::format(" (the first: {})", counts.first_problem);
    if (counts.unanswered() > 0)
        out += fmt::format("{}{} without an answer", out.empty() ? "" : ", ", grouped(counts.unanswered()));
    return out.empty() ? "none" : out;
}

std::string status_words(const load::totals& counts) {
    std::string out;
    for (std::size_t index = 0; index < counts.statuses.size(); ++index) {
        if (counts.statuses[index] == 0) continue;
        out += fmt::format("{}{} {}xx", out.empty() ? "" : ", ", grouped(counts.statuses[index]), index + 1);
    }
    return out.empty() ? "none" : out;
}

std::string generator_words(const load::report& of) {
    std::string out = fmt::format("{:.0f}% of a core", of.cpu_share() * 100);
    double spinning = 0;
    for (const load::thread_effort& each : of.threads)
        spinning = std::max(spinning, each.spin_share);
    if (spinning >= 0.005) out += fmt::format(", and {:.0f}% in which it waited awake", spinning * 100);
    if (of.threads.size() > 1) out += fmt::format(" (the busiest of {} threads)", of.threads.size());
    out += fmt::format(", {:.2f} us of CPU a request", of.cpu_microseconds_per_request());
    if (load::enough_for(of.lag.count(), 99))
        out += fmt::format("; its own delay: p99 {}", words_for(of.lag.percentile(99)));
    if (of.counts.backlog_max > 0)
        out += fmt::format("; {} requests waited at most", grouped(of.counts.backlog_max));
    return out;
}

std::string server_words(const load::report& of) {
    const load::server_effort& used = *of.server;
    const double seconds = std::chrono::duration<double>(used.on_cpu).count();
    std::string out = fmt::format("{:.0f}% of a core, {:.2f} us of CPU a request",
                                  used.seconds > 0 ? 100 * seconds / used.seconds : 0.0,
                                  of.server_microseconds_per_request());
    if (used.user_bytes) out += ", " + words_for_bytes(static_cast<double>(*used.user_bytes));
    if (used.processes > 1) out += fmt::format(", {} processes", used.processes);
    if (used.threads > used.processes) out += fmt::format(", {} threads", grouped(used.threads));
    return out;
}

}  // namespace

std::string grouped(std::uint64_t number) {
    std::string digits = std::to_string(number);
    for (std::size_t place = digits.size(); place > 3; place -= 3)
        digits.insert(place - 3, 1, ',');
    return digits;
}

std::string words_for(duration value) {
    const auto nanoseconds = static_cast<double>(value.count());
    if (nanoseconds < 99.95e3) return fmt::format("{:.1f} us", nanoseconds / 1e3);
    if (nanoseconds < 999.5e3) return fmt::format("{:.0f} us", nanoseconds / 1e3);
    if (nanoseconds < 9.995e6) return fmt::format("{:.2f} ms", nanoseconds / 1e6);
    if (nanoseconds < 99.95e6) return fmt::format("{:.1f} ms", nanoseconds / 1e6);
    if (nanoseconds < 999.5e6) return fmt::format("{:.0f} ms", nanoseconds / 1e6);
    return fmt::format("{:.2f} s", nanoseconds / 1e9);
}

std::string words_if(bool known, duration value) { return known ? words_for(value) : "-"; }

std::string title_of(const load::run_options& options, std::string_view url, std::string_view engine) {
    std::string out = fmt::format("{}: ", url);
    out += options.rate ? fmt::format("open loop, {:g} requests per second", *options.rate)
                        : std::string("closed loop");
    out +=
        fmt::format(", {} connection{}", grouped(options.connections), options.connections == 1 ? "" : "s");
    if (options.http2)
        out += fmt::format(" x {} stream{}", options.pipeline, options.pipeline == 1 ? "" : "s");
    if (options.idle > 0) out += fmt::format(" and {} idle", grouped(options.idle));
    if (options.idle_upgrade) out += options.idle == 1 ? " WebSocket" : " WebSockets";
    if (!options.http2 && options.pipeline > 1) out += fmt::format(", pipeline {}", options.pipeline);
    if (options.http2) out += ", HTTP/2";
    if (options.close) out += ", a connection for each request";
    out += fmt::format(", {} thread{}", options.threads, options.threads == 1 ? "" : "s");
    if (!engine.empty()) out += fmt::format(", {}", engine);
    return out;
}

std::string words_for_rate(double per_second) {
    if (per_second < 9.995) return fmt::format("{:.2f}", per_second);
    if (per_second < 99.95) return fmt::format("{:.1f}", per_second);
    return fmt::format("{:.0f}", per_second);
}

std::string words_for_bytes(double bytes) {
    if (bytes < 1024) return fmt::format("{:.0f} bytes", bytes);
    if (bytes < 1024 * 1024) return fmt::format("{:.1f} KiB", bytes / 1024);
    return fmt::format("{:.1f} MiB", bytes / 1024 / 1024);
}

std::string report_text(const load::report& of, std::string_view title, bool colour, std::size_t width) {
    constexpr std::size_t margin = 15;
    const std::vector<load::reason> reasons = load::judge(of);
    const bool valid = reasons.empty();
    const auto line = [&](std::string_view name, std::string_view text) {
        return fmt::format("  {:<12} {}\n", name, wrapped(text, margin, width));
    };
    std::string out = fmt::format("{}\n\n", wrapped(title, 0, width));
    std::string requests = fmt::format("{} in {:.2f} s: {} per second", grouped(of.counts.in_time),
                                       of.measured_seconds, words_for_rate(of.requests_per_second()));
    if (of.open_loop) {
        requests += fmt::format(" of {:g} asked for; {} of {} were answered in the end", of.rate,
                                grouped(of.counts.completed), grouped(of.counts.scheduled));
    }
    if (of.interrupted) requests += " (interrupted)";
    out += line("requests", requests);
    out += line("status", status_words(of.counts));
    out += line("errors", error_words(of));
    if (of.idle_wanted > 0)
        out += line("idle", fmt::format("{} still open, {} lost", grouped(of.counts.idle_open),
                                        grouped(of.counts.idle_lost)));
    const auto received = static_cast<double>(of.counts.bytes_received);
    const double per_second = of.measured_seconds > 0 ? received / of.measured_seconds : 0;
    out += line("received",
                fmt::format("{}, {} per second", words_for_bytes(received), words_for_bytes(per_second)));
    out += line("generator", generator_words(of));
    if (of.server) out += line("server", server_words(of));
    out += "\n" + latency_table(of) + "\n";
    const std::string_view mark = !colour ? "" : valid ? "\x1b[32m" : "\x1b[1;31m";
    const std::string_view end = colour ? "\x1b[0m" : "";
    out += fmt::format("  {:<12} {}{}{}\n", "verdict", mark, valid ? "valid" : "INVALID", end);
    for (const load::reason& each : reasons)
        out += line("", fmt::format("{}: {}", each.kind, each.text));
    if (!valid) out += line("", "These figures are not the server's: do not quote them as what it can do.");
    for (const std::string& each : load::remarks_on(of))
        out += line("note", each);
    return out;
}

}  // namespace naru::program
