// Content types by file name.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace naru::http {

/// What files whose names end in `.extension` are said to be.
struct content_type {
    std::string extension;  ///< in small letters, without the dot
    std::string type;       ///< "text/vtt; charset=utf-8"
};

/// "vtt=text/vtt; charset=utf-8", also with a dot in front. Nothing if it is malformed.
std::optional<content_type> parse_content_type(std::string_view text);

/// Whether it can be a Content-Type (RFC 9110, section 8.3.1): "type/subtype", perhaps with parameters.
bool is_media_type(std::string_view text) noexcept;

/// For the name's last extension, in any case: the first of `first` that has it, else the built-in table;
/// "application/octet-stream" if it is unknown or there is none. Lives as long as `first`.
std::string_view content_type_of(std::string_view name, std::span<const content_type> first = {}) noexcept;

/// The built-in table's type for an extension in small letters; empty if it has none.
std::string_view type_of_extension(std::string_view extension) noexcept;

}  // namespace naru::http
