// Status codes and their words (RFC 9110, section 15).
#pragma once

#include <string_view>

namespace naru::http {

/// "Not Found" for 404; for a code without words of its own those of its class.
std::string_view phrase_of(unsigned status) noexcept;

/// Whether an answer with this status has no content, whatever its fields say (RFC 9112, section 6.3).
constexpr bool has_no_content(unsigned status) noexcept {
    return status < 200 || status == 204 || status == 304;
}

}  // namespace naru::http
