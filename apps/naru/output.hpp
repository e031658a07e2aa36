// What the program prints. Nothing of this throws: what could not be written is told by the exit status.
#pragma once

#include <string_view>

namespace naru::program {

/// `text` on standard output, at once. Any thread.
void put(std::string_view text) noexcept;

/// `text` on standard error, at once. Any thread.
void put_error(std::string_view text) noexcept;

/// "naru: LINE" on standard error, at once. Any thread.
void say(std::string_view line) noexcept;

/// The program's exit status: `status`, or 1 if that is 0 and something could not be written. Says so, if it
/// was standard output.
int exit_status(int status) noexcept;

}  // namespace naru::program
