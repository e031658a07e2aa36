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
    std::unordered_set<std::uint64_t> processed;  ///< POSTs: each once, whatever crashes meanwhile
    std::uint64_t handlers = 0;                   ///< at work
    std::vector<std::string> failures;
    std::uint64_t next_id = 1;
    std::uint64_t asked = 0;   ///< requests that were sent, whole or in part
    std::uint64_t served = 0;  ///< of those who are spared, with the right answer
    std::uint64_t cut = 0;     ///< of those who are not: connections that failed
    bool draining = false;
    bool down = false;          ///< the server's host is, or the server has yet to be there again
    std::uint64_t crashes = 0;  ///< of it, and restarts
    duration longest{0};        ///< of the served
    /// Until then a connection that was kept may be one from before a crash, which its client has yet to
    /// learn.
    instant upset_until = instant::min();

    void fail(std::string what) {
        if (failures.size() < 20) failures.push_back(std::move(what));
    }
    void begin(std::string_view id);
    /// The same of a POST.
    void process(std::string_view id);
    void answered(std::uint64_t id) { begun.erase(id); }
    /// For who does not know how old its connection is: what is no number of crashes while it may be too old.
    std::uint64_t crashes_of_kept_connections() const {
        return clock::now() < upset_until ? ~std::uint64_t{0} : crashes;
    }
    /// Whether the server has been gone at any time since there were so many crashes.
    bool has_crashed_since(std::uint64_t count) const { return down || crashes != count; }
};

http::site make_site(ledger& book);
/// The message `each` that /tell/ID/COUNT sends.
std::string told_message(std::uint64_t id, std::uint64_t each);
void write_files(sim::host& on);

}  // namespace naru::campaign
