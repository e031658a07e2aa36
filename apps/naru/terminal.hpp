// Standard output and standard error: written to, and what there is to know of a terminal.
#pragma once

#include <naru/fs/files.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <system_error>

namespace naru::program {

/// Whether it is a terminal that can move its cursor.
bool is_live_terminal();

/// Characters in a line; 80 if that is not known.
std::size_t terminal_width();
inline constexpr std::size_t terminal_width_default = 80;

/// Whether it shows UTF-8.
bool terminal_has_utf8();

/// Writes all of `text` at once. An error is one of errno's.
std::error_code write_standard(standard_output to, std::string_view text) noexcept;

}  // namespace naru::program
