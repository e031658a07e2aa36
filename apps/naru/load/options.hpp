// What a run is told at its start.
#pragma once

#include <load/http2.hpp>
#include <load/tls.hpp>
#include <load/websocket_upgrade.hpp>
#include <naru/backend/choose_backend.hpp>
#include <naru/os/address.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace naru::load {

struct run_options {
    address target;
    tls_options tls;       ///< https
    std::string request;   ///< one whole request, as it is sent
    bool to_head = false;  ///< it is a HEAD: responses have no body

    std::uint32_t connections = 64;                 ///< that requests are sent on
    std::uint32_t idle = 0;                         ///< beside those: opened, one request each, then silent
    bool idle_asks = true;                          ///< whether idle connections send that one request
    std::optional<websocket_upgrade> idle_upgrade;  ///< in its place: they become WebSockets, and stay
    unsigned threads = 1;                           ///< each with its own loop; no more than connections
    unsigned pipeline = 1;               ///< requests under way on one connection; with HTTP/2 its streams
    std::optional<http2_request> http2;  ///< `request` as HTTP/2 has it: that is spoken, and nothing else
    bool close = false;  ///< a connection for each request, which says so itself (Connection: close)

    std::optional<double> rate;  ///< requests per second on a fixed schedule: the open loop
    duration warmup{0};          ///< requests before its end are not measured
    duration run_time{std::chrono::seconds(10)};
    std::optional<std::uint64_t> requests;      ///< ends the run before run_time when so many were measured
    duration timeout{std::chrono::seconds(5)};  ///< for a connection, and for a response from its sending

    double ramp = 0;               ///< connections opened per second; 0: as fast as the target takes them
    std::vector<address> sources;  ///< connections are bound to these in turn; empty: the system chooses
    naru::engine engine = naru::engine::automatic;

    unsigned status_from = 200;  ///< the range of statuses that count as answers
    unsigned status_to = 399;
    double errors_max = 1;  ///< percent of all requests: more make the run invalid

    int server_process = 0;  ///< of a server on this machine: its processor time and memory are read as well

    /// For tests: called by each thread once in every tick, with the thread's index.
    std::function<void(unsigned)> every_tick;
};

}  // namespace naru::load
