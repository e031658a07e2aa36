#include <naru/http/server/metrics.hpp>

#include <naru/http/server/loop_counts.hpp>

#include <algorithm>
#include <bit>
#include <functional>

namespace naru::http {

// Values below 4 have a place each; from there on four for each power of two.
std::size_t latency_histogram::place_of(std::uint64_t microseconds) noexcept {
    if (microseconds < parts) return static_cast<std::size_t>(microseconds);
    const auto octave = static_cast<std::size_t>(std::bit_width(microseconds)) - 1;
    if (octave >= octaves) return parts * (octaves - 1) - 1;
    return (octave - 1) * parts + (microseconds >> (octave - 2) & (parts - 1));
}

std::uint64_t latency_histogram::end_of(std::size_t place) noexcept {
    if (place < parts) return place + 1;
    const std::size_t octave = place / parts + 1;
    return (std::uint64_t{1} << octave) + ((place % parts + 1) << (octave - 2));
}

void latency_histogram::add(std::chrono::microseconds took, std::uint64_t times) noexcept {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0));
    counts[place_of(value)] += times;
    microseconds += value * times;
}

void latency_histogram::add(const latency_histogram& other) noexcept {
    std::ranges::transform(counts, other.counts, counts.begin(), std::plus<>());
    microseconds += other.microseconds;
}

std::uint64_t latency_histogram::count() const noexcept {
    std::uint64_t all = 0;
    for (const std::uint64_t each : counts)
        all += each;
    return all;
}

std::uint64_t latency_histogram::below(std::uint64_t limit) const noexcept {
    std::uint64_t all = 0;
    for (std::size_t each = 0; each < counts.size() && end_of(each) <= limit; ++each)
        all += counts[each];
    return all;
}

std::uint64_t latency_histogram::quantile(double part) const noexcept {
    const std::uint64_t all = count();
    std::uint64_t seen = 0;
    for (std::size_t each = 0; each < counts.size(); ++each) {
        seen += counts[each];
        if (seen > 0 && static_cast<double>(seen) >= part * static_cast<double>(all)) return end_of(each);
    }
    return 0;
}

namespace {

latency_histogram& place_among(std::vector<route_latency>& routes, std::string_view pattern) {
    const auto same = std::ranges::find(routes, pattern, &route_latency::pattern);
    if (same != routes.end()) return same->latency;
    return routes.emplace_back(route_latency{std::string(pattern), {}}).latency;
}

template <class Array>
void add_each(Array& to, const Array& from) noexcept {
    std::ranges::transform(to, from, to.begin(), std::plus<>());
}

}  // namespace

void server_metrics::add(const server_metrics& other) {
    using counter = std::uint64_t server_metrics::*;
    for (const counter each :
         {&server_metrics::connections, &server_metrics::secure_connections, &server_metrics::bytes_in,
          &server_metrics::bytes_out, &server_metrics::cut_answers, &server_metrics::cache_hits,
          &server_metrics::cache_misses, &server_metrics::http2_connections, &server_metrics::http2_streams,
          &server_metrics::upgrades, &server_metrics::handshakes_done, &server_metrics::handshakes_resumed,
          &server_metrics::handshakes_failed})
        this->*each += other.*each;
    using gauge = std::size_t server_metrics::*;
    for (const gauge each :
         {&server_metrics::open_idle, &server_metrics::open_reading, &server_metrics::open_working,
          &server_metrics::open_starved, &server_metrics::open_sending, &server_metrics::open_closing,
          &server_metrics::open_http2, &server_metrics::open_upgraded, &server_metrics::open_streams,
          &server_metrics::handshakes, &server_metrics::buffers, &server_metrics::buffers_leased,
          &server_metrics::buffers_held, &server_metrics::aside_bytes, &server_metrics::cached_files,
          &server_metrics::cached_bytes, &server_metrics::cached_descriptors, &server_metrics::loose_bytes})
        this->*each += other.*each;
    add_each(answers, other.answers);
    add_each(protocols, other.protocols);
    add_each(shed, other.shed);
    for (const route_latency& each : other.routes)
        place_among(routes, each.pattern).add(each.latency);
    if (other.longest_tick.took > longest_tick.took) longest_tick = other.longest_tick;
}

loop_counts::loop_counts() { routes.push_back(std::make_unique<route_latency>()); }

std::uint16_t loop_counts::place_of(std::string_view pattern) {
    for (std::size_t each = 1; each < routes.size(); ++each) {
        if (routes[each]->pattern == pattern) return static_cast<std::uint16_t>(each);
    }
    const bool is_full = routes.size() >= limits::counted_routes;
    if (is_full && routes.back()->pattern == "*") return static_cast<std::uint16_t>(routes.size() - 1);
    routes.push_back(std::make_unique<route_latency>());
    routes.back()->pattern = is_full ? std::string_view("*") : pattern;
    return static_cast<std::uint16_t>(routes.size() - 1);
}

void loop_counts::copy_to(server_metrics& into) const {
    into.connections = connections;
    into.secure_connections = secure_connections;
    into.bytes_in = bytes_in;
    into.bytes_out = bytes_out;
    into.answers = answers;
    into.protocols = protocols;
    into.cut_answers = cut_answers;
    into.shed = shed;
    into.http2_connections = http2_connections;
    into.http2_streams = http2_streams;
    into.upgrades = upgrades;
    for (const auto& each : routes)
        into.routes.push_back(*each);
}

}  // namespace naru::http
