// WebSocket frames (RFC 6455, section 5) without I/O: a parser that takes bytes as they come, and the head of
// a frame to be sent.
#pragma once

#include <naru/core/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace naru::websocket {

/// RFC 6455, section 5.2.
enum class opcode : std::uint8_t {
    continuation = 0,
    text = 1,
    binary = 2,
    close = 8,
    ping = 9,
    pong = 10,
};

constexpr bool is_control(opcode kind) noexcept { return (static_cast<unsigned>(kind) & 8u) != 0; }

/// Why a connection is closed (RFC 6455, section 7.4.1). Those from 3000 to 4999 are the applications'.
namespace close_code {
inline constexpr std::uint16_t normal = 1000;
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t protocol_error = 1002;
inline constexpr std::uint16_t unsupported_data = 1003;
inline constexpr std::uint16_t none = 1005;      ///< the close frame held no code; never sent
inline constexpr std::uint16_t abnormal = 1006;  ///< there was no close frame; never sent
inline constexpr std::uint16_t invalid_data = 1007;
inline constexpr std::uint16_t policy_violation = 1008;
inline constexpr std::uint16_t message_too_big = 1009;
inline constexpr std::uint16_t internal_error = 1011;
inline constexpr std::uint16_t try_again_later = 1013;
}  // namespace close_code

/// Whether a close frame may hold this code: those that are defined for it and those of applications.
constexpr bool may_be_sent(std::uint16_t code) noexcept {
    if (code >= 3000) return code <= 4999;
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

/// The payload of a control frame is never longer (section 5.5); a close frame's reason has two bytes less.
inline constexpr std::size_t control_bytes = 125;
inline constexpr std::size_t reason_bytes = control_bytes - 2;

/// The longest head: two bytes, eight of a length, four of a key.
inline constexpr std::size_t frame_head_bytes = 14;

/// The four bytes that a client's payload is masked with (section 5.3), first byte lowest in memory.
using mask_key = std::array<std::byte, 4>;

/// Masks or unmasks bytes in place, at the speed of vectors. `phase` says how many bytes of the payload came
/// before these, modulo 4.
void apply_mask(mutable_bytes bytes, mask_key key, unsigned phase) noexcept;
/// The same from one place to another; `to` has at least as much room.
void apply_mask(std::byte* to, bytes_view from, mask_key key, unsigned phase) noexcept;

/// A frame's head as it is written.
struct frame_head {
    std::array<std::byte, frame_head_bytes> bytes;
    std::uint8_t size = 0;

    bytes_view view() const noexcept { return {bytes.data(), size}; }
};

/// The head of a frame with `payload` bytes. `compressed` sets RSV1 (RFC 7692); `key`, if given, is the mask
/// that the payload has.
frame_head make_frame_head(opcode kind, bool final, bool compressed, std::uint64_t payload,
                           const mask_key* key = nullptr) noexcept;

/// Takes a connection's bytes apart into frames and refuses what RFC 6455 does not allow. Bytes may be cut
/// anywhere. Not what messages hold (UTF-8, compression): whoever uses it looks at that.
class frame_parser {
 public:
    struct rules {
        bool masked = true;  ///< whether the peer's frames have to be masked: a client's, and only those
        bool compression = false;  ///< whether RSV1 may be set on the first frame of a message
        std::uint64_t message_limit = ~std::uint64_t{0};  ///< bytes of a message in all its frames
        /// The same for messages that are compressed, as they come.
        std::uint64_t compressed_limit = ~std::uint64_t{0};
    };

    enum class event : std::uint8_t {
        need_more,  ///< all of the input is used up
        head,       ///< a frame begins: see the members below
        payload,    ///< a piece of its payload, still masked: see piece() and take_piece
        end,        ///< the frame is complete
        refused,    ///< the connection must be failed with refusal(); nothing more is to be parsed
    };

    /// The next thing in `input`, whose used bytes are taken off its front.
    event next(mutable_bytes& input, const rules& with) noexcept;

    opcode kind() const noexcept { return kind_; }
    bool final() const noexcept { return final_; }
    /// The kind of the message that the frame belongs to: text or binary.
    opcode message_kind() const noexcept { return message_kind_; }
    /// Whether the message that the frame belongs to is compressed.
    bool compressed() const noexcept { return message_compressed_; }
    /// Bytes of the frame's payload that are still to come.
    std::uint64_t remaining() const noexcept { return remaining_; }

    /// The last piece, as it came.
    mutable_bytes piece() const noexcept { return piece_; }
    /// The last piece, unmasked in place.
    mutable_bytes unmasked_piece() noexcept {
        if (masked_) apply_mask(piece_, key_, piece_phase_);
        return piece_;
    }
    /// The last piece, unmasked on its way to `to`.
    void unmask_piece_to(std::byte* to) const noexcept;

    /// The close code to fail the connection with, and a sentence for people.
    std::uint16_t refusal() const noexcept { return refusal_; }
    const char* reason() const noexcept { return reason_; }

    /// Whether it stands between two messages: nothing has to be remembered.
    bool at_rest() const noexcept { return state_ == state::head && held_ == 0 && !in_message_; }

 private:
    enum class state : std::uint8_t { head, payload, over };

    event refuse(std::uint16_t code, const char* why) noexcept;
    event take_head(const std::byte* bytes, const rules& with) noexcept;
    event begin_data(bool rsv1, std::uint64_t length, const rules& with) noexcept;

    std::uint64_t remaining_ = 0;
    std::uint64_t message_bytes_ = 0;
    mutable_bytes piece_;
    const char* reason_ = "";
    mask_key key_{};
    std::uint16_t refusal_ = 0;
    state state_ = state::head;
    opcode kind_ = opcode::continuation;
    opcode message_kind_ = opcode::continuation;
    bool final_ = false;
    bool masked_ = false;
    bool in_message_ = false;
    bool message_compressed_ = false;
    std::uint8_t phase_ = 0;
    std::uint8_t piece_phase_ = 0;
    std::uint8_t held_ = 0;  // bytes of an incomplete head
    std::array<std::byte, frame_head_bytes> partial_{};
};

}  // namespace naru::websocket
