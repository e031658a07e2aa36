// HTTP dates (RFC 9110, section 5.6.7).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace naru::http {

inline constexpr std::size_t date_length = 29;

/// The years 0 to 9999: all that four digits can name.
inline constexpr std::int64_t first_second = -62'167'219'200;
inline constexpr std::int64_t last_second = 253'402'300'799;

/// "Sun, 06 Nov 1994 08:49:37 GMT", without a terminator. What is outside of those years is told as their
/// first or last second.
std::array<char, date_length> format_date(std::int64_t unix_seconds) noexcept;

/// The date for Last-Modified: a time to come is told as now (RFC 9110, section 8.8.2.1).
std::array<char, date_length> format_last_modified(std::int64_t unix_seconds) noexcept;

/// Any of the three forms that RFC 9110 asks recipients to accept. Two-digit years are taken to be at most 50
/// years ahead of `now`.
std::optional<std::int64_t> parse_date(std::string_view text, std::int64_t now) noexcept;

}  // namespace naru::http
