// What one loop counts, in plain integers of its own thread.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/metrics.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

struct loop_counts {
    std::uint64_t connections = 0;
    std::uint64_t secure_connections = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::array<std::uint64_t, 500> answers{};
    std::array<std::uint64_t, 3> protocols{};
    std::uint64_t cut_answers = 0;
    std::array<std::uint64_t, shed_names.size()> shed{};
    std::uint64_t http2_connections = 0;
    std::uint64_t http2_streams = 0;
    std::uint64_t upgrades = 0;
    std::vector<std::unique_ptr<route_latency>> routes;

    loop_counts();
    /// Where answers by this pattern are counted. 0: those without. Throws std::bad_alloc.
    std::uint16_t place_of(std::string_view pattern);
    /// An answer has ended, or several that were alike. `protocol`: the minor version of HTTP/1, or 2.
    void count(unsigned status, std::uint16_t route, std::chrono::microseconds took, unsigned protocol,
               std::uint64_t cut, std::uint64_t ended = 1) noexcept {
        if (status - 100 < answers.size()) answers[status - 100] += ended;
        protocols[protocol < protocols.size() ? protocol : 1] += ended;
        cut_answers += cut;
        routes[route]->latency.add(took, ended);
    }
    void copy_to(server_metrics& into) const;
};

}  // namespace naru::http
