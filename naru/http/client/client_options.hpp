// How a client goes about its requests.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/http/client/limits.hpp>
#include <naru/os/address.hpp>
#include <naru/stream/tls/tls_context.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace naru {

class worker_pool;

}  // namespace naru

namespace naru::http {

/// How long each step may take.
struct client_timeouts {
    duration resolve = std::chrono::seconds(10);  ///< the name's addresses
    duration wait = std::chrono::seconds(30);     ///< for a connection, when as many as may be are busy
    duration connect = std::chrono::seconds(10);  ///< to each address
    duration send = std::chrono::seconds(30);     ///< each piece of the request (limits::send_piece_bytes)
    duration head = std::chrono::seconds(30);     ///< the answer's head, from when the request is sent
    duration idle = std::chrono::seconds(30);     ///< between two pieces of the answer's body
    duration total = duration::max();             ///< all of it, redirects and the answer's body included

    client_timeouts() noexcept {}
};

struct client_options {
    client_timeouts timeouts;
    std::size_t connections = limits::client_connections;
    std::size_t connections_per_origin = limits::connections_per_origin;
    bool http2 = true;  ///< with https, where the server chooses it (ALPN)
    std::size_t streams_per_origin = limits::client_streams;  ///< requests at once on an HTTP/2 connection
    std::size_t waiting_requests = limits::waiting_requests;
    duration idle_time = limits::client_idle_time;  ///< a connection is kept so long between two requests;
                                                    ///< 0: each request has a connection of its own
    duration keep_alive = limits::peer_keep_alive;  ///< the peer's, when it does not say
    unsigned redirects = limits::redirects;         ///< followed; 0: an answer that redirects is an answer
    bool decompress = true;                         ///< ask for gzip where it can be decoded, and decode it
    std::string user_agent = "naru";                ///< empty: no such field
    tls_client_options tls;                         ///< for https; `protocols` is the client's own affair
    worker_pool* workers = nullptr;                 ///< for the resolver; else the client has threads of its
                                                    ///< own, from the first name on
    /// Instead of the system's resolver: called on a worker thread, from one or more at a time, and perhaps
    /// still after the client has given the name up.
    std::function<result<std::vector<address>>(const std::string& host, std::uint16_t port)> resolve;

    client_options() {}
};

}  // namespace naru::http
