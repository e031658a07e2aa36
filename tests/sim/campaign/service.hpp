// The site that is asked, and the book that is kept of it.
#pragma once

#include "sim/campaign/questions.hpp"

#include <naru/http/http.hpp>
#include <naru/sim/sim.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace naru::campaign {

/// The way from a client to the server.
enum class route : std::uint8_t {
    direct,
    forwarded,  ///< by who moves bytes both ways, and knows nothing of them
    proxied,    ///< by a web server whose handler asks the server
};

/// What both sides write down. One thread, so it needs no lock.
struct ledger {
    std::unordered_set<std::uint64_t> begun;  ///< whose handler has been called, and who has no answer yet
    std::unordered_set<std::uint64_t> taken;  ///< the same of the proxy's handler
    std::unordered_set<std::uint64_t> processed;  ///< POSTs: each once, whatever crashes meanwhile
    std::uint64_t handlers = 0;                   ///< at work
    std::uint64_t proxying = 0;                   ///< the same of the proxy's
    std::vector<std::string> failures;
    std::uint64_t next_id = 1;
    std::uint64_t asked = 0;          ///< requests that were sent, whole or in part
    std::uint64_t served = 0;         ///< of those who are spared, with the right answer
    std::uint64_t served_by[3] = {};  ///< the same, by their routes
    std::uint64_t tunnels = 0;        ///< WebSockets of those on streams of HTTP/2 that went as they should
    std::uint64_t datagrams = 0;      ///< the same of questions in datagrams
    std::uint64_t cut = 0;            ///< of those who are not: connections that failed
    bool draining = false;
    instant drain_limit = instant::max();  ///< when what is not finished by then is cut
    bool down = false;                     ///< the server's host is, or the server has yet to be there again
    std::uint64_t crashes = 0;             ///< of it, and restarts
    bool middle_draining = false;          ///< the proxy
    bool middle_down = false;              ///< the host of those between clients and server is
    std::uint64_t middle_crashes = 0;
    instant middle_upset_until = instant::min();  ///< as below, of their connections
    /// Bytes of a streamed body that have come to the other side, of those whose sender waits for that.
    std::unordered_map<std::uint64_t, std::uint64_t> seen;
    duration longest{0};  ///< of the served
    /// Until then a connection that was kept may be one from before a crash, which its client has yet to
    /// learn.
    instant upset_until = instant::min();

    void fail(std::string what) {
        if (failures.size() < 20) failures.push_back(std::move(what));
    }
    void begin(std::string_view id);
    /// The same of a POST.
    void process(std::string_view id);
    void answered(std::uint64_t id) {
        begun.erase(id);
        taken.erase(id);
    }
    void saw(std::uint64_t id, std::uint64_t bytes) {
        if (const auto at = seen.find(id); at != seen.end()) at->second += bytes;
    }
    /// Of all who are on that way. What is no number of crashes while the proxy may have connections from
    /// before one.
    std::uint64_t crashes_on(route by) const {
        if (by == route::proxied) return crashes_of_kept_connections(by);
        return crashes + (by == route::direct ? 0 : middle_crashes);
    }
    /// For who does not know how old its connection is.
    std::uint64_t crashes_of_kept_connections(route by) const {
        const instant now = clock::now();
        if (now < upset_until || (by != route::direct && now < middle_upset_until)) return ~std::uint64_t{0};
        return crashes + (by == route::direct ? 0 : middle_crashes);
    }
    /// Whether somebody on that way has been gone at any time since there were so many crashes.
    bool has_crashed_since(route by, std::uint64_t count) const {
        return is_down(by) || crashes + (by == route::direct ? 0 : middle_crashes) != count;
    }
    bool is_down(route by) const { return down || (by != route::direct && middle_down); }
    bool drains(route by) const { return draining || (by == route::proxied && middle_draining); }
};

/// While one lives, a handler is at work: of the server's, or of others that are told.
struct at_work {
    explicit at_work(ledger& in) : at_work(in.handlers) {}
    explicit at_work(std::uint64_t& of) : count(of) { ++count; }
    ~at_work() { --count; }
    at_work(const at_work&) = delete;
    at_work& operator=(const at_work&) = delete;
    std::uint64_t& count;
};

std::uint64_t number_of(std::string_view text);
http::site make_site(ledger& book);
/// Waits until as many bytes have been seen, or for as long as an honest client would, or until it is over;
/// whether they were.
task<bool> until_seen(ledger& book, std::uint64_t id, std::uint64_t bytes, const bool& over);
/// The message `each` that /tell/ID/COUNT sends.
std::string told_message(std::uint64_t id, std::uint64_t each);
void write_files(sim::host& on);

}  // namespace naru::campaign
