// The chunked coding (RFC 9112, section 7.1): one decoder for requests and responses, resumable at any byte,
// without allocation. Strict: what two readers might see differently is an error.
#pragma once

#include <cstdint>
#include <string_view>

namespace naru::http {

/// What is wrong with a chunked body.
enum class chunk_error : std::uint8_t {
    none,
    size_malformed,
    size_too_large,
    size_line_too_long,  ///< limits::chunk_line_bytes
    size_line_end,
    extension_control,
    data_longer,  ///< bytes where the CR behind a chunk's data must stand
    data_end,
    trailer_malformed,
    trailer_control,
    trailer_too_long,  ///< limits::trailer_bytes
    trailer_line_end,
};

/// In words, for people.
const char* text_of(chunk_error error) noexcept;

class chunk_decoder {
 public:
    enum class outcome : std::uint8_t { need_more, complete, bad };

    /// Spaces and tabs behind a chunk's size. Some servers pad their sizes with them; requests have no
    /// business with it.
    enum class padding : std::uint8_t { refused, accepted };

    chunk_decoder() noexcept = default;
    explicit chunk_decoder(padding behind_sizes) noexcept : padding_(behind_sizes) {}

    /// Takes bytes from the front of `input`. `data` is the next piece of the body among them, if there was
    /// one: call again until it is empty and the outcome says why. need_more: the input is used up. complete:
    /// the body and its trailer have ended; what is left in `input` is not theirs. bad: see error().
    outcome read(std::string_view& input, std::string_view& data) noexcept;

    chunk_error error() const noexcept { return error_; }

 private:
    enum class phase : std::uint8_t {
        size,  // hexadecimal digits
        size_padding,
        extension,
        size_lf,
        data,  // left_ bytes
        data_cr,
        data_lf,
        trailer_start,  // at the beginning of a line
        trailer_name,
        trailer_value,
        trailer_lf,
        last_lf,
        done,
    };

    outcome refuse(chunk_error why) noexcept {
        error_ = why;
        return outcome::bad;
    }
    bool take_digits(std::string_view& input) noexcept;
    outcome step(char byte) noexcept;
    outcome step_size(char byte) noexcept;
    outcome step_trailer(char byte) noexcept;

    std::uint64_t left_ = 0;  // of the chunk
    std::uint16_t line_bytes_ = 0;
    std::uint16_t trailer_bytes_ = 0;
    phase phase_ = phase::size;
    bool any_byte_ = false;  // the size has a digit, the trailer's name a letter
    padding padding_ = padding::refused;
    chunk_error error_ = chunk_error::none;
};
static_assert(sizeof(chunk_decoder) == 16, "a part of every connection");

}  // namespace naru::http
