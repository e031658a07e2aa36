#include <naru/http/websocket/frame.hpp>

#include <algorithm>
#include <bit>
#include <cstring>

namespace naru::websocket {
namespace {

unsigned at(const std::byte* bytes, std::size_t index) noexcept {
    return std::to_integer<unsigned>(bytes[index]);
}

/// The size of the head that begins with these two bytes.
std::size_t head_size(const std::byte* bytes) noexcept {
    const unsigned second = at(bytes, 1);
    const unsigned length = second & 0x7fu;
    const std::size_t of_length = length == 126 ? 2 : length == 127 ? 8 : 0;
    return 2 + of_length + ((second & 0x80u) != 0 ? 4 : 0);
}

/// The key as it lies over eight bytes that begin at `phase`.
std::uint64_t rotated(mask_key key, unsigned phase) noexcept {
    std::array<std::byte, 8> pattern;
    for (unsigned index = 0; index < pattern.size(); ++index)
        pattern[index] = key[(phase + index) % 4];
    return std::bit_cast<std::uint64_t>(pattern);
}

constexpr bool is_known(unsigned code) noexcept { return code <= 2 || (code >= 8 && code <= 10); }

}  // namespace

void apply_mask(std::byte* to, bytes_view from, mask_key key, unsigned phase) noexcept {
    const std::uint64_t pattern = rotated(key, phase);
    const std::byte* source = from.data();
    std::size_t left = from.size();
    // Four words at a time: what compilers turn into vectors, whatever the alignment.
    for (; left >= 32; left -= 32, source += 32, to += 32) {
        std::array<std::uint64_t, 4> words;
        std::memcpy(words.data(), source, 32);
        for (std::uint64_t& word : words)
            word ^= pattern;
        std::memcpy(to, words.data(), 32);
    }
    for (; left >= 8; left -= 8, source += 8, to += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, source, 8);
        word ^= pattern;
        std::memcpy(to, &word, 8);
    }
    for (std::size_t index = 0; index < left; ++index)
        to[index] = source[index] ^ key[(phase + index) % 4];
}

void apply_mask(mutable_bytes bytes, mask_key key, unsigned phase) noexcept {
    apply_mask(bytes.data(), bytes, key, phase);
}

frame_head make_frame_head(opcode kind, bool final, bool compressed, std::uint64_t payload,
                           const mask_key* key) noexcept {
    frame_head head;
    std::byte* to = head.bytes.data();
    *to++ = static_cast<std::byte>(static_cast<unsigned>(kind) | (final ? 0x80u : 0u) |
                                   (compressed ? 0x40u : 0u));
    const unsigned mask_bit = key != nullptr ? 0x80u : 0u;
    if (payload < 126) {
        *to++ = static_cast<std::byte>(payload | mask_bit);
    } else {
        const int length_bytes = payload <= 0xffff ? 2 : 8;
        *to++ = static_cast<std::byte>((length_bytes == 2 ? 126u : 127u) | mask_bit);
        for (int shift = (length_bytes - 1) * 8; shift >= 0; shift -= 8)
            *to++ = static_cast<std::byte>(payload >> shift);
    }
    if (key != nullptr) to = std::copy(key->begin(), key->end(), to);
    head.size = static_cast<std::uint8_t>(to - head.bytes.data());
    return head;
}

void frame_parser::unmask_piece_to(std::byte* to) const noexcept {
    if (masked_) {
        apply_mask(to, piece_, key_, piece_phase_);
    } else if (!piece_.empty()) {
        std::memcpy(to, piece_.data(), piece_.size());
    }
}

frame_parser::event frame_parser::refuse(std::uint16_t code, const char* why) noexcept {
    state_ = state::over;
    refusal_ = code;
    reason_ = why;
    return event::refused;
}

frame_parser::event frame_parser::next(mutable_bytes& input, const rules& with) noexcept {
    if (state_ == state::over) return event::refused;
    if (state_ == state::payload) {
        if (remaining_ == 0) {
            state_ = state::head;
            if (!is_control(kind_) && final_) in_message_ = false;
            return event::end;
        }
        if (input.empty()) return event::need_more;
        const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
        piece_ = input.first(step);
        piece_phase_ = phase_;
        phase_ = static_cast<std::uint8_t>((phase_ + step) % 4);
        remaining_ -= step;
        input = input.subspan(step);
        return event::payload;
    }
    if (held_ == 0 && input.size() >= 2) {  // mostly a head lies in one piece
        const std::size_t size = head_size(input.data());
        if (input.size() >= size) {
            const std::byte* const bytes = input.data();
            input = input.subspan(size);
            return take_head(bytes, with);
        }
    }
    while (!input.empty()) {
        partial_[held_++] = input.front();
        input = input.subspan(1);
        if (held_ >= 2 && held_ == head_size(partial_.data())) {
            held_ = 0;
            return take_head(partial_.data(), with);
        }
        // What the first two bytes forbid is not waited for any longer.
        if (held_ == 2 && (at(partial_.data(), 0) & 0x30u) != 0)
            return refuse(close_code::protocol_error, "a reserved bit is set");
    }
    return event::need_more;
}

frame_parser::event frame_parser::take_head(const std::byte* bytes, const rules& with) noexcept {
    const unsigned first = at(bytes, 0);
    const unsigned second = at(bytes, 1);
    const unsigned code = first & 0x0fu;
    if ((first & 0x30u) != 0) return refuse(close_code::protocol_error, "a reserved bit is set");
    if (!is_known(code)) return refuse(close_code::protocol_error, "an opcode that is not defined");
    masked_ = (second & 0x80u) != 0;
    if (masked_ != with.masked)
        return refuse(close_code::protocol_error,
                      masked_ ? "a server's frame is masked" : "a client's frame is not masked");

    std::uint64_t length = second & 0x7fu;
    std::size_t used = 2;
    if (length >= 126) {
        const std::size_t length_bytes = length == 126 ? 2 : 8;
        const std::uint64_t least = length == 126 ? 126 : 0x1'0000;
        length = 0;
        for (; used < 2 + length_bytes; ++used)
            length = length << 8 | at(bytes, used);
        if ((length >> 63) != 0)
            return refuse(close_code::protocol_error, "a length with its highest bit set");
        if (length < least) return refuse(close_code::protocol_error, "a length in more bytes than it needs");
    }
    if (masked_) std::copy_n(bytes + used, 4, key_.begin());

    kind_ = static_cast<opcode>(code);
    final_ = (first & 0x80u) != 0;
    phase_ = 0;
    const bool rsv1 = (first & 0x40u) != 0;
    if (is_control(kind_)) {
        if (!final_) return refuse(close_code::protocol_error, "a control frame in fragments");
        if (length > control_bytes)
            return refuse(close_code::protocol_error, "a control frame of more than 125 bytes");
        if (rsv1) return refuse(close_code::protocol_error, "a reserved bit is set on a control frame");
    } else if (const event refused = begin_data(rsv1, length, with); refused == event::refused) {
        return refused;
    }
    remaining_ = length;
    state_ = state::payload;
    return event::head;
}

frame_parser::event frame_parser::begin_data(bool rsv1, std::uint64_t length, const rules& with) noexcept {
    if (kind_ == opcode::continuation) {
        if (!in_message_) return refuse(close_code::protocol_error, "a continuation of no message");
        if (rsv1) return refuse(close_code::protocol_error, "a reserved bit is set on a continuation");
    } else {
        if (in_message_) return refuse(close_code::protocol_error, "a message within another");
        if (rsv1 && !with.compression)
            return refuse(close_code::protocol_error, "a reserved bit is set, and no extension uses it");
        in_message_ = true;
        message_kind_ = kind_;
        message_compressed_ = rsv1;
        message_bytes_ = 0;
    }
    const std::uint64_t limit = message_compressed_ ? with.compressed_limit : with.message_limit;
    if (length > limit || message_bytes_ > limit - length)
        return refuse(close_code::message_too_big, "a message that is longer than the limit");
    message_bytes_ += length;
    return event::head;
}

}  // namespace naru::websocket
