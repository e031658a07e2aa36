// UTF-8, checked as it comes (RFC 3629; RFC 6455, section 8.1).
#pragma once

#include <naru/core/bytes.hpp>

#include <cstdint>

namespace naru::websocket {

/// Takes a text in pieces that may be cut anywhere, within characters too. ASCII goes by at the speed of
/// vectors. What can no longer become UTF-8 is noticed in the piece that says so.
class utf8_validator {
 public:
    /// False if this piece, behind those before it, is no UTF-8. After that it stays false.
    bool take(bytes_view piece) noexcept;
    /// Whether the text may end here: not within a character.
    bool complete() const noexcept { return state_ == 0; }
    void reset() noexcept { state_ = 0; }

 private:
    std::uint8_t state_ = 0;
};

inline bool is_utf8(bytes_view text) noexcept {
    utf8_validator whole;
    return whole.take(text) && whole.complete();
}

}  // namespace naru::websocket
