// What can go wrong in a simulated world, how often it is to, and how often it did.
#pragma once

#include <naru/core/clock.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace naru::sim {

/// Those that follow from a rate are drawn from the world's seed at each occasion. All are counted, whether
/// they were drawn, were asked for (a partition, a crash), or came about by themselves (a full queue).
enum class fault : std::uint8_t {
    short_count,               ///< a read or write takes less than it could
    slow,                      ///< something is under way for longer than the latency
    segment_lost,              ///< bytes come after they were sent again: fault_rates::retransmission later
    datagram_lost,             ///< a datagram never comes: drawn, by a lossy or cut link, or for want of room
    reset,                     ///< a connection is cut between its ends, for both
    half_close,                ///< one direction of a connection ends while the other goes on
    connect_refused,           ///< ECONNREFUSED, though somebody may listen
    connect_timed_out,         ///< ETIMEDOUT, fault_rates::connect_timeout later
    queue_full,                ///< a connect finds no room in the listener's queue, and tries again
    no_descriptor,             ///< EMFILE, at an accept or where a socket is made
    no_buffers,                ///< ENOBUFS, at an accept or a send
    no_memory,                 ///< ENOMEM, at an accept or a receive
    pool_empty,                ///< a receive waits for a buffer of its loop
    early_cancel,              ///< an operation that is cancelled ends at once
    late_cancel,               ///< it ends later, or with what has come until then
    reordered,                 ///< operations on different handles complete in another order than they could
    accepted_ahead,            ///< a connection is taken from the queue before anybody asks for it
    closed_before_completion,  ///< a descriptor is gone while operations on it have yet to end
    descriptor_reused,         ///< a number is given out again
    partition,                 ///< two hosts cannot reach each other
    crash,                     ///< a host has lost its connections and what its disk had not kept
    restart,                   ///< it is there again
    write_lost,                ///< a write to a file that a crash has undone
    clock_jump,                ///< a host's time of day has been set
};
inline constexpr std::size_t fault_kinds = 24;

/// "short_count", as it is written here.
std::string_view name_of(fault which) noexcept;

/// A number for each kind of fault.
class fault_table {
 public:
    std::uint64_t& operator[](fault which) noexcept { return of_[static_cast<std::size_t>(which)]; }
    std::uint64_t operator[](fault which) const noexcept { return of_[static_cast<std::size_t>(which)]; }
    /// All kinds that are not 0.
    std::size_t kinds() const noexcept;
    void add(const fault_table& others) noexcept;

 private:
    std::array<std::uint64_t, fault_kinds> of_{};
};

/// How often: `one_in[fault::reset] = 1000` cuts a connection at one of a thousand sends. 0: never. What is
/// asked for or comes about by itself (half_close, pool_empty, descriptor_reused, partition and what stands
/// behind it) has no rate; early_cancel is what a cancel is that is not late.
struct fault_rates {
    fault_table one_in;
    duration slow_most = std::chrono::milliseconds(500);       ///< a `slow` takes at most so much longer
    duration retransmission = std::chrono::milliseconds(200);  ///< until lost bytes are sent again
    duration connect_timeout = std::chrono::seconds(127);      ///< until a connect that nobody hears fails
    duration connect_again = std::chrono::seconds(1);   ///< until one that has found a full queue tries again
    duration late_most = std::chrono::milliseconds(5);  ///< a late cancel and a late end take so long at most

    fault_rates() noexcept = default;
};

/// Something of everything that has a rate: one in `one_in` for what a program must survive, and more often
/// what it must not even notice.
fault_rates faults_of_all_kinds(std::uint64_t one_in = 200) noexcept;

/// In the manner of which backends a world's operate.
enum class manner : std::uint8_t {
    readiness,   ///< as select, poll, epoll: what is cancelled or closed has ended at once
    completion,  ///< as io_uring and completion ports: cancels and closes may end late, completions of
                 ///< different handles in any order, connections are accepted ahead
};

}  // namespace naru::sim
