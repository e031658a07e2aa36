// multipart/form-data (RFC 7578, RFC 2046): where parts begin and end, in whatever pieces the bytes come.
#pragma once

#include <naru/http/limits.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace naru::http {

/// What a form may ask of who reads it; past them 413. The route's body_limit counts as well.
struct form_limits {
    unsigned parts = limits::form_parts;
    std::size_t head_bytes = limits::form_head_bytes;  ///< of each part
    std::uint64_t part_bytes = limits::body_bytes;     ///< of each part's content

    form_limits() = default;
};

/// What a part says of itself. All of it is the client's: a filename is no path to write to.
struct form_part {
    std::string name;
    std::optional<std::string> filename;  ///< of a file that was chosen; perhaps empty
    std::string content_type;             ///< empty: text/plain

    form_part() = default;
};

/// The boundary that a Content-Type of multipart/form-data names; nothing if it is none, or malformed.
std::optional<std::string> form_boundary(std::string_view content_type);

/// Takes a form apart. Keeps of it what a part's head needs, and how much of a boundary has been seen.
class multipart_parser {
 public:
    /// need_more: the input is used up. part: one begins, see part(). data: a piece of its content. part_end.
    /// complete: the form has ended; what follows means nothing. refused: see status() and reason().
    enum class event : std::uint8_t { need_more, part, data, part_end, complete, refused };

    explicit multipart_parser(std::string_view boundary, const form_limits& limits = {})
        : delimiter_("\r\n--"), limits_(limits) {
        delimiter_ += boundary;
    }

    /// Takes bytes from the front of `input`. `data` lies there, or in the parser. Throws std::bad_alloc.
    event read(std::string_view& input, std::string_view& data);

    const form_part& part() const noexcept { return part_; }
    unsigned status() const noexcept { return status_; }
    const char* reason() const noexcept { return reason_; }

 private:
    enum class phase : std::uint8_t {
        preamble,
        content,
        behind_delimiter,
        line_end,
        dash,
        head,
        complete,
        refused
    };

    event read_content(std::string_view& input, std::string_view& data);
    event give(std::string_view piece, std::string_view& data);
    event read_head(std::string_view& input);
    event begin_part();
    event refuse(unsigned status, const char* reason) noexcept;

    std::string delimiter_;
    form_limits limits_;
    std::size_t matched_ = 2;  // bytes of the delimiter at the end of what has come
    std::size_t borrowed_ =
        2;  // of them, those that belong to what is before: the first has no line before it
    phase phase_ = phase::preamble;
    unsigned parts_ = 0;
    std::uint64_t size_ = 0;
    std::string head_;
    std::size_t line_ = 0;  // of head_: where its last line begins
    form_part part_;
    unsigned status_ = 0;
    const char* reason_ = "";
};

}  // namespace naru::http
