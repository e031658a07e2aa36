// What a loop had taken from the system for a handle before anybody asked for it: it leaves with the handle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace naru {

/// Filled by a release (operation::ahead), handed to loop::attach of the loop that goes on: nothing is lost
/// on the way, and nothing overtakes it. Move-only. io_uring and iocp receive or accept ahead, the others do
/// not.
struct received_ahead {
    received_ahead() noexcept = default;
    received_ahead(received_ahead&& other) noexcept
        : bytes(std::move(other.bytes)),
          connections(std::exchange(other.connections, {})),
          ended(std::exchange(other.ended, 0)),
          failed(std::exchange(other.failed, false)) {}
    received_ahead& operator=(received_ahead&& other) noexcept {
        std::swap(bytes, other.bytes);
        std::swap(connections, other.connections);
        std::swap(ended, other.ended);
        std::swap(failed, other.failed);
        return *this;
    }
    /// Closes the connections that nobody has taken.
    ~received_ahead();

    bool empty() const noexcept { return bytes.empty() && connections.empty() && ended == 0 && !failed; }

    std::vector<std::byte> bytes;  ///< of a stream: received, and not delivered
    std::vector<int> connections;  ///< of a listener: accepted, in order; non-blocking descriptors, owned
    std::int64_t ended = 0;        ///< of a stream: the outcome of the receive behind `bytes`, if known (< 0)
    bool failed = false;           ///< the connection has failed, and what was told of it is not told again
};

}  // namespace naru
