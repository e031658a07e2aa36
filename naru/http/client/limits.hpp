// The HTTP client's maxima, by name. What a server may send at most is in naru/http/limits.hpp.
#pragma once

#include <naru/core/chrono.hpp>

#include <cstddef>
#include <cstdint>

namespace naru::http::limits {

/// Connections of one client, in all and to one origin, those between two requests included; past them
/// requests wait for their turn. Each holds at most one pool buffer.
inline constexpr std::size_t client_connections = 256;
inline constexpr std::size_t connections_per_origin = 16;

/// HTTP/2: requests to one origin at once, which one connection carries; what comes of an answer before it is
/// read (its stream's window), and of all of a connection's before it is looked at; how often a request is
/// sent that the server refuses without a look; how long nothing may have come when an answer is given up,
/// before the connection is given up, too; and how long a connection that nobody uses any more has for its
/// last bytes to leave, before it is closed.
inline constexpr std::size_t client_streams = 100;
inline constexpr std::uint32_t client_stream_window = 256 * 1024;
inline constexpr std::int32_t client_connection_window = 1024 * 1024;
inline constexpr unsigned client_tries = 5;
inline constexpr std::chrono::seconds client_quiet_time{5};
inline constexpr std::chrono::seconds client_farewell{1};

/// Requests of one client that wait for a connection; more fail with EAGAIN.
inline constexpr std::size_t waiting_requests = 4096;

/// How long a connection is kept between two requests, and how long the peer is taken to keep it when it does
/// not say (Keep-Alive: timeout=N): the shortest time that is usual among servers.
inline constexpr std::chrono::seconds client_idle_time{60};
inline constexpr std::chrono::seconds peer_keep_alive{5};

/// TLS sessions that a client keeps, one for an origin, to begin its next connection there with less work.
inline constexpr std::size_t client_sessions = 256;

/// Redirects followed for one request.
inline constexpr unsigned redirects = 10;
/// Bytes of a redirect's body that are read so that its connection can be used again, and how long that may
/// take; past them it is closed.
inline constexpr std::size_t redirect_body_bytes = 64 * 1024;
inline constexpr std::chrono::seconds redirect_body_time{1};

/// Bytes of a URL, and of a request's head.
inline constexpr std::size_t url_bytes = 8 * 1024;
inline constexpr std::size_t client_head_bytes = 64 * 1024;

/// What text() takes if nothing else is said.
inline constexpr std::size_t text_bytes = 16 * 1024 * 1024;

/// Bytes handed to one send, which has its own deadline.
inline constexpr std::size_t send_piece_bytes = 256 * 1024;

/// How long the rest of a request's body is waited for when its answer has come: while nobody reads the
/// answer, so long in which no byte gets away, as so many looks find it; behind its end, so long in all.
inline constexpr std::chrono::milliseconds client_rest_time{1000};
inline constexpr unsigned client_rest_looks = 4;

/// A gzip body is decoded in pieces of so many bytes.
inline constexpr std::size_t decoded_piece_bytes = 16 * 1024;

/// Addresses of one name that are tried.
inline constexpr std::size_t addresses_per_name = 16;

/// Threads that wait for the system's resolver, and names that wait for one of them.
inline constexpr unsigned resolver_threads = 4;
inline constexpr std::size_t resolver_queue = 1024;

}  // namespace naru::http::limits
