// Metrics in Prometheus' text format.
#include <naru/http/server/status_site.hpp>

#include <chrono>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr unsigned first_bound = 6;  // of histograms: 2^6 microseconds
constexpr unsigned last_bound = 26;  // 67 s

std::string label(std::string_view text) {
    std::string escaped;
    for (const char each : text) {
        if (each == '\n') {
            escaped += "\\n";
            continue;
        }
        if (each == '\\' || each == '"') escaped += '\\';
        escaped += each;
    }
    return escaped;
}

double in_seconds(std::uint64_t microseconds) { return static_cast<double>(microseconds) / 1e6; }

class text_writer {
 public:
    /// What the samples behind it are of.
    void family(std::string_view name, std::string_view kind, std::string_view help) {
        name_ = name;
        add("# HELP {} {}\n# TYPE {} {}\n", name, help, name, kind);
    }
    void counter(std::string_view name, std::string_view help) { family(name, "counter", help); }
    void gauge(std::string_view name, std::string_view help) { family(name, "gauge", help); }
    template <class Number>
    void sample(Number value) {
        add("{} {}\n", name_, value);
    }
    template <class Number>
    void sample(std::string_view key, std::string_view said, Number value) {
        add("{}{{{}=\"{}\"}} {}\n", name_, key, label(said), value);
    }
    template <class... Arguments>
    void add(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
        fmt::format_to(std::back_inserter(text), format, std::forward<Arguments>(arguments)...);
    }

    std::string text;

 private:
    std::string_view name_;
};

void put_server(text_writer& to, const server_metrics& of, const status_options& options) {
    to.gauge("naru_info", "What serves.");
    to.add("naru_info{{engine=\"{}\",version=\"{}\"}} 1\n", label(of.engine), label(options.version));
    to.gauge("naru_loops", "Loops, a thread each.");
    to.sample(of.loops);
    to.gauge("naru_loops_silent",
             "Loops that did not answer in time: what they have counted is missing here.");
    to.sample(of.silent_loops);
    to.gauge("naru_longest_tick_seconds",
             "The longest turn of a loop since this was asked for last, and the route whose handler took "
             "most of it.");
    to.sample("route", of.longest_tick.route, std::chrono::duration<double>(of.longest_tick.took).count());
    to.gauge("naru_draining", "Whether it has begun to end.");
    to.sample(of.draining ? 1 : 0);
    to.counter("naru_reloads_total", "Sites that were put in another's place.");
    to.sample(of.reloads);
    to.counter("naru_log_lines_lost_total", "Lines of the access log that could not be written.");
    to.sample(of.log_lines_lost);
}

void put_connections(text_writer& to, const server_metrics& of) {
    to.counter("naru_connections_accepted_total", "Connections, without and with TLS.");
    to.sample("tls", "no", of.connections - of.secure_connections);
    to.sample("tls", "yes", of.secure_connections);
    to.gauge("naru_connections", "Open connections, by what they do.");
    to.sample("state", "idle", of.open_idle);
    to.sample("state", "reading", of.open_reading);
    to.sample("state", "working", of.open_working);
    to.sample("state", "starved", of.open_starved);
    to.sample("state", "sending", of.open_sending);
    to.sample("state", "closing", of.open_closing);
    to.sample("state", "http2", of.open_http2);
    to.sample("state", "upgraded", of.open_upgraded);
    to.counter("naru_tls_handshakes_total", "TLS handshakes that have ended.");
    to.sample("result", "full", of.handshakes_done - of.handshakes_resumed);
    to.sample("result", "resumed", of.handshakes_resumed);
    to.sample("result", "failed", of.handshakes_failed);
    to.gauge("naru_tls_handshakes", "TLS handshakes under way.");
    to.sample(of.handshakes);
    to.counter("naru_http2_connections_total", "Connections that spoke HTTP/2.");
    to.sample(of.http2_connections);
    to.counter("naru_http2_streams_total", "Streams of HTTP/2.");
    to.sample(of.http2_streams);
    to.gauge("naru_http2_streams", "Open streams of HTTP/2.");
    to.sample(of.open_streams);
    to.counter("naru_upgrades_total", "Connections handed over to WebSocket or another protocol.");
    to.sample(of.upgrades);
    to.counter("naru_refusals_total", "Connections closed, or answers refused, for others' sake.");
    for (std::size_t each = 0; each < of.shed.size(); ++each)
        to.sample("reason", shed_names[each], of.shed[each]);
}

void put_answers(text_writer& to, const server_metrics& of) {
    to.counter("naru_requests_total", "Requests whose answers have ended, by protocol.");
    to.sample("protocol", "HTTP/1.0", of.protocols[0]);
    to.sample("protocol", "HTTP/1.1", of.protocols[1]);
    to.sample("protocol", "HTTP/2", of.protocols[2]);
    to.counter("naru_answers_total", "Answers that have ended, by status; 499: the client left before it.");
    for (std::size_t each = 0; each < of.answers.size(); ++each) {
        if (of.answers[each] > 0) to.sample("code", std::to_string(each + 100), of.answers[each]);
    }
    to.counter("naru_answers_cut_total", "Of these, answers that did not leave as a whole.");
    to.sample(of.cut_answers);
    to.counter("naru_received_bytes_total", "Bytes from clients, without those of TLS.");
    to.sample(of.bytes_in);
    to.counter("naru_sent_bytes_total", "Bytes to clients, without those of TLS.");
    to.sample(of.bytes_out);
    constexpr std::string_view name = "naru_request_duration_seconds";
    to.family(name, "histogram", "From a request's head to the last byte of its answer, by route.");
    for (const route_latency& each : of.routes) {
        const std::uint64_t all = each.latency.count();
        if (all == 0) continue;
        const std::string route = label(each.pattern);
        for (unsigned bound = first_bound; bound <= last_bound; ++bound) {
            const std::uint64_t end = std::uint64_t{1} << bound;
            to.add("{}_bucket{{route=\"{}\",le=\"{}\"}} {}\n", name, route, in_seconds(end),
                   each.latency.below(end));
        }
        to.add("{}_bucket{{route=\"{}\",le=\"+Inf\"}} {}\n", name, route, all);
        to.add("{}_sum{{route=\"{}\"}} {}\n", name, route, in_seconds(each.latency.microseconds));
        to.add("{}_count{{route=\"{}\"}} {}\n", name, route, all);
    }
}

void put_memory(text_writer& to, const server_metrics& of) {
    to.gauge("naru_buffers", "Buffers of 16 KiB that there can be.");
    to.sample(of.buffers);
    to.gauge("naru_buffers_leased", "Of these, buffers in use.");
    to.sample(of.buffers_leased);
    to.gauge("naru_buffers_held", "Of these, buffers of requests under way.");
    to.sample(of.buffers_held);
    to.gauge("naru_waiting_bytes", "Memory for requests that wait, or are not complete.");
    to.sample(of.aside_bytes);
    to.gauge("naru_loose_bytes", "Memory for what is being sent and in no cache any more.");
    to.sample(of.loose_bytes);
    to.counter("naru_cache_requests_total", "Looks for a file in the cache.");
    to.sample("result", "hit", of.cache_hits);
    to.sample("result", "miss", of.cache_misses);
    to.gauge("naru_cache_files", "Files in the cache.");
    to.sample(of.cached_files);
    to.gauge("naru_cache_bytes", "Memory of the cache.");
    to.sample(of.cached_bytes);
    to.gauge("naru_cache_descriptors", "Open files of the cache.");
    to.sample(of.cached_descriptors);
}

}  // namespace

std::string metrics_text(const server_metrics& of, const status_options& options) {
    text_writer to;
    put_server(to, of, options);
    put_connections(to, of);
    put_answers(to, of);
    put_memory(to, of);
    return std::move(to.text);
}

}  // namespace naru::http
