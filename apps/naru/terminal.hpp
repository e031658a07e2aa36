// Standard output, if it is a terminal.
#pragma once

#include <cstddef>
#include <string>

namespace naru::program {

/// Whether it is a terminal that can move its cursor.
bool is_live_terminal();

/// Characters in a line; 80 if that is not known.
std::size_t terminal_width();
inline constexpr std::size_t terminal_width_default = 80;

/// Whether it shows UTF-8.
bool terminal_has_utf8();

/// Writes at once, behind what was written before.
void put_on_terminal(const std::string& text);

}  // namespace naru::program
