// Messages: as they are received, and as they are prepared to be sent to many.
#pragma once

#include <naru/http/websocket/block.hpp>
#include <naru/http/websocket/frame.hpp>

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace naru::websocket {

enum class message_kind : std::uint8_t { text = 1, binary = 2 };

constexpr opcode opcode_of(message_kind kind) noexcept { return static_cast<opcode>(kind); }

/// What was received, with its own memory. Move-only.
class message {
 public:
    message() noexcept = default;
    message(message_kind kind, buffer bytes, bool last = true) noexcept
        : bytes_(std::move(bytes)), kind_(kind), last_(last) {}

    message_kind kind() const noexcept { return kind_; }
    bool is_text() const noexcept { return kind_ == message_kind::text; }
    bytes_view bytes() const noexcept { return bytes_.view(); }
    std::string_view text() const noexcept { return as_text(bytes_.view()); }
    std::size_t size() const noexcept { return bytes_.size(); }
    /// Of what receive_piece gives: whether it is the message's last piece.
    bool last() const noexcept { return last_; }

 private:
    buffer bytes_;
    message_kind kind_ = message_kind::binary;
    bool last_ = true;
};

/// A message made into a frame once, to be sent to many: shared by all who send it, of any thread. Never
/// compressed. Cheap to copy.
class prepared_message {
 public:
    /// Throws std::bad_alloc.
    prepared_message(message_kind kind, bytes_view payload);
    static prepared_message text(std::string_view payload) { return {message_kind::text, as_bytes(payload)}; }
    static prepared_message binary(bytes_view payload) { return {message_kind::binary, payload}; }

    message_kind kind() const noexcept { return kind_; }
    bytes_view payload() const noexcept { return frame().subspan(head_size_); }
    /// As a server sends it.
    bytes_view frame() const noexcept { return {bytes_.get(), size_}; }

 private:
    std::shared_ptr<std::byte[]> bytes_;
    std::size_t size_ = 0;
    std::uint8_t head_size_ = 0;
    message_kind kind_;
};

}  // namespace naru::websocket
