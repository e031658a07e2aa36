#include <naru/lab/measure.hpp>

#include <naru/load/json.hpp>
#include <naru/load/process_tree.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

using namespace std::chrono_literals;

constexpr auto look_interval = 50ms;
constexpr auto load_patience = 60s;
constexpr std::uint64_t traced_requests = 10'000;
// Share of the server's core that others may have before a sample is invalid.
constexpr double others_allowed = 0.1;
constexpr unsigned ab_requests = 10'000;
constexpr unsigned ab_connections = 1'000;

struct named_figure {
    const char* name;
    double sample::* value;
};
constexpr std::array<named_figure, 12> figures{{
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
}};

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

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

// Waits for the end of `running`; nothing when that took too long or the user wants to stop.
std::optional<std::string> output_of(process& running, const std::function<bool()>& cancelled) {
    const auto until = std::chrono::steady_clock::now() + load_patience;
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

// Reasons that say the generator was the slower one, or only that latencies are not to be trusted to the last
// microsecond: the processor time that the server took for each request stands all the same.
bool concerns_generator(std::string_view kind) {
    return kind == "generator_saturated" || kind == "generator_late" || kind == "too_few_samples";
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

// What has run on the server's cores, and how much of that was the server. Ticks of 10 ms.
class core_watch {
 public:
    core_watch(const workplace& at, int server) : cores_(at.server_cores), server_(server) {
        busy_before_ = busy();
        used_before_ = load::read_cpu_time(load::process_tree(server_));
        from_ = std::chrono::steady_clock::now();
    }

    /// The share of the time since then that others had.
    double others() const {
        const double elapsed =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - from_).count() *
            static_cast<double>(cores_.size());
        const duration used = load::read_cpu_time(load::process_tree(server_)) - used_before_;
        const double seconds = std::chrono::duration<double>(used).count();
        return elapsed > 0 ? std::max(0.0, busy() - busy_before_ - seconds) / elapsed : 0;
    }

 private:
    double busy() const {
        const std::string text = read_file("/proc/stat");
        double ticks = 0;
        for (const int core : cores_) {
            const std::size_t line = text.find(fmt::format("cpu{} ", core));
            unsigned long long user = 0;
            unsigned long long nice = 0;
            unsigned long long system = 0;
            if (line == std::string::npos ||
                std::sscanf(text.c_str() + line, "%*s %llu %llu %llu", &user, &nice, &system) != 3)
                return 0;
            ticks += static_cast<double>(user + nice + system);
        }
        return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
    }

    const std::vector<int>& cores_;
    int server_;
    double busy_before_ = 0;
    duration used_before_{0};
    std::chrono::steady_clock::time_point from_;
};

sample measure_load(const cell& what, started& server, const workplace& at,
                    const std::function<bool()>& cancelled) {
    const core_watch watch(at, server.running->number());
    process generator({load_words(what, at, server.port, server.running->number()), at.generator_cores},
                      at.directory + "/load.log");
    const auto output = output_of(generator, cancelled);
    if (!output) return failure(what, "the load did not come to an end");
    if (generator.exit_status() != 0) return failure(what, generator.last_words(1));
    sample made = from_report(what, *output);
    if (at.server_cores != at.generator_cores && watch.others() > others_allowed) {
        made.valid = false;
        made.reasons += (made.reasons.empty() ? "" : ", ") + std::string("server_core_shared");
    }
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
    const auto output = output_of(generator, cancelled);
    ::kill(tracer.number(), SIGINT);
    (void)tracer.read_all(5s);
    if (!output || generator.exit_status() != 0) return failure(what, "the load did not come to an end");
    sample made = from_report(what, *output);
    const auto calls = parse_strace(read_file(table));
    const double answered = static_cast<double>(traced_requests);
    if (!calls) return failure(what, "strace counted nothing");
    sample counted;
    counted.key = made.key;
    counted.calls = *calls / answered;
    return counted;
}

sample measure_ab(const cell& what, started& server, const workplace& at,
                  const std::function<bool()>& cancelled) {
    process ab({{find_program("ab"), "-q", "-n", fmt::format("{}", ab_requests), "-c",
                 fmt::format("{}", ab_connections),
                 fmt::format("http://127.0.0.1:{}/{}", server.port, what.load.body)},
                at.generator_cores},
               at.directory + "/ab.log");
    const auto output = output_of(ab, cancelled);
    const auto rate = output ? parse_ab(*output) : std::nullopt;
    if (!rate) return failure(what, "ab did not finish: " + ab.last_words(1));
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
    for (const named_figure& each : figures) {
        const double value = of.*each.value;
        if (value >= 0 && std::isfinite(value)) out += fmt::format(", \"{}\": {:.6g}", each.name, value);
    }
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
    for (const named_figure& each : figures) {
        if (const load::json_value* const found = read->find(each.name)) made.*each.value = found->number(-1);
    }
    return made;
}

sample measure(const cell& what, const subject& which, const workplace& at,
               const std::function<bool()>& cancelled) {
    started server;
    try {
        server = start(which, at);
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
        case shape::tool::ab:
            made = measure_ab(what, server, at, cancelled);
            break;
    }
    if (!server.running->running())
        return failure(what, fmt::format("{} died: {}", which.name, server.running->last_words(1)));
    return made;
}

std::optional<double> parse_ab(std::string_view output) {
    constexpr std::string_view name = "Requests per second:";
    const std::size_t at = output.find(name);
    if (at == std::string_view::npos) return std::nullopt;
    const double value = std::strtod(std::string(output.substr(at + name.size(), 40)).c_str(), nullptr);
    return value > 0 ? std::optional(value) : std::nullopt;
}

// % time, seconds, usecs/call, calls, errors, syscall: the last line is the sum ("total"), its fourth number
// the calls.
std::optional<double> parse_strace(std::string_view table) {
    while (table.ends_with('\n'))
        table.remove_suffix(1);
    const std::size_t begin = table.rfind('\n');
    if (begin == std::string_view::npos || !table.ends_with("total")) return std::nullopt;
    std::string_view line = table.substr(begin + 1);
    for (unsigned column = 0;; ++column) {
        const std::size_t first = line.find_first_not_of(' ');
        if (first == std::string_view::npos) return std::nullopt;
        line.remove_prefix(first);
        if (column == 3) break;
        line.remove_prefix(std::min(line.find(' '), line.size()));
    }
    std::uint64_t calls = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), calls);
    return error == std::errc() ? std::optional(static_cast<double>(calls)) : std::nullopt;
}

}  // namespace naru::lab
