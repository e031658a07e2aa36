#include "terminal.hpp"

#include <naru/os/windows_api.hpp>

#include <cerrno>
#include <cstdio>

namespace naru::program {

namespace {

HANDLE output() noexcept { return GetStdHandle(STD_OUTPUT_HANDLE); }

}  // namespace

// A console (GetConsoleMode fails for all else) that takes the sequences by which a cursor is moved: Windows
// 10's.
bool is_live_terminal() {
    DWORD mode = 0;
    return GetConsoleMode(output(), &mode) &&
           SetConsoleMode(output(), mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

std::size_t terminal_width() {
    CONSOLE_SCREEN_BUFFER_INFO shown{};
    if (!GetConsoleScreenBufferInfo(output(), &shown)) return terminal_width_default;
    return static_cast<std::size_t>(shown.srWindow.Right - shown.srWindow.Left + 1);
}

bool terminal_has_utf8() { return GetConsoleOutputCP() == CP_UTF8; }

// By the C run-time, which makes the line ends that this system's programs expect.
std::error_code write_standard(standard_output to, std::string_view text) noexcept {
    std::FILE* const stream = to == standard_output::output ? stdout : stderr;
    const bool written =
        std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
    return written ? std::error_code() : std::error_code(errno, errno_category());
}

}  // namespace naru::program
