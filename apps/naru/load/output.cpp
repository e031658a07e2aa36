#include <load/output.hpp>

#include <cmath>

#include <fmt/format.h>

namespace naru::load {

namespace {

double microseconds(duration value) { return std::chrono::duration<double, std::micro>(value).count(); }

// -1 stands for what is not known.
std::string known(double value) { return value < 0 ? "null" : fmt::format("{:.6g}", value); }
std::string known(std::int64_t value) { return value < 0 ? "null" : fmt::format("{}", value); }

std::string latency_object(const histogram& of) {
    std::string out = fmt::format("{{\"count\": {}", of.count());
    for (const named_percentile& each : percentiles) {
        out += fmt::format(", {}: {}", json_text(each.name),
                           enough_for(of.count(), each.percent)
                               ? fmt::format("{:.1f}", microseconds(of.percentile(each.percent)))
                               : "null");
    }
    const bool any = of.count() > 0;
    const auto value = [&](double nanoseconds) {
        return any ? fmt::format("{:.1f}", nanoseconds / 1000) : std::string("null");
    };
    return out + fmt::format(", \"min\": {}, \"max\": {}, \"mean\": {}, \"stddev\": {}, \"saturated\": {}}}",
                             value(static_cast<double>(of.min().count())),
                             value(static_cast<double>(of.max().count())), value(of.mean()),
                             value(of.standard_deviation()), of.saturated());
}

std::string verdict_object(const report& of) {
    const std::vector<reason> reasons = judge(of);
    std::string out = fmt::format("{{\"valid\": {}, \"reasons\": [", reasons.empty());
    std::string_view between;
    for (const reason& each : reasons) {
        out += fmt::format("{}{{\"kind\": {}, \"text\": {}}}", between, json_text(each.kind),
                           json_text(each.text));
        between = ", ";
    }
    out += "], \"remarks\": [";
    between = "";
    for (const std::string& each : remarks_on(of)) {
        out += fmt::format("{}{}", between, json_text(each));
        between = ", ";
    }
    return out + "]}";
}

std::string settings_object(const report& of, const run_options& options) {
    const auto seconds = [](duration value) { return std::chrono::duration<double>(value).count(); };
    const std::size_t end = options.request.find(' ');
    return fmt::format(
        "{{\"engine\": {}, \"method\": {}, \"request_bytes\": {}, \"connections\": {}, \"idle_connections\": "
        "{}, "
        "\"threads\": {}, \"pipeline\": {}, \"streams\": {}, \"connection_per_request\": {}, \"rate_per_s\": "
        "{}, "
        "\"warmup_s\": {}, "
        "\"duration_s\": {}, \"requests\": {}, \"timeout_s\": {}, \"ramp_per_s\": {}, \"source_addresses\": "
        "{}}}",
        json_text(of.engine), json_text(options.request.substr(0, end)), options.request.size(),
        options.connections, options.idle, options.threads, options.http2 ? 1 : options.pipeline,
        options.http2 ? fmt::format("{}", options.pipeline) : "null", options.close,
        options.rate ? fmt::format("{:g}", *options.rate) : "null", seconds(options.warmup),
        seconds(options.run_time), options.requests ? fmt::format("{}", *options.requests) : "null",
        seconds(options.timeout), options.ramp, options.sources.size());
}

std::string counts_members(const report& of) {
    const totals& counts = of.counts;
    std::string out = fmt::format(
        "\"measured_s\": {:.6f}, \"requests\": {}, \"requests_per_s\": {:.2f}, \"answered\": {}, "
        "\"scheduled\": {}, "
        "\"failed\": {}, \"unfinished\": {}, \"sent_again\": {}, \"longest_silence_s\": {:.3f}, "
        "\"bytes_received\": {}, ",
        of.measured_seconds, counts.in_time, of.requests_per_second(), counts.completed,
        of.open_loop ? fmt::format("{}", counts.scheduled) : "null", counts.failed, counts.unfinished,
        counts.sent_again, std::chrono::duration<double>(counts.longest_silence).count(),
        counts.bytes_received);
    out += fmt::format("\"errors\": {{\"total\": {}", counts.errors_in_all());
    for (std::size_t kind = 0; kind < failures; ++kind)
        out += fmt::format(", {}: {}", json_text(name_of(static_cast<failure>(kind))), counts.errors[kind]);
    out += fmt::format(", \"first_problem\": {}}}, \"status\": {{",
                       counts.first_problem.empty() ? "null" : json_text(counts.first_problem));
    for (std::size_t index = 1; index < counts.statuses.size(); ++index)
        out += fmt::format("{}\"{}xx\": {}", index > 1 ? ", " : "", index + 1, counts.statuses[index]);
    return out + fmt::format(
                     "}}, \"connections\": {{\"opened\": {}, \"reopened\": {}, \"opening_s\": {:.6f}, "
                     "\"idle_open\": {}, \"idle_lost\": {}, \"not_opened\": {}, \"held_back\": {}, "
                     "\"held_back_s\": {:.3f}, \"close_ignored\": {}, \"not_ended\": {}}}",
                     counts.opened, counts.reopened, of.opening_seconds, counts.idle_open, counts.idle_lost,
                     counts.not_opened, counts.held_back,
                     std::chrono::duration<double>(counts.held_back_for).count(), counts.close_ignored,
                     counts.not_ended);
}

std::string effort_members(const report& of) {
    std::string threads;
    for (const thread_effort& each : of.threads) {
        threads += fmt::format(
            "{}{{\"cpu_share\": {:.4f}, \"spin_share\": {:.4f}, \"away_share\": {:.4f}, \"wait_share\": {}, "
            "\"paused_share\": {:.4f}, \"longest_pause_us\": {:.1f}}}",
            threads.empty() ? "" : ", ", each.cpu_share, each.spin_share, each.away_share,
            known(each.wait_share), each.paused_share, microseconds(each.longest_pause));
    }
    return fmt::format(
        "\"generator\": {{\"cpu_us_per_request\": {:.3f}, \"lag_us\": {}, \"waited_for_connection\": {}, "
        "\"backlog_max\": {}, "
        "\"backlog_overflowed\": {}, \"threads\": [{}]}}, \"machine\": {{\"steal_share\": {}, "
        "\"listen_overflows\": {}, \"listen_drops\": {}}}",
        of.cpu_microseconds_per_request(), latency_object(of.lag), of.counts.waited, of.counts.backlog_max,
        of.counts.overflowed, threads, known(of.machine.steal_share), known(of.machine.listen_overflows),
        known(of.machine.listen_drops));
}

std::string server_object(const report& of) {
    if (!of.server) return "null";
    const server_effort& used = *of.server;
    const double seconds = std::chrono::duration<double>(used.on_cpu).count();
    return fmt::format(
        "{{\"cpu_us_per_request\": {:.3f}, \"cpu_share\": {:.4f}, \"user_bytes\": {}, "
        "\"kernel_bytes_grown\": {}, "
        "\"processes\": {}, \"threads\": {}}}",
        of.server_microseconds_per_request(), used.seconds > 0 ? seconds / used.seconds : 0.0,
        used.user_bytes ? std::to_string(*used.user_bytes) : "null",
        used.kernel_bytes ? std::to_string(*used.kernel_bytes) : "null", used.processes, used.threads);
}

std::string timeline_array(const report& of) {
    std::string out = "[";
    for (std::size_t index = 0; index < of.seconds.size(); ++index) {
        const second& each = of.seconds[index];
        const auto value = [&](bool there, duration latency) {
            return there ? fmt::format("{:.1f}", microseconds(latency)) : std::string("null");
        };
        out += fmt::format(
            "{}{{\"second\": {}, \"requests\": {}, \"errors\": {}, \"p50_us\": {}, \"p99_us\": {}, "
            "\"max_us\": {}}}",
            index == 0 ? "" : ", ", index, each.requests, each.errors,
            value(enough_for(each.samples, 50), each.p50), value(enough_for(each.samples, 99), each.p99),
            value(each.samples > 0, each.max));
    }
    return out + "]";
}

}  // namespace

std::string to_json(const report& of, const run_options& options, std::string_view version,
                    std::string_view url) {
    return fmt::format(
        "{{\"tool\": \"naru load\", \"version\": {}, \"url\": {}, \"mode\": \"{}\", \"interrupted\": {}, "
        "\"verdict\": {}, \"settings\": {}, {}, \"latency_us\": {{\"service\": {}, \"corrected\": {}}}, {}, "
        "\"server\": {}, \"timeline\": {}}}\n",
        json_text(version), json_text(url), of.open_loop ? "open" : "closed", of.interrupted,
        verdict_object(of), settings_object(of, options), counts_members(of), latency_object(of.service),
        of.open_loop ? latency_object(of.corrected) : "null", effort_members(of), server_object(of),
        timeline_array(of));
}

std::string to_hdr_text(const histogram& of) {
    // Lines at percentiles that come twice as close to 100 every five lines, as HdrHistogram spaces them.
    constexpr double lines_per_half = 5;
    std::string out = fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount",
                                  "1/(1-Percentile)");
    const auto milliseconds = [](double nanoseconds) { return nanoseconds / 1e6; };
    const auto whole = static_cast<double>(of.count());
    double wanted = 0;
    std::uint64_t passed = 0;
    of.for_each([&](duration highest, std::uint64_t count) {
        passed += count;
        const double share = static_cast<double>(passed) / whole;
        if (share < wanted) return;
        const double value = milliseconds(static_cast<double>(std::min(highest, of.max()).count()));
        if (passed == of.count()) {
            out += fmt::format("{:12.3f} {:14.12f} {:10} {:>14}\n", value, 1.0, passed, "inf");
            return;
        }
        out += fmt::format("{:12.3f} {:14.12f} {:10} {:14.2f}\n", value, share, passed, 1 / (1 - share));
        while (wanted <= share) {
            const double halves = std::floor(std::log2(1 / (1 - wanted))) + 1;
            wanted += 1 / (lines_per_half * std::exp2(halves));
        }
    });
    out += fmt::format("#[Mean    = {:12.3f}, StdDeviation   = {:12.3f}]\n", milliseconds(of.mean()),
                       milliseconds(of.standard_deviation()));
    out += fmt::format("#[Max     = {:12.3f}, Total count    = {:12}]\n",
                       milliseconds(static_cast<double>(of.max().count())), of.count());
    return out + fmt::format("#[Buckets = {:12}, SubBuckets     = {:12}]\n",
                             std::bit_width(static_cast<std::uint64_t>(histogram::highest.count())) - 10,
                             128);
}

}  // namespace naru::load
