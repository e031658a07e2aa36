#include "terminal.hpp"

#include <naru/backend/windows_api.hpp>

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

void put_on_terminal(const std::string& text) {
    std::fflush(stdout);
    DWORD written = 0;
    WriteFile(output(), text.data(), static_cast<DWORD>(text.size()), &written, nullptr);
}

}  // namespace naru::program
