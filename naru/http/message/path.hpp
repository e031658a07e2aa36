// From a request target to a path beneath the root.
#pragma once

#include <naru/http/message/request.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace naru::http {

/// From the '?' on, perhaps empty.
std::string_view query_part(std::string_view target) noexcept;

/// Percent-decodes an absolute path and removes its dot segments (RFC 3986, section 5.2.4) and empty ones:
/// every spelling of a path comes out the same. The result is relative (no leading slash) and keeps a
/// trailing slash. Nothing if the encoding is malformed, the path leaves the root, or it holds a NUL or a
/// backslash as it is (a separator to some: nobody is to read a path another way than we do; on Windows an
/// encoded one, too).
///
/// The result lies in `path` if nothing is to be changed, else in `scratch`, which must have room for as much
/// as `path`. Does not allocate.
std::optional<std::string_view> decode_path(std::string_view path, std::span<char> scratch) noexcept;
std::optional<std::string> decode_path(std::string_view path);

/// decode_path of a request's path. One that the parser has found plain is not looked at again.
inline std::optional<std::string_view> decoded_path(const request_head& request, std::string_view head,
                                                    std::span<char> scratch) noexcept {
    const std::string_view path = request.target.in(head).substr(0, request.path_length);
    return request.plain_path ? path.substr(1) : decode_path(path, scratch);
}

/// Whether a decoded path has a name that begins with a dot and so is not meant for everybody. `.well-known`
/// at the top is (RFC 8615).
bool has_dotfile(std::string_view decoded) noexcept;

/// Percent-encodes what may not stand in a path segment.
std::string encode_segment(std::string_view name);

/// Percent-encodes only what is not ASCII: for a part of a target that is sent back.
std::string encode_high_bytes(std::string_view text);

/// For text in HTML, attribute values included.
std::string escape_html(std::string_view text);

}  // namespace naru::http
