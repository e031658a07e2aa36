// What a run has measured, and what is to be thought of it.
#pragma once

#include <load/histogram.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace naru::load {

enum class failure : std::uint8_t {
    refused,            ///< nothing listens (ECONNREFUSED)
    reset,              ///< the connection was reset, or could not be written to
    timed_out,          ///< no connection, or no response, within the time allowed
    bad_response,       ///< not HTTP/1, or not what it says it is
    unexpected_status,  ///< a response whose status is not among the expected
    closed_early,       ///< the connection was ended before its response was complete
    no_port,            ///< no local port is free (EADDRNOTAVAIL)
    other,              ///< no descriptor, no route, and the rest
};
inline constexpr std::size_t failures = 8;

/// As in the JSON report: refused, reset, timeout, ...
std::string_view name_of(failure which) noexcept;

/// Counted by one thread, merged at the end.
struct totals {
    std::uint64_t completed = 0;  ///< measured requests that were answered, whatever the status
    std::uint64_t in_time = 0;    ///< answers within the measured time, whenever their requests were sent
    std::uint64_t failed = 0;     ///< measured requests that ended in an error other than their status
    std::uint64_t timeouts_timed = 0;  ///< of those, timeouts, which are in the latencies too
    std::uint64_t unfinished = 0;      ///< measured requests without an answer at the end
    std::uint64_t unsent = 0;          ///< of those, never sent: no connection became free
    std::uint64_t overflowed = 0;      ///< scheduled requests dropped because the backlog was full
    std::uint64_t scheduled = 0;       ///< open loop: requests whose time came
    std::uint64_t waited = 0;  ///< of those, found every connection busy and were sent when one was free
    std::uint64_t behind_at_end = 0;  ///< open loop: waited for a connection when the measured time ended
    std::uint64_t backlog_max = 0;
    duration longest_silence{0};  ///< of the measured time: requests were under way, and not one answer came
    duration silence_began{0};    ///< from the beginning of the measured time
    std::uint64_t bytes_received = 0;              ///< by active connections in the measured time
    std::uint64_t sent_again = 0;                  ///< requests that the server had not looked at
    std::array<std::uint64_t, failures> errors{};  ///< of requests, and of connections without one
    std::array<std::uint64_t, 5> statuses{};       ///< of `in_time`: 1xx (never), 2xx, 3xx, 4xx, 5xx
    std::uint64_t opened = 0;                      ///< connections, the idle ones too
    std::uint64_t reopened = 0;                    ///< of those, in place of one that had ended or failed
    std::uint64_t not_opened = 0;     ///< neither open nor failed when the run began without them
    std::uint64_t held_back = 0;      ///< times that limits::fruitless_connections held a connection back
    duration held_back_for{0};        ///< in all
    std::uint64_t close_ignored = 0;  ///< ended by the client: the server did not say that it would
    std::uint64_t not_ended =
        0;  ///< ended by the client after limits::finish: the server said so and did not
    std::uint64_t streams_allowed = 0;  ///< HTTP/2: on one connection, if fewer than asked for; 0: enough
    std::uint64_t idle_open = 0;        ///< at the end
    std::uint64_t idle_lost = 0;        ///< idle connections that the peer ended
    std::string first_problem;          ///< of a bad response or an unusual error, in words

    void merge(const totals& other);
    std::uint64_t errors_in_all() const noexcept;
    /// Measured requests that were sent and had no answer when the run ended.
    std::uint64_t unanswered() const noexcept { return unfinished - unsent; }
    /// Measured requests, each with one outcome.
    std::uint64_t requests() const noexcept { return completed + failed + unfinished + overflowed; }
};

struct second {
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
    std::uint64_t samples = 0;  ///< latencies among them
    duration p50{0};
    duration p99{0};
    duration max{0};
};

/// How one generator thread fared in the measured time.
struct thread_effort {
    double cpu_share = 0;  ///< of one core, without the next
    double spin_share =
        0;  ///< of one core, spent looking for events instead of sleeping for a few microseconds
    double away_share = 0;    ///< of the time, in which it did not look for events
    double wait_share = -1;   ///< of the time, in which it wanted to run and had no core; -1: not known
    double paused_share = 0;  ///< of the time, in which it stood still for more than a twentieth of a second
    duration longest_pause{0};
};

/// What the rest of the machine did meanwhile. -1: not known.
struct machine_effort {
    double steal_share = -1;             ///< of all cores' time, taken by the hypervisor
    std::int64_t listen_overflows = -1;  ///< of all listeners of this machine, from the first connection on
    std::int64_t listen_drops = -1;
};

/// What the server used (run_options::server_process), with all its descendants.
struct server_effort {
    double seconds = 0;  ///< between the two looks at its processor time: the measured time
    duration on_cpu{0};  ///< in that time
    // Memory with all connections open; nothing: not known.
    std::optional<std::uint64_t> user_bytes;   ///< see process_memory
    std::optional<std::int64_t> kernel_bytes;  ///< the kernel's, by which it has grown since before the first
    std::uint64_t processes = 0;
    std::uint64_t threads = 0;
};

struct reason {
    std::string kind;  ///< generator_saturated, schedule_missed, ... (docs/load.md lists all)
    std::string text;  ///< a sentence with figures and what to change
};

struct report {
    bool open_loop = false;
    bool interrupted = false;
    bool local_target = false;  ///< the target is this machine
    std::string engine;
    double measured_seconds = 0;
    double opening_seconds = 0;                    ///< from the first connection to all
    double rate = 0;                               ///< open loop: what was asked for
    double errors_max = 1;                         ///< percent, what was allowed
    std::optional<std::uint64_t> requests_wanted;  ///< run_options::requests
    std::uint64_t connections_wanted = 0;
    std::uint64_t idle_wanted = 0;
    totals counts;
    histogram service;    ///< from the sending of a request
    histogram corrected;  ///< from the time it was meant to be sent; open loop only
    histogram lag;        ///< how long the generator itself may have held a request or its response up
    std::vector<second> seconds;
    std::vector<thread_effort> threads;
    machine_effort machine;
    std::optional<server_effort> server;  ///< none was named, or it is gone

    double requests_per_second() const noexcept;
    /// What latency means in this run: corrected in the open loop, else service.
    const histogram& latency() const noexcept { return open_loop ? corrected : service; }
    double cpu_share() const noexcept;  ///< the busiest thread's
    double cpu_microseconds_per_request() const noexcept;
    /// Of the server, per request answered in the measured time; 0 without one.
    double server_microseconds_per_request() const noexcept;
};

/// Reasons why the figures of a run do not describe the server; none: the run is valid.
std::vector<reason> judge(const report& of);

/// What a reader should know of a valid run: what closed loops hide, that the server did not keep up.
std::vector<std::string> remarks_on(const report& of);

}  // namespace naru::load
