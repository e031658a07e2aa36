// A request as the parser leaves it: offsets into the bytes of its head, so that the bytes may move.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace naru::http {

enum class method : std::uint8_t { get, head, options, post, put, patch, erase, connect, trace, other };

/// A piece of the head.
struct text_range {
    std::uint16_t offset = 0;
    std::uint16_t length = 0;
    std::string_view in(std::string_view head) const noexcept { return head.substr(offset, length); }
};

/// Fields the server looks at; for them the place is remembered while parsing. Others are found by
/// find_field when somebody asks.
enum class field : std::uint8_t {
    host,
    range,
    if_range,
    if_match,
    if_none_match,
    if_modified_since,
    if_unmodified_since,
    accept_encoding,
    user_agent,
    referer,
    x_request_id,
    count
};

struct request_head {
    /// Bit of a field in `present`; a field given twice is a list (RFC 9110, section 5.3): see `repeated`.
    static constexpr std::uint16_t bit(field of) noexcept {
        return static_cast<std::uint16_t>(1u << static_cast<unsigned>(of));
    }

    bool has(field which) const noexcept { return (present & bit(which)) != 0; }
    /// The field's value, without the white space around it; the first if it was repeated.
    std::string_view value(field which, std::string_view head) const noexcept {
        return has(which) ? fields[static_cast<std::size_t>(which)].in(head) : std::string_view();
    }

    std::uint32_t size = 0;  ///< bytes of the head, the empty line included
    text_range method_name;
    text_range target;  ///< as sent, except that absolute-form has been reduced to its path and query
    http::method method = http::method::other;
    std::uint8_t minor_version = 1;
    std::uint8_t header_count = 0;
    bool keep_alive = true;
    bool chunked = false;
    bool has_length = false;
    bool expects_continue = false;
    bool carried = false;   ///< its body's end is told by what carries it (HTTP/2)
    bool asterisk = false;  ///< the target is "*"
    bool plain_path =
        false;  ///< the path is its own decoded form: no escape, `//` or segment that begins with a dot
    std::uint16_t path_length = 0;  ///< bytes of the target in front of its query
    std::uint16_t present = 0;
    std::uint16_t repeated = 0;
    std::uint64_t content_length = 0;
    std::array<text_range, static_cast<std::size_t>(field::count)> fields;

    bool has_body() const noexcept { return chunked || content_length > 0; }
};

/// The next field with a name (in lower case), in a head that has been parsed. `from` is 0 for the first one,
/// and is moved for the one behind it.
std::optional<std::string_view> next_field(std::string_view head, std::string_view lower_case_name,
                                           std::size_t& from) noexcept;

/// Any field by its name in lower case, in a head that has been parsed: the first with that name.
inline std::optional<std::string_view> find_field(std::string_view head,
                                                  std::string_view lower_case_name) noexcept {
    std::size_t from = 0;
    return next_field(head, lower_case_name, from);
}

}  // namespace naru::http
