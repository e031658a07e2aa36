// What a descriptor from outside is, looked at before a loop takes it for something.
#pragma once

#include <naru/core/result.hpp>

#include <cstdint>

namespace naru {

/// What somebody wants to take a descriptor for.
enum class socket_use : std::uint8_t { tcp_stream, unix_stream, tcp_listener, unix_listener, udp_socket };

/// Whether the descriptor is that: asked of the system, and nothing of it changed. Errors: EBADF, ENOTSOCK;
/// errc::wrong_kind_of_descriptor (another type or family, or a listener); errc::not_listening.
[[nodiscard]] result<void> check_adopted(int descriptor, socket_use wanted) noexcept;

/// Whether a stream is connected. Errors: ENOTCONN, which one that has been reset is, too.
[[nodiscard]] result<void> check_connected(int socket) noexcept;

}  // namespace naru
