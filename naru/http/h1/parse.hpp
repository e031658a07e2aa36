// The request parser: strict (RFC 9112), resumable at any byte, without allocation. What two servers might
// read differently is refused, so that nothing can be smuggled past one of them.
#pragma once

#include <naru/http/message/fields.hpp>
#include <naru/http/message/request.hpp>

#include <cstdint>
#include <string_view>

namespace naru::http {

enum class parse_status : std::uint8_t { need_more, complete, refused };

/// Why a request was refused: the status to answer with, and a sentence for people.
struct refusal {
    std::uint16_t status = 0;
    const char* reason = "";
};

/// One request's head. Call parse with all bytes received so far, as often as more arrive; bytes before those
/// looked at in earlier calls may have moved but not changed. After `complete`, head().size bytes are used
/// up.
class request_parser {
 public:
    parse_status parse(std::string_view bytes) noexcept;

    const request_head& head() const noexcept { return head_; }
    const http::refusal& refusal() const noexcept { return refusal_; }

    /// Of a head that has been carried over from HTTP/2: a body is to come, whose end its carrier tells.
    void expect_carried_body() noexcept {
        head_.carried = true;
        head_.chunked = !head_.has_length;  // its length is not known
    }

    /// Ready for the next request.
    void reset() noexcept {
        head_ = {};
        framing_ = {};
        phase_ = phase::request_line;
        empty_lines_ = 0;
        line_ = scanned_ = 0;
    }

 private:
    enum class phase : std::uint8_t { request_line, headers };

    // Fields that decide about framing are remembered as counts and values, because repetition matters.
    struct framing {
        std::uint8_t hosts = 0;
        std::uint8_t lengths = 0;
        std::uint8_t codings = 0;
        bool coding_is_chunked = false;
        bool coding_ends_chunked = false;
        bool close = false;
        bool keep_alive = false;
    };

    // Compiled into their callers, a usual head is read with far fewer instructions; only parse.cpp calls
    // them.
    [[gnu::always_inline]] inline const char* behind_usual_request_line() noexcept;
    [[gnu::always_inline]] inline const char* behind_usual_host(const char* line) noexcept;
    parse_status parse_lines(std::string_view bytes) noexcept;
    [[gnu::always_inline]] inline parse_status next_line(std::string_view, std::string_view& line) noexcept;
    [[gnu::always_inline]] inline parse_status parse_request_line(std::string_view line) noexcept;
    [[gnu::always_inline]] inline parse_status parse_target(std::string_view target) noexcept;
    [[gnu::always_inline]] inline bool look_at_target(std::string_view target) noexcept;
    [[gnu::always_inline]] inline parse_status parse_header(std::string_view line) noexcept;
    [[gnu::always_inline]] inline parse_status take_host(std::string_view value) noexcept;
    inline parse_status finish() noexcept;
    inline void remember(field which, std::string_view value) noexcept;
    inline text_range range_of(std::string_view piece) const noexcept;

    [[gnu::noinline, gnu::cold]] parse_status refuse(std::uint16_t status, const char* reason) noexcept;
    parse_status parse_version(std::string_view version) noexcept;
    parse_status take_field(std::string_view name, std::string_view value) noexcept;
    parse_status take_length(std::string_view value) noexcept;
    parse_status take_coding(std::string_view value) noexcept;
    parse_status take_connection(std::string_view value) noexcept;

    request_head head_;
    framing framing_;
    http::refusal refusal_;
    phase phase_ = phase::request_line;
    std::uint8_t empty_lines_ = 0;
    std::uint32_t line_ = 0;      // where the line that is incomplete so far begins
    std::uint32_t scanned_ = 0;   // up to where it has been found free of control characters
    const char* base_ = nullptr;  // of the bytes, during parse
    const char* end_ = nullptr;
};

/// uri-host with an optional port (RFC 9110, section 7.2), as a Host field or an authority holds it.
bool is_host(std::string_view text) noexcept;

}  // namespace naru::http
