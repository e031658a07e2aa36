// The report for people: what was measured, and first of all whether it may be believed.
#include "load_view.hpp"
#include "load_words.hpp"

#include <naru/load/output.hpp>

#include <fmt/format.h>

namespace naru::program {

namespace {

constexpr std::size_t text_width = 100;

// Breaks a sentence into lines with a margin.
std::string wrapped(std::string_view text, std::size_t margin) {
    std::string out;
    std::size_t column = margin;
    while (!text.empty()) {
        const std::size_t space = std::min(text.find(' '), text.size());
        if (column > margin && column + 1 + space > text_width) {
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

std::string latency_line(std::string_view name, const load::histogram& of) {
    std::string out = fmt::format("  {:<12}", name);
    for (const load::named_percentile& each : load::percentiles)
        out += fmt::format(" {:>9}",
                           words_if(load::enough_for(of.count(), each.percent), of.percentile(each.percent)));
    const bool any = of.count() > 0;
    const auto rounded = [](double nanoseconds) { return duration(static_cast<std::int64_t>(nanoseconds)); };
    return out + fmt::format(" {:>9} {:>9} {:>9}\n", words_if(any, of.max()),
                             words_if(any, rounded(of.mean())),
                             words_if(any, rounded(of.standard_deviation())));
}

std::string latency_table(const load::report& of) {
    std::string out = fmt::format("  {:<12}", "latency");
    for (const load::named_percentile& each : load::percentiles)
        out += fmt::format(" {:>9}", each.name);
    out += fmt::format(" {:>9} {:>9} {:>9}\n", "max", "mean", "stddev");
    if (of.open_loop) out += latency_line("corrected", of.corrected);
    return out + latency_line("service time", of.service);
}

std::string error_words(const load::report& of) {
    const load::totals& counts = of.counts;
    if (counts.errors_in_all() == 0) return "none";
    std::string out;
    for (std::size_t kind = 0; kind < load::failures; ++kind) {
        if (counts.errors[kind] == 0) continue;
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", grouped(counts.errors[kind]),
                           load::name_of(static_cast<load::failure>(kind)));
    }
    if (!counts.first_problem.empty()) out += fmt::format(" (the first: {})", counts.first_problem);
    return out;
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
    if (used.user_bytes) out += fmt::format(", {:.1f} MiB", static_cast<double>(*used.user_bytes) / 1048576);
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
    if (options.idle > 0) out += fmt::format(" and {} idle", grouped(options.idle));
    if (options.pipeline > 1) out += fmt::format(", pipeline {}", options.pipeline);
    if (options.close) out += ", a connection for each request";
    out += fmt::format(", {} thread{}", options.threads, options.threads == 1 ? "" : "s");
    if (!engine.empty()) out += fmt::format(", {}", engine);
    return out;
}

std::string report_text(const load::report& of, std::string_view title, bool colour) {
    constexpr std::size_t margin = 15;
    const std::vector<load::reason> reasons = load::judge(of);
    const bool valid = reasons.empty();
    const auto line = [&](std::string_view name, std::string_view text) {
        return fmt::format("  {:<12} {}\n", name, wrapped(text, margin));
    };
    std::string out = fmt::format("{}\n\n", title);
    std::string requests = fmt::format("{} in {:.2f} s: {:.0f} per second", grouped(of.counts.in_time),
                                       of.measured_seconds, of.requests_per_second());
    if (of.open_loop) requests += fmt::format(" of {:g} asked for", of.rate);
    if (of.interrupted) requests += " (interrupted)";
    out += line("requests", requests);
    out += line("status", status_words(of.counts));
    out += line("errors", error_words(of));
    if (of.idle_wanted > 0)
        out += line("idle", fmt::format("{} still open, {} lost", grouped(of.counts.idle_open),
                                        grouped(of.counts.idle_lost)));
    out +=
        line("received", fmt::format("{:.1f} MiB, {:.1f} MiB per second",
                                     static_cast<double>(of.counts.bytes_received) / 1048576,
                                     of.measured_seconds > 0 ? static_cast<double>(of.counts.bytes_received) /
                                                                   1048576 / of.measured_seconds
                                                             : 0.0));
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
