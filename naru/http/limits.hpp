// What the peers of HTTP, clients and servers, may ask at most.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/limits.hpp>

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

/// Pipelined requests answered in one tick behind the first of each connection, and bytes of answers in
/// memory that leave in it before that is all. Then a connection that has had an answer waits for its turn:
/// so many have theirs in each tick, less those of whom something was received in the tick before, for so
/// many answers, and go to the end of the queue.
inline constexpr unsigned pipelined_per_tick = 4096;
inline constexpr std::int64_t answer_bytes_per_tick = 1024 * 1024;
inline constexpr unsigned turns_per_tick = 64;
inline constexpr unsigned least_turns_per_tick = 4;
inline constexpr unsigned pipelined_per_turn = 16;

/// Bytes of answers that wait in memory for a client that does not read: one pool buffer. Larger bodies are
/// sent from where they lie (cache or file); nothing more is read from the client meanwhile.
inline constexpr std::size_t output_bytes = naru::limits::buffer_bytes;

/// The longest head that is written into the output, with the page of a refusal behind it. An answer is begun
/// when the output has this much room, so that it never has to be taken back.
inline constexpr std::size_t answer_head_bytes = 2048;

/// A body up to this size is copied behind its head, so that both leave in one piece with one slice: below it
/// a copy costs less than a second iovec.
inline constexpr std::size_t copied_body_bytes = 4 * 1024;

/// Fields of an answer that handlers and middleware have added.
inline constexpr std::size_t answer_fields_bytes = 8 * 1024;

/// Forms with files (multipart_form): parts, and the head of each.
inline constexpr unsigned form_parts = 100;
inline constexpr std::size_t form_head_bytes = 4 * 1024;

/// Patterns of routes: parameters, and segments.
inline constexpr std::size_t path_parameters = 8;
inline constexpr std::size_t route_segments = 32;

/// A coroutine handler's request head is kept in its exchange's block up to this size, else in a block of the
/// heap.
inline constexpr std::size_t kept_head_bytes = 1024;

/// Strings that a loop keeps for heads to come, rather than to allocate them; the first of them may be large.
/// The streams of an HTTP/2 connection that have come in one piece have as many heads at a time.
inline constexpr std::size_t spares = 64;
inline constexpr std::size_t large_spares = 8;

/// Threads for handlers that block, of all loops, and the requests that wait for one; past them 503.
inline constexpr unsigned blocking_threads = 8;
inline constexpr std::size_t blocking_queue = 1024;

/// Threads for steps of TLS handshakes with a dear key (RSA), of all loops, and the steps that wait for one;
/// past them they are made on the loop's own thread.
inline constexpr unsigned handshake_threads = 2;
inline constexpr std::size_t handshake_queue = 4096;
/// Encoders of one loop (content coding on the fly) that are at work at a time, each of up to a MiB; past it
/// answers go as they are. Of each coding so many are kept.
inline constexpr std::size_t encoders = 32;
inline constexpr std::size_t encoders_kept = 4;
/// What an encoder that writes an answer in pieces makes, or reads of a file, at a time.
inline constexpr std::size_t encoder_block_bytes = 16 * 1024;
/// An encoder's room for whole answers is kept from one to the next up to this size.
inline constexpr std::size_t kept_encoded_bytes = 256 * 1024;
/// Files up to this size are encoded when they are loaded (files_options::encode).
inline constexpr std::size_t encoded_file_bytes = 1024 * 1024;

/// Elements of X-Forwarded-For and Forwarded that are looked at, from the right.
inline constexpr std::size_t forwarded_hops = 32;
/// The longest header of the PROXY protocol, with what stands behind the addresses.
inline constexpr std::size_t proxy_header_bytes = 4 * 1024;
/// Clients whose rates are known at a time (client_rates), 16 bytes each.
inline constexpr std::size_t rated_clients = 65'536;
/// Of a host's name (RFC 1035, section 2.3.4, with a dot at its end).
inline constexpr std::size_t host_name_bytes = 255;

/// Sites of one loop that still have requests under way after they have been replaced; past it the requests
/// of the oldest are ended.
inline constexpr std::size_t site_generations = 256;

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
/// Files whose ETag is a hash of their content, by default; and those that a loop's thread reads for it, if
/// they are in the system's memory.
inline constexpr std::uint64_t hashed_file_bytes = 1024 * 1024;
inline constexpr std::uint64_t hashed_at_once_bytes = 256 * 1024;
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
/// Looks that a loop's thread makes itself in one tick (at paths that are not in its cache, or were not
/// looked at for cache_age), and as many of those who have waited for that: each is some calls to the system.
/// Others wait for the next tick, who came first goes first.
inline constexpr unsigned looks_per_tick = 64;
/// Of those that waited for one look, so many are answered before other connections have their turn.
inline constexpr unsigned disk_waiters_per_turn = 256;
/// At the server's end, when nobody waits any more: how long a look may take that has begun. One that takes
/// longer hangs, and its thread is left behind.
inline constexpr auto disk_hangs_after = 1000ms;

/// After an answer that ends the connection while the client may still be sending: how long, and how much, is
/// read and dropped so that a reset does not destroy the answer on its way (RFC 9112, section 9.6).
inline constexpr auto linger_time = 2s;
inline constexpr std::uint64_t linger_bytes = 1024 * 1024;

// What all clients of one loop hold together at most, and what is done then: see the price list in
// docs/operations.md.

/// Pool buffers that requests under way hold while their clients are slow: this part of the pool, from where
/// on those are reset that have taken nothing for the longest time, until a quarter of it is free again.
constexpr std::size_t held_buffers(std::size_t pool) noexcept { return pool / 2; }
constexpr std::size_t held_buffers_after(std::size_t pool) noexcept { return held_buffers(pool) * 3 / 4; }
/// Nobody is reset for that who has taken something within this time ...
inline constexpr auto slow_after = 1000ms;
/// ... unless so few buffers of the pool are left: then it is this time, until twice as many are left.
constexpr std::size_t scarce_buffers(std::size_t pool) noexcept { return pool / 8; }
inline constexpr auto slow_after_when_scarce = 10ms;

/// A request for whose answer the pool has no buffer waits so long for one, by default.
inline constexpr auto buffer_wait = 2000ms;
/// Of those who wait, so many are answered before other connections have their turn.
inline constexpr unsigned offered_per_look = 256;

/// Pipelined bytes that wait behind a large answer are moved from their pool buffer into as much heap memory
/// as they need, if they are not more than this.
inline constexpr std::size_t parked_input_bytes = 1024;

/// Heap memory for what clients have sent of heads that are not complete, of heads whose bodies are being
/// read, and of requests that wait behind an answer. Past it the largest of them are reset.
inline constexpr std::size_t aside_bytes = 16 * 1024 * 1024;

/// Text made for single answers (listings) that has not been taken yet, and files in memory that the cache
/// has dropped while they are being sent. Past it the slowest readers are reset; without any the answer
/// is 503.
inline constexpr std::size_t loose_bytes = 32 * 1024 * 1024;

/// Open files that the cache has dropped while they are being sent: this part of the loop's share of the
/// descriptors. Past it as above.
constexpr std::size_t loose_descriptors(std::size_t share) noexcept { return share / 4; }

/// A loop with so many connections of the most that there can be counts them by client address (IPv6 by
/// /64), and closes new ones of addresses that have more than server_options::connections_per_address.
constexpr std::size_t crowded(std::size_t most) noexcept { return most / 4 * 3; }
/// The counts begin here, and are let go below half of it. With each accept so many of the connections that
/// were there before are counted at most: before it is crowded, all of them are.
constexpr std::size_t counted_from(std::size_t most) noexcept { return crowded(most) / 2; }
inline constexpr std::size_t counted_per_accept = 64;

/// Connections between two requests that are closed when there is no descriptor for a new one: this part of
/// all, those who have been silent longest, and for longer than `idle_after`.
constexpr std::size_t idle_closed_at_once(std::size_t connections) noexcept { return connections / 64 + 1; }
inline constexpr auto idle_after = 5000ms;

/// How often those who are slow are looked at: each by its turn, in an eighth of its time; and in a shortage.
inline constexpr auto look_interval = 1000ms;
inline constexpr auto look_interval_when_scarce = 5ms;
inline constexpr unsigned looks_per_time = 8;

/// Of those who hold what is needed, so many are reset at one look: to close a socket is to free all that the
/// kernel holds for it, and others have their turn in between.
inline constexpr unsigned shed_per_look = 64;

/// Lines that say how many clients were reset or refused for others' sake.
inline constexpr auto shed_report_interval = 10s;

/// Access log lines that wait to be written; more are dropped, counted, and reported so often at most.
inline constexpr std::size_t access_log_bytes = 4 * 1024 * 1024;
inline constexpr auto access_log_report_interval = 10s;
/// Files of access logs that a server's hosts may have: each has a thread.
inline constexpr std::size_t access_logs = 256;
/// Lines that a loop gathers before it hands them over: bytes, and for how long.
inline constexpr std::size_t loop_log_bytes = 32 * 1024;
inline constexpr auto log_hand_over_time = 20ms;
/// Bytes of a request that could not be read which its line shows, and of an X-Request-Id that is taken over.
inline constexpr std::size_t unreadable_bytes = 1024;
inline constexpr std::size_t request_id_bytes = 128;
/// Of a field's name that could not be sent, as it is reported.
inline constexpr std::size_t reported_name_bytes = 64;
/// Of the type of a site's error pages.
inline constexpr std::size_t error_type_bytes = 128;
/// Patterns of routes whose latency is counted apart; those behind them share one place.
inline constexpr std::size_t counted_routes = 64;
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
/// How often a server that stops asks a thread of the kernel's whether there is more that it has not said.
inline constexpr unsigned flushes_at_stop = 4;
/// And how long the first request of a TLS connection is waited for.
inline constexpr auto first_request_wait = 1000ms;

// HTTP/2: what a connection may hold, and what its client may make us do. Past an allowance the connection
// ends with GOAWAY(ENHANCE_YOUR_CALM) that says which.

/// Streams at once. One counts until its handler and its bytes are gone, whoever has reset it; others are
/// refused (REFUSED_STREAM).
inline constexpr std::uint32_t h2_streams = 128;
/// Streams of all connections of a loop (3 KiB each) past which a connection gets only so many.
inline constexpr std::size_t h2_streams_of_loop = 8192;
inline constexpr std::uint32_t h2_streams_when_crowded = 4;
/// From so many streams of a loop on, or while its buffers are scarce, clients are told to keep to fewer at
/// once (SETTINGS_MAX_CONCURRENT_STREAMS); when there are less again than the second number, and that has
/// been so for a while, to the usual.
inline constexpr std::size_t h2_streams_crowd = h2_streams_of_loop / 2;
inline constexpr std::size_t h2_streams_crowd_over = h2_streams_of_loop / 4;
inline constexpr std::uint32_t h2_streams_in_crowd = 16;
inline constexpr auto h2_crowd_over_after = 1000ms;
/// What a stream may send of a body before anybody reads it (SETTINGS_INITIAL_WINDOW_SIZE); and bytes that
/// all streams of a connection may have sent unread before its window is kept shut, too.
inline constexpr std::uint32_t h2_stream_window = 64 * 1024 - 1;
inline constexpr std::size_t h2_unread_bytes = 256 * 1024;
/// A head past limits::head_bytes or limits::header_count is answered 431; past these, cookie crumbs
/// included, it ends the connection.
inline constexpr std::size_t h2_header_list_bytes = 64 * 1024;
inline constexpr unsigned h2_header_list_fields = 1000;
inline constexpr unsigned h2_continuations = 8;
/// Streams that have ended of which a connection remembers who has ended them.
inline constexpr std::size_t h2_closed_streams = 64;
/// Pieces of memory in one send.
inline constexpr std::size_t h2_slices = 64;
/// Pool buffers of frames that one connection sends at a time, beside the memory that its streams lend. More
/// than one only while less than this share of the loop's pool is leased.
inline constexpr std::size_t h2_output_buffers = 3;
inline constexpr std::size_t h2_output_share = 8;
/// What frames cost: one each, and one for so many bytes. A connection may spend the first number at once,
/// and in a tick all together the second one; who has more to be read waits for its turn, for the third
/// number. So many have theirs in a tick, or fewer, as with pipelined requests.
inline constexpr std::size_t h2_bytes_of_a_unit = 256;
inline constexpr std::size_t h2_units_at_once = 4;
inline constexpr std::size_t h2_units_per_tick = 1024;
inline constexpr std::size_t h2_units_per_turn = 16;
inline constexpr unsigned h2_turns_per_tick = turns_per_tick / 2;
/// How long a client that was told of the end by GOAWAY is waited for to have seen it.
inline constexpr auto h2_goaway_wait = 1000ms;

/// What is used of an allowance comes back at so many a second. They are for RST_STREAM; for errors that make
/// us send one; for SETTINGS, PING, DATA without content; for PRIORITY and PRIORITY_UPDATE together.
struct h2_allowance {
    std::uint32_t at_once;
    std::uint32_t per_second;
};
inline constexpr h2_allowance h2_resets{200, 20};
inline constexpr h2_allowance h2_made_resets{200, 20};
inline constexpr h2_allowance h2_settings{32, 4};
inline constexpr h2_allowance h2_pings{100, 10};
inline constexpr h2_allowance h2_empty_frames{100, 10};
inline constexpr h2_allowance h2_priorities{500, 50};
/// For WINDOW_UPDATE. Each frame of DATA that we send earns two.
inline constexpr h2_allowance h2_window_updates{4000, 200};

// What a server may ask of a client: of a response that is read here (naru/http/h1/response.hpp).

/// Bytes of a response's head.
inline constexpr std::size_t response_head_bytes = 16 * 1024;

/// Interim responses (1xx) in front of one final response.
inline constexpr unsigned interim_responses = 16;

/// Bytes of a response's head that is remembered to be recognised when it comes again.
inline constexpr std::size_t remembered_head_bytes = 1024;

}  // namespace naru::http::limits
