// The site that is asked, and the book that is kept of it.
#pragma once

#include "sim/campaign/questions.hpp"

#include <naru/http/http.hpp>
#include <naru/sim/sim.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace naru::campaign {

/// What both sides write down. One thread, so it needs no lock.
struct ledger {
    std::unordered_set<std::uint64_t> begun;  ///< whose handler has been called, and who has no answer yet
    std::uint64_t handlers = 0;               ///< at work
    std::vector<std::string> failures;
    std::uint64_t next_id = 1;
    std::uint64_t asked = 0;   ///< requests that were sent, whole or in part
    std::uint64_t served = 0;  ///< of those who are spared, with the right answer
    std::uint64_t cut = 0;     ///< of those who are not: connections that failed
    bool draining = false;
    duration longest{0};  ///< of the served

    void fail(std::string what) {
        if (failures.size() < 20) failures.push_back(std::move(what));
    }
    void begin(std::string_view id);
    void answered(std::uint64_t id) { begun.erase(id); }
};

http::site make_site(ledger& book);
void write_files(sim::host& on);

}  // namespace naru::campaign
