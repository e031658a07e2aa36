// Every queue, buffer and loop of the engine has a maximum, and this is where they are named.
// The HTTP server's own limits are in http/limits.hpp.
#pragma once

#include <naru/core/chrono.hpp>

#include <cstddef>
#include <cstdint>

namespace naru::limits {

/// Bytes in one pool buffer. A request head fits in one, and loopback reads seldom bring more at once.
inline constexpr std::size_t buffer_bytes = 16 * 1024;

/// Pool buffers of one loop. Virtual memory only: a buffer costs nothing until it has been used once.
inline constexpr std::size_t pool_buffers = 4096;

/// The most that the setting may be: the kernel's name of a receive buffer has 16 bits
/// (io_uring_register(2), IORING_REGISTER_PBUF_RING).
inline constexpr std::size_t pool_buffers_max = 65'536;

/// A pool gives the memory of buffers that nobody has taken for so long to the system, so many in one tick,
/// but keeps that of so many that are to be taken next: a burst is not paid for ever.
inline constexpr std::chrono::milliseconds buffers_stay_warm{100};
inline constexpr std::size_t cooled_per_tick = 64;
inline constexpr std::size_t warm_buffers = 16;

/// Receive buffers that an io_uring loop first lends to the kernel. It doubles them when they run out
/// (ENOBUFS), up to the maximum, or half of the pool: a small ring keeps the memory of a quiet server small.
inline constexpr std::size_t ring_buffers_initial = 64;
inline constexpr std::size_t ring_buffers_max = 2048;

/// Received buffers kept for a handle whose owner is not reading, before io_uring stops reading its peer. One
/// while half of the pool is out, and from three quarters on, or while a quarter is kept like this, none is
/// received that nobody has asked for.
inline constexpr unsigned buffers_ahead = 4;

/// Accepted sockets kept for a listener whose owner is not accepting, before multishot accept is stopped.
inline constexpr unsigned accepts_ahead = 64;

/// Accepts that an acceptor keeps pending: connections taken in one round of a tick. More are left in the
/// queue for the others who share the listener, and for what else the tick is for.
inline constexpr std::size_t accepts_at_once = 16;

/// Connections that an io_uring loop takes from the queue of a listener when its last accept is cancelled:
/// those whom the kernel may have woken it for, and nobody else.
inline constexpr unsigned accepts_at_stop = 4096;

/// Pause before a connect to a Unix listener whose queue is full is tried again, and the longest after so
/// many in vain, each twice as long as the last: the system reports room in that queue to nobody.
inline constexpr unsigned connect_pause_milliseconds = 1;
inline constexpr unsigned connect_pauses = 6;  // the last: 32 ms

/// AcceptEx requests that an iocp loop keeps with the kernel for a listener, a socket in each: connections
/// that are complete when the owner asks, and as many that are kept for an owner who does not.
inline constexpr unsigned accepts_posted = 16;

/// Completions dispatched before the loop looks at the kernel again.
inline constexpr unsigned dispatch_budget = 1024;

/// Rounds of "submit, dispatch" in one tick while handlers submit operations that complete at once.
inline constexpr unsigned rounds_per_tick = 4;

/// Tasks from other threads run in one tick.
inline constexpr unsigned posts_per_tick = 1024;

/// Rounds of posted tasks in a loop's destructor: what was posted before, what those tasks post, and so on.
inline constexpr unsigned posts_rounds_at_end = 64;

/// Coroutines that start inside each other's start (a child spawned by a child that is being spawned): those
/// beyond begin in the loop's next tick, so that the depth of a program costs no stack.
inline constexpr unsigned nested_starts = 64;

/// How long a coroutine's receive may wait for a pool buffer while none is given back; then it fails with
/// errc::buffers_held, and a line says who holds them (buffer_pool::set_patience).
inline constexpr std::chrono::seconds lease_patience{10};

/// Deadlines of coroutines that are no farther off are kept to the finer resolution; others to a millisecond.
inline constexpr std::chrono::milliseconds precise_timers{20};
inline constexpr std::chrono::nanoseconds precise_resolution{31'250};

/// Readiness events taken in one call to the kernel.
inline constexpr std::size_t events_per_wait = 512;

/// Submission queue entries of an io_uring loop; the completion queue is eight times as long, because
/// multishot operations complete without having been submitted again.
inline constexpr unsigned uring_entries = 512;
inline constexpr unsigned uring_completions = 8 * uring_entries;

/// How long the trial of io_uring may take before it counts as one that does not work
/// (naru/backend/uring/trial.hpp).
inline constexpr std::chrono::seconds uring_trial_time{3};

/// Places in an io_uring loop's table of direct descriptors: for files opened by name, and in all.
inline constexpr std::size_t ring_files = 64;
inline constexpr std::size_t direct_descriptors = 1u << 20;

/// Bytes from which a send is zero-copy (io_uring's SEND_ZC). Off: on the loopback interface the kernel
/// copies all the same, and the notification comes on top: it lost at nearly every size measured
/// (docs/io_uring.md).
inline constexpr std::size_t never_zero_copy = static_cast<std::size_t>(-1);
inline constexpr std::size_t zero_copy_from = never_zero_copy;

/// Bytes that one naru::forward may splice before the loop turns to other connections, timers and stops.
inline constexpr std::size_t forward_turn = 256 * 1024;

/// Bytes that one send_file call may move before the loop turns to other connections.
inline constexpr std::size_t send_file_turn = 1024 * 1024;
/// Bytes that all of them, and all sends of more memory than a pool buffer, may have moved together in one
/// tick before the others wait for the next one, and those who have waited that are tried in it: who has
/// waited for longest goes first. So thousands of transfers at once, into send buffers that are empty, delay
/// the rest of the loop no longer than a few do.
inline constexpr std::size_t send_file_bytes_per_tick = 1024 * 1024;
inline constexpr std::size_t send_files_per_tick = 16;

/// Bytes that one call moves at most (read(2): Linux' MAX_RW_COUNT; elsewhere the lengths are of 31 bits).
/// What is longer goes in parts, and an operation that ends with part of its memory used ends with this much.
inline constexpr std::size_t bytes_per_call = 0x7fff'f000;
/// Slices in one gathered send. IOV_MAX is 1,024; nobody has needed more than a few.
inline constexpr std::size_t slices_per_send = 64;

/// Entries of one directory that are looked at for its listing.
inline constexpr std::size_t directory_entries = 1'000'000;

/// Bytes that a buffered_reader gives at most for one line, delimiter or count, and that a buffered_writer
/// gathers.
inline constexpr std::size_t reader_bytes = 64 * 1024;
inline constexpr std::size_t writer_bytes = 4 * 1024;

/// How long a TLS handshake may take, unless who begins it says otherwise.
inline constexpr std::chrono::seconds tls_handshake{10};
/// Handshakes of TLS clients that one loop has begun and not ended; who comes then is refused.
inline constexpr std::size_t tls_handshakes = 4096;
/// First steps of handshakes, each a signature and a key exchange, in one tick of a loop: others have their
/// turn between.
inline constexpr unsigned tls_handshakes_per_tick = 8;
/// How long a TLS connection that is closed, or has failed, tries to tell its peer so.
inline constexpr std::chrono::seconds tls_farewell{1};
/// Pool buffers of records that one TLS connection sends at a time, and so the most that a client holds which
/// does not take them. More than one only while less than this share of the loop's pool is leased.
inline constexpr std::size_t tls_send_buffers = 4;
inline constexpr std::size_t tls_send_share = 8;
/// How long records wait at most for what is said to follow them: one send then takes a handshake's last
/// flight, an answer and the end.
inline constexpr std::chrono::milliseconds tls_gather_time{1};
/// The first bytes after a silence of our direction go in small records: a peer can open none before it has
/// the whole of it, and the first flight over a network is about ten segments.
inline constexpr std::size_t tls_early_bytes = 16 * 1024;
inline constexpr std::size_t tls_early_record = 4 * 1024;
inline constexpr std::chrono::seconds tls_silence{1};
/// Bytes that a TLS engine keeps for which no room was lent: alerts and answers, at most a certificate chain.
inline constexpr std::size_t tls_output_pending = 64 * 1024;
/// Ticket keys that are good: the newest, and those before it, whose tickets are replaced.
inline constexpr std::size_t tls_ticket_keys = 3;

/// Threads that do for all loops what their backends do not do of operations on files, and how many such may
/// wait for one: more are EAGAIN.
inline constexpr unsigned file_threads = 4;
inline constexpr std::size_t file_queue = 4096;

/// Open handles of one loop.
inline constexpr std::uint32_t handles = 1u << 24;

}  // namespace naru::limits
