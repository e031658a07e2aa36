// What a client may ask of the server at most.
#pragma once

#include <naru/core/limits.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace naru::http::limits {

using namespace std::chrono_literals;

/// Past these the answers are 414 and 431. A head lies in one pool buffer.
inline constexpr std::size_t request_line_bytes = 8 * 1024;
inline constexpr std::size_t head_bytes = naru::limits::buffer_bytes;
inline constexpr unsigned header_count = 100;

/// A request body that nobody wants is read and dropped up to here (the connection stays usable); past it the
/// answer is 413 and the connection ends.
inline constexpr std::uint64_t body_bytes = 1024 * 1024;
inline constexpr std::size_t chunk_line_bytes = 1024;
inline constexpr std::size_t trailer_bytes = 8 * 1024;

/// Pipelined requests answered before other connections have their turn.
inline constexpr unsigned pipelined_per_turn = 64;

/// Bytes of answers that wait in memory for a client that does not read: one pool buffer. Larger bodies are
/// sent from where they lie (cache or file); nothing more is read from the client meanwhile.
inline constexpr std::size_t output_bytes = naru::limits::buffer_bytes;

/// A body up to this size is copied behind its head, so that both leave in one piece with one slice: below it
/// a copy costs less than a second iovec.
inline constexpr std::size_t copied_body_bytes = 4 * 1024;

/// Ranges answered in one request; with more, the whole file is sent (RFC 9110, section 14.2).
inline constexpr unsigned ranges = 16;

/// Pieces of one answer that are not copied: a part's head and its bytes for each range, and the end.
inline constexpr std::size_t pieces = 2 * ranges + 1;

/// Entries shown of a directory.
inline constexpr std::size_t listing_entries = 10'000;

/// The in-memory cache of one loop: files up to cached_file_bytes by content, larger ones by open descriptor.
inline constexpr std::size_t cache_entries = 4096;
inline constexpr std::size_t cache_bytes = 32 * 1024 * 1024;
inline constexpr std::size_t cached_file_bytes = 64 * 1024;
inline constexpr std::size_t cached_descriptors = 128;
/// How old an entry may get before the file is looked at again.
inline constexpr auto cache_age = 1000ms;

/// After an answer that ends the connection while the client may still be sending: how long, and how much, is
/// read and dropped so that a reset does not destroy the answer on its way (RFC 9112, section 9.6).
inline constexpr auto linger_time = 2s;
inline constexpr std::uint64_t linger_bytes = 1024 * 1024;

/// Access log lines that wait to be written; more are dropped, counted, and reported so often at most.
inline constexpr std::size_t access_log_bytes = 4 * 1024 * 1024;
inline constexpr auto access_log_report_interval = 10s;
/// Bytes of a log in one write (PIPE_BUF: all of them or none, and never within another's line); how often
/// its path is looked at for another file; how long what is left may stand still at the end.
inline constexpr std::size_t log_write_bytes = 4096;
inline constexpr auto log_look_interval = 1s;
inline constexpr auto log_end_time = 1s;
/// The operator's lines that wait for standard output or standard error.
inline constexpr std::size_t operator_log_bytes = 256 * 1024;

/// At a stop: how long nothing may come out of a listener's queue before it is taken for empty, and how long
/// it is emptied at most, where new connections cannot be kept out of it.
inline constexpr auto accept_settle_time = 10ms;
inline constexpr auto accept_drain_time = 2s;

}  // namespace naru::http::limits
