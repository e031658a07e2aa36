// What a server is told at its start.
#pragma once

#include <naru/backend/choose_backend.hpp>
#include <naru/net/address.hpp>
#include <naru/net/socket.hpp>
#include <naru/net/socket_options.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace naru::http {

/// How long a client may take. Each is a deadline of the loop (milliseconds are its resolution). A plain
/// request only ever pushes its connection's deadline back, which is one store; it would have to be moved in
/// the timer wheel if `write` were shorter than `keep_alive`.
struct timeouts {
    std::chrono::milliseconds head{20'000};   ///< from the first byte of a request to the end of its head
    std::chrono::milliseconds body{30'000};   ///< between two pieces of a body
    std::chrono::milliseconds write{60'000};  ///< without a byte of the answer taken
    std::chrono::milliseconds keep_alive{60'000};  ///< between two requests
    std::chrono::milliseconds drain{10'000};       ///< for what is in flight, when the server stops
};

struct listen_address {
    address where;
    /// Passed over on a system that has no such address, unless it is the last of all.
    bool if_there = false;
    /// The port is the one that the address before it has got.
    bool port_of_previous = false;
};

/// Where a server listens, one address or several.
struct listen_addresses {
    listen_addresses() = default;
    listen_addresses(const address& one) : all{{one}} {}

    std::vector<listen_address> all;
};

struct server_options {
    std::string root = ".";
    listen_addresses listen;
    naru::engine engine = naru::engine::automatic;
    uring_options uring = [] {
        uring_options defaults;
        defaults.direct_descriptors = uring_options::direct::near_limit;
        return defaults;
    }();
    unsigned threads = 1;
    /// One listener for all threads, which hands connections round, instead of one each that share the port.
    /// Always so where ports cannot be shared (Windows).
    bool shared_listener = false;
    bool listings = true;
    http::timeouts timeouts;
    std::optional<std::string> access_log;  ///< a path, or "-"

    // TCP, as measured to help or asked for (see docs/operations.md).
    int backlog = 4096;
    int fast_open_queue = 0;
    /// A connection is accepted when its request has come: one wake-up for both, and half the cost of a
    /// connection that makes one request. One that stays silent is accepted after this time (tcp(7)).
    std::chrono::seconds defer_accept{1};
    std::optional<socket_options::keep_alive_settings> tcp_keep_alive;
    std::chrono::milliseconds user_timeout{0};
    int send_buffer = 0;
    int receive_buffer = 0;
};

}  // namespace naru::http
