// Reading a request's body: by length or in chunks, resumable at any byte, without allocation.
#pragma once

#include <naru/http/h1/parse.hpp>

#include <cstdint>
#include <string_view>

namespace naru::http {

class body_reader {
 public:
    /// For a request whose head says so; `complete` at once if it has no body.
    void begin(const request_head& head) noexcept;

    /// Takes bytes from the front of `input` (and removes them). `data` is the next piece of the body among
    /// them, perhaps empty. need_more: the input is used up. Refused: see refusal().
    parse_status read(std::string_view& input, std::string_view& data) noexcept;

    const http::refusal& refusal() const noexcept { return refusal_; }
    std::uint64_t bytes_read() const noexcept { return total_; }

 private:
    enum class phase : std::uint8_t {
        done,
        counted,     // Content-Length: left_ bytes
        chunk_size,  // hexadecimal digits
        chunk_extension,
        chunk_size_lf,
        chunk_data,  // left_ bytes
        chunk_data_cr,
        chunk_data_lf,
        trailer_start,  // at the beginning of a line
        trailer_name,
        trailer_value,
        trailer_lf,
        last_lf
    };

    parse_status refuse(std::uint16_t status, const char* reason) noexcept;
    parse_status read_data(std::string_view& input, std::string_view& data) noexcept;
    parse_status step(unsigned char byte) noexcept;
    parse_status step_size(unsigned char byte) noexcept;
    parse_status step_trailer(unsigned char byte) noexcept;

    phase phase_ = phase::done;
    bool any_byte_ = false;  // the size has a digit, the trailer name a letter
    std::uint64_t left_ = 0;
    std::uint64_t total_ = 0;
    std::uint32_t line_bytes_ = 0;
    std::uint32_t trailer_bytes_ = 0;
    http::refusal refusal_;
};

}  // namespace naru::http
