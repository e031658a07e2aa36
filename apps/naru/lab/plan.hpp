// What a run of the lab measures, cell by cell, before anything is measured.
#pragma once

#include <lab/subject.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace naru::lab {

struct settings {
    bool quick = false;
    std::vector<std::string> models;     ///< empty: all (quick: five of them)
    std::vector<std::string> scenarios;  ///< empty: all
    std::uint32_t connections = 10'000;
    std::uint32_t active = 100;
    std::uint32_t held = 1'000'000;  ///< idle connections of the scenario "held"
    unsigned runs = 24;              ///< undisturbed runs beside those; half as many before and after
    bool websockets = false;         ///< those are WebSockets
    unsigned rounds = 0;             ///< 0: 4, or 2 when quick
    double seconds = 0;              ///< measured in each cell; 0: 0.5, or 0.25 when quick
    double rate = 5'000;             ///< requests per second where the load has a schedule
};

/// The load of one cell; `naru load` gets it as flags.
struct shape {
    std::size_t body = 64;
    std::uint32_t connections = 64;
    std::uint32_t idle = 0;
    double rate = 0;  ///< 0: closed loop
    unsigned pipeline = 1;
    bool close = false;
    double warmup = 0.15;
    double seconds = 0.5;
    double ramp = 0;
    enum class tool : std::uint8_t {
        load,    ///< naru load
        traced,  ///< naru load, a fixed number of requests, while strace counts the server's system calls
        ab,      ///< ApacheBench, as the chapter calls it
        held,    ///< naru load, while another one holds the idle connections
    };
    tool by = tool::load;
    bool websockets = false;      ///< the idle ones are
    unsigned server_threads = 1;  ///< of a subject that is told (subject::kind::holder)
    // By tool::held: runs of `seconds` one after another, until so many were undisturbed.
    unsigned runs = 1;
    unsigned runs_at_most = 1;  ///< the disturbed ones included
};

struct cell {
    std::string scenario;  ///< "connections", "activity", ... (scenarios below)
    std::string subject;
    double x = 0;  ///< what the scenario varies
    unsigned round = 0;
    shape load;

    /// The same for the same cell in every run: "connections/epoll/10000/2".
    std::string key() const;
    /// A guess, for the time that is left.
    double expected_seconds() const;
};

namespace scenarios {
inline constexpr std::string_view connections = "connections";  ///< x: connections, of which `active` ask
inline constexpr std::string_view activity = "activity";        ///< x: how many of 1,000 ask
inline constexpr std::string_view size = "size";                ///< x: bytes of the body
inline constexpr std::string_view pipeline = "pipeline";        ///< x: requests under way on a connection
inline constexpr std::string_view churn = "churn";              ///< a connection for each request
inline constexpr std::string_view reading = "reading";          ///< a byte at a time against all there is
inline constexpr std::string_view calls = "calls";              ///< system calls
inline constexpr std::string_view servers = "servers";  ///< x: 0: 1,000 busy connections; 1: as the chapter
inline constexpr std::string_view ab = "ab";            ///< ab -n 10000 -c 1000
inline constexpr std::string_view held = "held";        ///< x: idle connections beside the active ones
inline constexpr std::array<std::string_view, 10> all{connections, activity, size,    pipeline, churn,
                                                      reading,     calls,    servers, ab,       held};
}  // namespace scenarios

/// Cells in the order of measuring. The subjects of one point follow one another, round by round, each round
/// starting with another of them: what disturbs the machine meets them all.
std::vector<cell> make_plan(const settings& chosen, std::span<const subject> subjects, const workplace& at);

/// Far beyond the chapter's question a run would take hours and all memory on machines with high limits.
inline constexpr std::uint32_t connections_at_most = 20'000;

/// The most connections that a run goes up to: as many as descriptors and memory allow, and
/// connections_at_most.
std::uint32_t most_connections(const workplace& at);

/// What of this machine is too little for so many idle connections of the scenario "held", and how to have
/// more of it; empty: nothing.
std::string lacking_for(std::uint32_t held, const workplace& at);

/// The most connections that a subject can have here, and why; 0: as many as are asked for.
struct ceiling {
    std::uint32_t connections = 0;
    std::string why;
};
ceiling ceiling_of(const std::string& subject_name, const workplace& at);

}  // namespace naru::lab
