// What a TLS connection that sends may take at most; of its handshake, see naru/core/limits.hpp.
#pragma once

#include <chrono>
#include <cstddef>

namespace naru::limits {

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

}  // namespace naru::limits
