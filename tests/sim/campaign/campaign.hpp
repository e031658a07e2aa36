// The web server, its client and the world's misfortunes in one process, from a seed, against a plain model
// of what must come back.
#pragma once

#include <naru/sim/faults.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace naru::campaign {

struct run_options {
    std::uint64_t seed = 1;
    std::uint64_t requests = 2'000;
    std::vector<sim::fault> without;  ///< kinds that are left out
    bool keep_trace = false;
    /// Leaves out who stands between, WebSockets on streams of HTTP/2, and datagrams.
    bool only_plain = false;
};

struct outcome_of_run {
    std::uint64_t requests = 0;
    std::uint64_t events = 0;
    std::uint64_t served = 0;
    std::uint64_t cut = 0;
    sim::fault_table happened;
    sim::fault_table rated;  ///< which kinds had a rate
    std::map<std::string, std::uint64_t> sometimes;
    std::vector<std::string> failures;
    std::vector<std::string> trace;    ///< all of it if it is kept, else nothing
    std::vector<std::string> reports;  ///< what the server had to say
    std::uint64_t trace_hash = 0;
    std::uint64_t longest_ms = 0;  ///< that an honest client has waited
};

outcome_of_run run_seed(const run_options& options);

}  // namespace naru::campaign
