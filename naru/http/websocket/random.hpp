// Random bytes that a peer cannot guess (RFC 6455, section 10.3).
#pragma once

#include <naru/http/websocket/frame.hpp>

#include <array>
#include <cstddef>

namespace naru::websocket {

/// For a client's frame.
mask_key random_key() noexcept;
/// For a client's handshake.
std::array<std::byte, 16> random_key_bytes() noexcept;

}  // namespace naru::websocket
