// The load generator's maxima, by name. The engine's own are in core/limits.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace naru::load::limits {

/// Scheduled requests of one thread that wait for a free connection. A request in the backlog is only a
/// number, so this bounds how long a run may fall behind, not its memory.
inline constexpr std::uint64_t backlog_requests = 1'000'000;

/// Connections of one thread between connect and its outcome: no more than a listen queue of the usual size
/// holds.
inline constexpr unsigned connects_in_flight = 64;

/// What the command line accepts.
inline constexpr unsigned threads = 256;
inline constexpr std::uint32_t connections = 1'000'000;
inline constexpr unsigned pipeline = 1024;
inline constexpr double lowest_rate = 0.001;
inline constexpr double rate = 1e8;
inline constexpr std::size_t body_bytes = 16 * 1024 * 1024;
inline constexpr std::size_t source_addresses = 65'536;
inline constexpr std::chrono::seconds run_time{86'400};

/// Bytes of the copies of a request that pipelining sends with one call.
inline constexpr std::size_t batch_bytes = 64 * 1024;

/// HTTP/2: streams on a connection, and what a server may send ahead of what has been read, of a stream and
/// of all of a connection.
inline constexpr unsigned streams = 1024;
inline constexpr std::uint32_t stream_window = 16 * 1024 * 1024;
inline constexpr std::int32_t connection_window = 64 * 1024 * 1024;

/// After the end of the measured time, for what is under way.
inline constexpr std::chrono::milliseconds drain{2000};

/// For a server to end a connection that it said it would end, before the client ends it.
inline constexpr std::chrono::milliseconds finish{1000};

/// Connections that one thread opens again in a second after others ended without a single response, and so
/// many at once after a quiet time. A connection that carried a response is opened again at once, always.
inline constexpr unsigned fruitless_connections = 1000;
inline constexpr std::chrono::milliseconds fruitless_burst{100};

/// While connections are opened before a run, without one that comes to be: then the run begins with those
/// that are there, and goes on trying.
inline constexpr std::chrono::milliseconds opening_standstill{2000};

}  // namespace naru::load::limits
