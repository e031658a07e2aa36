#include "load_settings.hpp"

#include <load/limits.hpp>
#include <load/process_tree.hpp>
#include <load/request.hpp>
#include <load/target.hpp>
#include <load/text_file.hpp>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace naru::program {

namespace {

using namespace std::chrono_literals;

// A run that counts requests ends by itself, but not if the target no longer answers.
constexpr duration run_time_default = 10s;
constexpr duration run_time_default_counting = 60s;
constexpr duration warmup_default = 500ms;
constexpr duration probe_limit = 5s;

template <class T>
T checked_range(T value, T least, T most, const char* flag) {
    if (value >= least && value <= most) return value;
    throw usage_error(fmt::format("--{} must be from {} to {}, not {}", flag, least, most, value));
}

template <class T>
T usable(load::or_words<T> made) {
    if (!made) throw usage_error(made.error());
    return std::move(*made);
}

std::string read_body(const std::string& path) {
    auto body = load::read_file(path);
    if (!body)
        throw usage_error(fmt::format("--body-file: cannot read {}: {}", path, body.error().message()));
    return *std::move(body);
}

void read_expectation(const std::string& text, load::run_options& into) {
    const auto number = [&](std::string_view digits) {
        unsigned value = 0;
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || end != digits.data() + digits.size() || value < 100 || value > 599)
            throw usage_error(fmt::format("--expect {}: want a status or a range, as in 200-399", text));
        return value;
    };
    const std::string_view all = text;
    const std::size_t dash = all.find('-');
    into.status_from = number(all.substr(0, dash));
    into.status_to = dash == std::string_view::npos ? into.status_from : number(all.substr(dash + 1));
    if (into.status_to < into.status_from)
        throw usage_error(fmt::format("--expect {}: the range is empty", text));
}

// The first of a name's addresses that takes a connection.
address reachable(const load::url& where) {
    const auto found = load::resolve(where);
    if (!found) throw std::runtime_error(found.error());
    std::error_code why;
    for (const address& each : *found) {
        const auto answered = load::probe(each, probe_limit);
        if (answered) return each;
        // What refuses says more than a family this machine cannot reach.
        if (!why || answered.error().value() == ECONNREFUSED) why = answered.error();
    }
    const std::string place = found->front().text();
    const std::string shown =
        where.host == found->front().host_text() ? place : where.host + " (" + place + ")";
    switch (why.value()) {
        case ECONNREFUSED:
            throw std::runtime_error(fmt::format("nothing listens on {}: connection refused", shown));
        case ETIMEDOUT:
            throw std::runtime_error(fmt::format("no answer from {} within {} s", shown,
                                                 std::chrono::duration<double>(probe_limit).count()));
        default:
            throw std::runtime_error(fmt::format("cannot connect to {}: {}", shown, why.message()));
    }
}

void set_request(const load_settings& given, const load::url& where, load::run_options& made) {
    load::request_settings request;
    if (given.has_body && !given.body_file.empty())
        throw usage_error("--body and --body-file exclude each other");
    if (given.has_body) request.body = given.body;
    if (!given.body_file.empty()) request.body = read_body(given.body_file);
    if (request.body && request.body->size() > load::limits::body_bytes)
        throw usage_error(fmt::format("the body is larger than {} MiB", load::limits::body_bytes >> 20));
    request.method = !given.method.empty() ? given.method : request.body ? "POST" : "GET";
    request.headers = given.headers;
    request.close = given.close;
    made.request = usable(load::build_request(where, request));
    made.to_head = request.method == "HEAD";
}

// Streams are HTTP/2's pipeline.
void set_http2(const load_settings& given, const load::url& where, load::run_options& made) {
    if (!given.http2 && given.streams) throw usage_error("--streams is for --http2");
    if (!given.http2) return;
    if (given.close)
        throw usage_error("--http2 and --close exclude each other: HTTP/2 has no Connection: close");
    if (made.pipeline > 1)
        throw usage_error("--http2 and --pipeline exclude each other: requests under way are --streams");
    made.pipeline = static_cast<unsigned>(
        checked_range<std::int64_t>(given.streams.value_or(1), 1, load::limits::streams, "streams"));
    made.http2 = usable(load::make_http2_request(made.request, where.secure));
}

void set_idle_websocket(const load_settings& given, const load::url& where, load::run_options& made) {
    if (given.idle_websocket.empty()) return;
    if (made.idle == 0) throw usage_error("--idle-websocket is for --idle");
    if (given.idle_silent)
        throw usage_error("--idle-websocket and --idle-silent exclude each other: an upgrade is asked for");
    if (given.http2) throw usage_error("--idle-websocket and --http2 exclude each other");
    auto upgrade = load::make_websocket_upgrade(where, given.idle_websocket);
    if (!upgrade)
        throw usage_error(fmt::format("--idle-websocket {}: {}", given.idle_websocket, upgrade.error()));
    made.idle_upgrade = std::move(*upgrade);
}

void set_schedule(const load_settings& given, load::run_options& made) {
    if (given.rate) {
        if (!(*given.rate >= load::limits::lowest_rate && *given.rate <= load::limits::rate))
            throw usage_error(fmt::format("--rate must be from {:g} to {:g} requests per second, not {:g}",
                                          load::limits::lowest_rate, load::limits::rate, *given.rate));
        made.rate = given.rate;
    }
    if (given.requests) {
        made.requests = static_cast<std::uint64_t>(
            checked_range<std::int64_t>(*given.requests, 1, 1'000'000'000'000, "requests"));
    }
    made.run_time = made.requests ? run_time_default_counting : run_time_default;
    if (!given.duration.empty()) made.run_time = parse_duration(given.duration, "duration");
    if (made.run_time <= duration(0)) throw usage_error("--duration must be more than 0");
    made.warmup = made.requests ? duration(0) : warmup_default;
    if (!given.warmup.empty()) made.warmup = parse_duration(given.warmup, "warmup");
    if (made.requests && made.warmup > duration(0) && !made.rate)
        throw usage_error("--warmup and --requests exclude each other without --rate");
    made.timeout = parse_duration(given.timeout, "timeout");
    if (made.timeout <= duration(0)) throw usage_error("--timeout must be more than 0");
}

}  // namespace

duration parse_duration(const std::string& text, const char* flag) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    const std::string_view unit = end;
    double seconds = -1;
    if (unit.empty() || unit == "s") seconds = value;
    if (unit == "ms") seconds = value / 1000;
    if (unit == "m" || unit == "min") seconds = value * 60;
    if (unit == "h") seconds = value * 3600;
    const double most = std::chrono::duration<double>(load::limits::run_time).count();
    if (end == text.c_str() || !(seconds >= 0 && seconds <= most))
        throw usage_error(fmt::format("--{} {}: want a time up to 24h, as in 10, 500ms or 2m", flag, text));
    return duration(std::llround(seconds * 1e9));
}

load::run_options to_run_options(const load_settings& given) {
    using whole = std::int64_t;
    load::run_options made;
    const load::url where = usable(load::parse_url(given.url));
    set_request(given, where, made);
    set_schedule(given, made);
    read_expectation(given.expect, made);
    const whole most = load::limits::connections;
    made.connections =
        static_cast<std::uint32_t>(checked_range<whole>(given.connections, 1, most, "connections"));
    made.idle = static_cast<std::uint32_t>(checked_range<whole>(given.idle, 0, most, "idle"));
    made.idle_asks = !given.idle_silent;
    set_idle_websocket(given, where, made);
    made.threads =
        static_cast<unsigned>(checked_range<whole>(given.threads, 1, load::limits::threads, "threads"));
    made.pipeline =
        static_cast<unsigned>(checked_range<whole>(given.pipeline, 1, load::limits::pipeline, "pipeline"));
    if (made.threads > made.connections)
        throw usage_error(
            fmt::format("--threads {} is more than --connections {}", made.threads, made.connections));
    made.close = given.close;
    set_http2(given, where, made);
    if (made.close && made.pipeline > 1)
        throw usage_error("--close and --pipeline exclude each other: a connection carries one request");
    made.ramp = checked_range<double>(given.ramp, 0, 1e9, "ramp");
    made.errors_max = checked_range<double>(given.max_errors, 0, 100, "max-errors");
    made.server_process =
        static_cast<int>(checked_range<whole>(given.server_process, 0, 1 << 30, "server-process"));
    if (made.server_process != 0 && load::process_tree(made.server_process).empty())
        throw usage_error(fmt::format("--server-process {}: there is no such process", made.server_process));
    const auto engine = engine_named(given.engine);
    if (!engine) {
        throw usage_error(fmt::format("there is no engine {}: want {}", given.engine, engine_names()));
    }
    made.engine = *engine;
    if (where.secure) {
        made.tls =
            usable(load::make_tls_options(where, !given.insecure, given.ca_file, given.resume, given.http2));
    } else if (given.insecure || given.resume || !given.ca_file.empty()) {
        throw usage_error("--insecure, --ca-file and --resume are for https:// URLs");
    }
    made.target = reachable(where);
    if (where.secure) {
        if (const auto secured = load::probe_tls(made.target, made.tls, probe_limit); !secured)
            throw std::runtime_error(fmt::format(
                "no TLS with {}: {}{}", made.target.text(), secured.error(),
                given.insecure ? "" : " (--insecure takes any certificate, --ca-file names other roots)"));
    }
    const std::uint64_t all = std::uint64_t{made.connections} + made.idle;
    if (!given.source.empty()) {
        made.sources = usable(load::parse_sources(given.source, made.target));
    } else if (all > load::connections_per_source && load::is_loopback(made.target)) {
        made.sources = load::loopback_sources(all);
        if (made.sources.front().family() != made.target.family()) made.sources.clear();
    }
    return made;
}

}  // namespace naru::program
