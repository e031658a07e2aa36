#include <lab/measure.hpp>

#include <lab/core_watch.hpp>
#include <lab/measure_parts.hpp>
#include <load/json.hpp>
#include <load/text_file.hpp>

#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t traced_requests = 10'000;
// Share of the server's core that others may have before a sample is invalid.
constexpr double share_of_others_allowed = 0.1;
constexpr unsigned ab_requests = 10'000;

struct named_figure {
    const char* name;
    double sample::* value;
};
constexpr const char* runs_name = "p99_us_of_runs";
constexpr std::array<named_figure, 14> all_figures{{
    {"requests_per_s", &sample::requests_per_second},
    {"errors", &sample::errors},
    {"cpu_us_per_request", &sample::cpu_microseconds},
    {"cpu_share", &sample::cpu_share},
    {"p50_us", &sample::p50_microseconds},
    {"p99_us", &sample::p99_microseconds},
    {"max_us", &sample::max_microseconds},
    {"user_bytes", &sample::user_bytes},
    {"kernel_bytes", &sample::kernel_bytes},
    {"tasks", &sample::tasks},
    {"connections", &sample::connections},
    {"calls_per_request", &sample::calls},
    {"measured_at", &sample::measured_at},
    {"disturbed_runs", &sample::disturbed_runs},
}};

}  // namespace

sample failure(const cell& what, std::string why) {
    sample made;
    made.key = what.key();
    made.valid = false;
    made.failed = true;
    made.reasons = std::move(why);
    return made;
}

std::vector<std::string> load_words(const cell& what, const workplace& at, std::uint16_t port, int server) {
    const shape& load = what.load;
    std::vector<std::string> words{at.program,
                                   "load",
                                   fmt::format("http://127.0.0.1:{}/{}", port, load.body),
                                   "--json",
                                   "--quiet",
                                   "--connections",
                                   fmt::format("{}", load.connections)};
    const auto add = [&words](const char* flag, std::string value) {
        words.emplace_back(flag);
        words.push_back(std::move(value));
    };
    if (load.idle > 0) add("--idle", fmt::format("{}", load.idle));
    if (load.rate > 0) add("--rate", fmt::format("{:g}", load.rate));
    if (load.pipeline > 1) add("--pipeline", fmt::format("{}", load.pipeline));
    if (load.ramp > 0) add("--ramp", fmt::format("{:g}", load.ramp));
    if (load.close) words.emplace_back("--close");
    if (load.by == shape::tool::traced) {
        add("--requests", fmt::format("{}", traced_requests));
    } else {
        add("--warmup", fmt::format("{:g}ms", load.warmup * 1000));
        add("--duration", fmt::format("{:g}ms", load.seconds * 1000));
        add("--server-process", fmt::format("{}", server));
    }
    return words;
}

std::optional<std::string> output_of(process& running, const cell& what,
                                     const std::function<bool()>& cancelled) {
    const auto patience = 30s + std::chrono::milliseconds(static_cast<int>(2'000 * what.expected_seconds()));
    const auto until = std::chrono::steady_clock::now() + patience;
    std::string all;
    while (running.running()) {
        if (cancelled() || std::chrono::steady_clock::now() > until) {
            running.end();
            return std::nullopt;
        }
        const std::string line = running.read_line(look_interval);
        if (!line.empty()) all += line + "\n";
    }
    return all + running.read_all(1s);
}

namespace {

// Reasons that say that the generator was the slower one or could not keep its times, or that the hypervisor
// took some: rates and latencies are not the server's then. The processor time that the server took for each
// request is, for nobody is charged with time that was stolen.
bool concerns_generator(std::string_view kind) {
    return kind == "generator_saturated" || kind == "generator_late" || kind == "generator_descheduled" ||
           kind == "schedule_missed" || kind == "backlog_overflow" || kind == "clock_steal";
}

}  // namespace

void spoil(sample& made, const char* reason) {
    made.valid = false;
    made.reasons += (made.reasons.empty() ? "" : ", ") + std::string(reason);
}

sample from_report(const cell& what, const std::string& text) {
    const auto read = load::json_value::parse(text);
    if (!read)
        return failure(what, fmt::format("the load generator's report cannot be read: {}", read.error()));
    sample made;
    made.key = what.key();
    const auto number = [&](const char* path) {
        const load::json_value* const found = read->find(path);
        return found == nullptr ? -1.0 : found->number(-1);
    };
    const std::string latency = what.load.rate > 0 ? "latency_us.corrected." : "latency_us.service.";
    made.requests_per_second = number("requests_per_s");
    const double answered = number("answered");
    const double errors = number("errors.total");
    made.errors = answered + errors > 0 ? errors / (answered + errors) : 0;
    made.cpu_microseconds = number("server.cpu_us_per_request");
    made.cpu_share = number("server.cpu_share");
    made.p50_microseconds = number((latency + "p50").c_str());
    made.p99_microseconds = number((latency + "p99").c_str());
    made.max_microseconds = number((latency + "max").c_str());
    made.user_bytes = number("server.user_bytes");
    made.kernel_bytes = number("server.kernel_bytes_grown");
    made.tasks = number("server.threads");
    made.connections = number("connections.idle_open") + what.load.connections;
    if (const load::json_value* const reasons = read->find("verdict.reasons")) {
        for (const load::json_value& each : reasons->elements()) {
            const std::string_view kind = each.find("kind")->text();
            if (kind == "too_few_samples") continue;  // percentiles that cannot be told are not there
            made.reasons += (made.reasons.empty() ? "" : ", ") + std::string(kind);
            if (concerns_generator(kind)) {
                made.generator_bound = true;
            } else {
                made.valid = false;
            }
        }
    }
    return made;
}

namespace {

sample measure_load(const cell& what, started& server, const workplace& at,
                    const std::function<bool()>& cancelled) {
    const core_watch watch(at.server_cores, server.running->number());
    process generator({load_words(what, at, server.port, server.running->number()), at.generator_cores},
                      at.directory + "/load.log");
    const auto output = output_of(generator, what, cancelled);
    if (!output) return failure(what, "the load did not come to an end");
    if (generator.exit_status() != 0) return failure(what, generator.last_words(1));
    sample made = from_report(what, *output);
    if (made.cpu_microseconds <= 0) spoil(made, "server_not_read");
    if (at.server_cores != at.generator_cores && watch.others() > share_of_others_allowed)
        spoil(made, "server_core_shared");
    return made;
}

sample measure_traced(const cell& what, started& server, const workplace& at,
                      const std::function<bool()>& cancelled) {
    const std::string table = at.directory + "/strace.txt";
    process tracer(
        {{find_program("strace"), "-f", "-c", "-o", table, "-p", fmt::format("{}", server.running->number())},
         {}},
        at.directory + "/strace.log");
    // It says so when it has attached: until then calls would be missed.
    const auto until = std::chrono::steady_clock::now() + 5s;
    while (tracer.last_words(1).find("attached") == std::string::npos) {
        if (!tracer.running() || std::chrono::steady_clock::now() > until)
            return failure(what, "strace cannot attach: " + tracer.last_words(1));
        (void)tracer.read_line(10ms);
    }
    process generator({load_words(what, at, server.port, 0), at.generator_cores}, at.directory + "/load.log");
    const auto output = output_of(generator, what, cancelled);
    ::kill(tracer.number(), SIGINT);
    (void)tracer.read_all(5s);
    if (!output || generator.exit_status() != 0) return failure(what, "the load did not come to an end");
    sample made = from_report(what, *output);
    const auto calls = parse_strace(load::read_whole(table));
    if (!calls) return failure(what, "strace counted nothing");
    sample counted;  // what else the report says was measured of a traced server: not worth keeping
    counted.key = made.key;
    counted.valid = made.valid;
    counted.reasons = made.valid ? "" : made.reasons;
    counted.calls = *calls / static_cast<double>(traced_requests);
    return counted;
}

sample measure_ab(const cell& what, started& server, const workplace& at,
                  const std::function<bool()>& cancelled) {
    process ab({{find_program("ab"), "-q", "-n", fmt::format("{}", ab_requests), "-c",
                 fmt::format("{}", what.load.connections),
                 fmt::format("http://127.0.0.1:{}/{}", server.port, what.load.body)},
                at.generator_cores},
               at.directory + "/ab.log");
    const auto output = output_of(ab, what, cancelled);
    if (!output) return failure(what, "ab did not finish");
    const auto rate = parse_ab(*output);
    if (!rate)
        return failure(what, fmt::format("ab has not had {} good answers {}", ab_requests, ab.last_words(1)));
    sample made;
    made.key = what.key();
    made.requests_per_second = *rate;
    return made;
}

}  // namespace

std::string to_line(const sample& of) {
    std::string out = fmt::format(
        "{{\"key\": {}, \"valid\": {}, \"generator_bound\": {}, \"failed\": {}, \"reasons\": {}",
        load::json_text(of.key), of.valid, of.generator_bound, of.failed, load::json_text(of.reasons));
    for (const named_figure& each : all_figures) {
        const double value = of.*each.value;
        if (value >= 0 && std::isfinite(value)) out += fmt::format(", \"{}\": {:.10g}", each.name, value);
    }
    if (!of.p99_of_runs.empty())
        out += fmt::format(", \"{}\": [{:.6g}]", runs_name, fmt::join(of.p99_of_runs, ", "));
    return out + "}\n";
}

std::optional<sample> parse_sample(std::string_view line) {
    const auto read = load::json_value::parse(line);
    if (!read || !read->is_object()) return std::nullopt;
    const load::json_value* const key = read->find("key");
    if (key == nullptr || key->text().empty()) return std::nullopt;
    sample made;
    made.key = key->text();
    const auto truth = [&](const char* name, bool otherwise) {
        const load::json_value* const found = read->find(name);
        return found == nullptr ? otherwise : found->truth(otherwise);
    };
    made.valid = truth("valid", true);
    made.generator_bound = truth("generator_bound", false);
    made.failed = truth("failed", false);
    if (const load::json_value* const reasons = read->find("reasons")) made.reasons = reasons->text();
    for (const named_figure& each : all_figures) {
        if (const load::json_value* const found = read->find(each.name)) made.*each.value = found->number(-1);
    }
    if (const load::json_value* const runs = read->find(runs_name)) {
        for (const load::json_value& each : runs->elements())
            made.p99_of_runs.push_back(each.number(0));
    }
    return made;
}

sample measure(const cell& what, const subject& which, const workplace& at,
               const std::function<bool()>& cancelled) {
    started server;
    try {
        server = start(which, at, what.load.connections + what.load.idle, what.load.server_threads,
                       what.load.websockets);
    } catch (const std::runtime_error& refused) {
        return failure(what, refused.what());
    }
    sample made;
    switch (what.load.by) {
        case shape::tool::load:
            made = measure_load(what, server, at, cancelled);
            break;
        case shape::tool::traced:
            made = measure_traced(what, server, at, cancelled);
            break;
        case shape::tool::held:
            made = measure_held(what, server, at, cancelled);
            break;
        case shape::tool::ab:
            made = measure_ab(what, server, at, cancelled);
            break;
    }
    if (!made.valid && which.is == subject::kind::model) {
        const std::string words = server.running->last_words(1);  // "no thread can be made", FD_SETSIZE
        if (!words.empty()) made.reasons += " (" + words + ")";
    }
    if (!server.running->running())
        return failure(what, fmt::format("{} died: {}", which.name, server.running->last_words(1)));
    return made;
}

namespace {

// The number behind "Name:" in ab's report.
std::optional<double> ab_figure(std::string_view output, std::string_view name) {
    const std::size_t at = output.find(name);
    if (at == std::string_view::npos) return std::nullopt;
    return std::strtod(std::string(output.substr(at + name.size(), 40)).c_str(), nullptr);
}

}  // namespace

std::optional<double> parse_ab(std::string_view output) {
    // An error page is quickly served: only whole and good answers count.
    if (ab_figure(output, "Non-2xx responses:") || ab_figure(output, "Failed requests:").value_or(1) != 0 ||
        ab_figure(output, "Complete requests:").value_or(0) != ab_requests)
        return std::nullopt;
    return ab_figure(output, "Requests per second:");
}

// % time, seconds, usecs/call, calls, errors, syscall. The sum in the last line leaves columns out in some
// versions; the others never do, except for errors.
std::optional<double> parse_strace(std::string_view table) {
    double all = 0;
    while (!table.empty()) {
        const std::size_t end = std::min(table.find('\n'), table.size());
        const std::string line(table.substr(0, end));
        table.remove_prefix(std::min(end + 1, table.size()));
        double share = 0;
        double seconds = 0;
        unsigned long long each = 0;
        unsigned long long calls = 0;
        if (line.ends_with(" total")) continue;
        if (std::sscanf(line.c_str(), "%lf %lf %llu %llu", &share, &seconds, &each, &calls) == 4)
            all += static_cast<double>(calls);
    }
    return all > 0 ? std::optional(all) : std::nullopt;
}

}  // namespace naru::lab
