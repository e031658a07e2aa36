// What a WebSocket may cost and how it is kept alive.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/clock.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace naru::websocket {

namespace limits {

using namespace std::chrono_literals;

/// A message, and as many bytes of one that is compressed when it has been inflated. Past it 1009.
inline constexpr std::size_t message_bytes = 16 * 1024 * 1024;

/// Bytes that wait to be sent to one peer before `send_policy` decides. A single message may be longer.
inline constexpr std::size_t send_queue_bytes = 64 * 1024;

/// A message up to this size is copied into the queue; a longer one is lent by whoever sends it until it has
/// gone, if the policy lets him wait.
inline constexpr std::size_t copied_bytes = 4 * 1024;

/// Frames in one gathered send.
inline constexpr std::size_t frames_per_send = 24;

/// Control frames that wait to be sent (answers to pings) beyond which nothing more is received.
inline constexpr std::size_t waiting_controls = 128;

/// A piece that receive_piece gives at most, of a message that is compressed.
inline constexpr std::size_t piece_bytes = 16 * 1024;

/// Of a handshake's answer, which a client reads.
inline constexpr std::size_t answer_bytes = 16 * 1024;

/// Silence after which a ping asks whether the peer is there; and silence that ends the connection. Both
/// count while somebody receives.
inline constexpr auto ping_after = 30s;
inline constexpr auto idle_timeout = 75s;

/// How long a send may stand still.
inline constexpr auto send_timeout = 30s;

/// How long the peer may take to answer a close frame, and to end its connection after that; and how many
/// bytes of its are read and dropped meanwhile.
inline constexpr auto close_timeout = 5s;
inline constexpr std::uint64_t linger_bytes = 1024 * 1024;

/// How long a client waits for a connection and for the handshake's answer together.
inline constexpr auto handshake_timeout = 10s;

/// Messages shorter than this are not compressed.
inline constexpr std::size_t compressed_from = 64;

}  // namespace limits

/// What a send does when `send_queue` bytes wait already.
enum class send_policy : std::uint8_t {
    wait,         ///< it waits for room: the peer's speed is the sender's
    drop_oldest,  ///< the oldest messages that have not begun to leave are dropped: for what grows stale
    close,        ///< the connection is failed with 1008: a peer so slow is no longer served
};

/// permessage-deflate (RFC 7692) of our side. Left out where the library is built without zlib: then nothing
/// is negotiated.
struct deflate_options {
    bool enabled = false;
    /// Our messages are compressed each by itself: no context of ours is kept for a connection (about 260 KiB
    /// each with 15 bits), and one that compression does not make shorter goes out as it is.
    bool no_context_takeover = true;
    /// Asks the same of the peer: no context is kept for what it sends (about 40 KiB with 15 bits).
    bool peer_no_context_takeover = false;
    int window_bits = 15;  ///< of what we send, 9 to 15; a peer may ask for less
    int level = 6;         ///< 1 to 9
};

/// Copied where it is used; shared by all connections of a handler.
struct options {
    std::size_t message_limit = limits::message_bytes;
    std::size_t send_queue = limits::send_queue_bytes;
    send_policy when_full = send_policy::wait;
    duration ping_after = limits::ping_after;      ///< zero: no pings
    duration idle_timeout = limits::idle_timeout;  ///< zero: none
    duration send_timeout = limits::send_timeout;
    duration close_timeout = limits::close_timeout;
    duration handshake_timeout = limits::handshake_timeout;  ///< of a client
    deflate_options deflate;
    /// Subprotocols, the best first (section 1.9). A server takes the first of them that the client offers; a
    /// client offers them all.
    std::vector<std::string> protocols;
    /// Origins whose pages may connect (section 10.2), as a browser writes them ("https://example.org").
    /// Empty: any, which is right only where a connection is worth nothing without credentials that browsers
    /// do not add by themselves.
    std::vector<std::string> origins;

    options() = default;
};

}  // namespace naru::websocket
