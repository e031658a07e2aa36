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
/// How old an entry may get before the file is looked at again, and what is known of the root before its path
/// is followed again.
inline constexpr auto cache_age = 1000ms;
/// How long a request waits for that look; then it is answered with what is known.
inline constexpr auto stale_after = 1000ms;
/// File systems keep times no coarser than this (FAT): a file changed so shortly before it was read may have
/// been changed after, and its times do not tell.
inline constexpr auto file_time_granule = 2s;
/// A file that is written to while it is read is read again, so often in all.
inline constexpr unsigned reads_of_a_changing_file = 3;

/// Threads for looks at the disk that would block, of all loops, and the looks that wait for one; past them
/// the answer is 503. Listings have a thread and a queue to themselves: they take long.
inline constexpr unsigned disk_threads = 4;
inline constexpr std::size_t disk_queue = 1024;
inline constexpr unsigned listing_threads = 1;
inline constexpr std::size_t listing_queue = 64;
/// Requests of one loop that wait for the disk: each look is made once, however many wait for it. Past it
/// 503.
inline constexpr std::size_t disk_waiters = 8192;
/// Of those that waited for one look, so many are answered before other connections have their turn.
inline constexpr unsigned disk_waiters_per_turn = 256;
/// At the server's end, when nobody waits any more: how long a look may take that has begun. One that takes
/// longer hangs, and its thread is left behind.
inline constexpr auto disk_hangs_after = 1000ms;

/// After an answer that ends the connection while the client may still be sending: how long, and how much, is
/// read and dropped so that a reset does not destroy the answer on its way (RFC 9112, section 9.6).
inline constexpr auto linger_time = 2s;
inline constexpr std::uint64_t linger_bytes = 1024 * 1024;

/// Access log lines that wait to be written; more are dropped, counted, and reported so often at most.
inline constexpr std::size_t access_log_bytes = 4 * 1024 * 1024;
inline constexpr auto access_log_report_interval = 10s;

}  // namespace naru::http::limits
