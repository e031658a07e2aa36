// Every queue, buffer and loop of the engine has a maximum, and this is where they are named.
// The HTTP server's own limits are in http/limits.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace naru::limits {

/// Bytes in one pool buffer. A request head fits in one, and loopback reads seldom bring more at once.
inline constexpr std::size_t buffer_bytes = 16 * 1024;

/// Pool buffers of one loop. Virtual memory only: a buffer costs nothing until it has been used once.
inline constexpr std::size_t pool_buffers = 4096;

/// Receive buffers that an io_uring loop first lends to the kernel. It doubles them when they run out
/// (ENOBUFS), up to the maximum, or half of the pool: a small ring keeps the memory of a quiet server small.
inline constexpr std::size_t ring_buffers_initial = 64;
inline constexpr std::size_t ring_buffers_max = 2048;

/// Received buffers kept for a handle whose owner is not reading, before io_uring stops reading its peer. One
/// while half of the pool is out, and from three quarters on none is received that nobody has asked for.
inline constexpr unsigned buffers_ahead = 4;

/// Accepted sockets kept for a listener whose owner is not accepting, before multishot accept is stopped.
inline constexpr unsigned accepts_ahead = 64;

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

/// Places in an io_uring loop's table of direct descriptors: for files opened by name, and in all.
inline constexpr std::size_t ring_files = 64;
inline constexpr std::size_t direct_descriptors = 1u << 20;

/// Bytes from which a send is zero-copy (io_uring's SEND_ZC). Off: on the loopback interface the kernel
/// copies all the same, and the notification comes on top: it lost at nearly every size measured
/// (docs/io_uring.md).
inline constexpr std::size_t never_zero_copy = static_cast<std::size_t>(-1);
inline constexpr std::size_t zero_copy_from = never_zero_copy;

/// Bytes that one send_file call may move before the loop turns to other connections.
inline constexpr std::size_t send_file_turn = 1024 * 1024;

/// Slices in one gathered send. IOV_MAX is 1,024; nobody has needed more than a few.
inline constexpr std::size_t slices_per_send = 64;

/// Open handles of one loop.
inline constexpr std::uint32_t handles = 1u << 24;

}  // namespace naru::limits
