// What goes on in a server, in numbers.
#pragma once

#include <naru/core/clock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

/// How long answers took, from the tick in which the request's head was there until the system has taken the
/// last byte: log-linear, four buckets for each power of two of microseconds, so that a place is known to a
/// quarter.
struct latency_histogram {
    static constexpr std::size_t parts = 4;
    static constexpr std::size_t octaves = 27;  ///< up to 134 s; longer ones count there

    std::array<std::uint64_t, parts*(octaves - 1)> counts{};
    std::uint64_t microseconds = 0;  ///< of all together

    static std::size_t place_of(std::uint64_t microseconds) noexcept;
    /// The first value that is not in it any more, in microseconds.
    static std::uint64_t end_of(std::size_t place) noexcept;
    void add(std::chrono::microseconds took, std::uint64_t times = 1) noexcept;
    void add(const latency_histogram& other) noexcept;
    std::uint64_t count() const noexcept;
    /// So many answers took less than that: exact where `limit` (in microseconds) is a power of two.
    std::uint64_t below(std::uint64_t limit) const noexcept;
    /// What so much of all (0.99) stayed below, in microseconds; 0 if there are none.
    std::uint64_t quantile(double part) const noexcept;
};

struct route_latency {
    std::string pattern;  ///< empty: no route was found, or asked for; "*": of all past counted_routes
    latency_histogram latency;
};

/// Why connections were closed, or answers refused, for others' sake: the words for labels, in the order in
/// which server_metrics::shed counts.
inline constexpr std::array<std::string_view, 22> shed_names = {
    "slow_answer",
    "slow_body",
    "buffers",
    "no_buffer",
    "aside",
    "loose",
    "no_loose",
    "idle",
    "address",
    "handshakes",
    "connection_rate",
    "proxy_untrusted",
    "proxy_header",
    "h2_resets",
    "h2_made_resets",
    "h2_continuations",
    "h2_settings",
    "h2_pings",
    "h2_empty_frames",
    "h2_priorities",
    "h2_window_updates",
    "h2_header_lists",
};

/// A step of a loop's thread, and what it was for.
struct longest_step {
    duration took{};
    std::string route;  ///< the pattern whose handler ran longest in it; empty: none of a handler is known
};

/// Of all loops together. Counters begin with the server.
struct server_metrics {
    // Counters.
    std::uint64_t connections = 0;         ///< accepted
    std::uint64_t secure_connections = 0;  ///< of them, with TLS
    std::uint64_t bytes_in = 0;            ///< without TLS's own
    std::uint64_t bytes_out = 0;
    std::array<std::uint64_t, 500> answers{};  ///< ended, by status - 100; 499: the client left before it
    std::array<std::uint64_t, 3> protocols{};  ///< of them, by HTTP/1.0, HTTP/1.1, HTTP/2
    std::uint64_t cut_answers = 0;             ///< of them, those that did not leave as a whole
    std::array<std::uint64_t, shed_names.size()> shed{};
    std::uint64_t cache_hits = 0;
    std::uint64_t cache_misses = 0;
    std::uint64_t http2_connections = 0;
    std::uint64_t http2_streams = 0;
    std::uint64_t upgrades = 0;  ///< to WebSocket, or another protocol
    std::uint64_t handshakes_done = 0;
    std::uint64_t handshakes_resumed = 0;  ///< of those done
    std::uint64_t handshakes_failed = 0;
    std::uint64_t log_lines_lost = 0;
    std::uint64_t reloads = 0;  ///< sites that were put in another's place
    std::vector<route_latency> routes;

    // As it is.
    std::size_t open_idle = 0;     ///< connections: no whole request of theirs is there
    std::size_t open_reading = 0;  ///< a body is coming
    std::size_t open_working = 0;  ///< a handler, or the disk, is at work
    std::size_t open_starved = 0;  ///< they wait for a buffer
    std::size_t open_sending = 0;
    std::size_t open_closing = 0;
    std::size_t open_http2 = 0;  ///< whatever their streams do
    std::size_t open_upgraded = 0;
    std::size_t open_streams = 0;
    std::size_t handshakes = 0;  ///< under way
    std::size_t buffers = 0;     ///< of the pools, 16 KiB each
    std::size_t buffers_leased = 0;
    std::size_t buffers_held = 0;  ///< of them, by requests under way
    std::size_t aside_bytes = 0;   ///< of the heap, by requests that wait
    std::size_t cached_files = 0;
    std::size_t cached_bytes = 0;
    std::size_t cached_descriptors = 0;
    std::size_t loose_bytes = 0;  ///< being sent, and in no cache any more
    unsigned loops = 0;
    unsigned silent_loops = 0;  ///< did not tell in time: theirs is missing
    bool draining = false;
    std::string_view engine;

    // Since somebody asked for it last.
    longest_step longest_tick;  ///< of a loop: so long others had to wait

    /// Those that are counted with another loop's.
    void add(const server_metrics& other);
};

}  // namespace naru::http
