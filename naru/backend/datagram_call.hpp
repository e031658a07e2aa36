// Datagram operations by one call each, for the backends that make it themselves.
#pragma once

#include <naru/loop/datagram.hpp>
#include <naru/os/system_calls.hpp>

#include <cstdint>

namespace naru {

inline std::int64_t receive_datagram(int socket, receive_from_operation& op) noexcept {
    system_calls::sender from{.address = op.peer};
    const std::int64_t result = system_calls::receive_from(socket, {op.data, op.count}, from);
    if (result < 0) return result;
    op.peer_size = from.size;
    op.truncated = from.truncated;
    return result;
}

inline std::int64_t send_datagram(int socket, const send_to_operation& op) noexcept {
    return system_calls::send_to(socket, {op.slices, op.count}, op.peer, op.peer_size);
}

}  // namespace naru
