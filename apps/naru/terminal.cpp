#include "terminal.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

namespace naru::program {

bool is_live_terminal() {
    const char* kind = std::getenv("TERM");
    return isatty(STDOUT_FILENO) == 1 && kind != nullptr && std::strcmp(kind, "dumb") != 0 && *kind != '\0';
}

std::size_t terminal_width() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return terminal_width_default;
}

bool terminal_has_utf8() {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
        const char* value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        const std::string_view text = value;
        return text.find("UTF-8") != std::string_view::npos || text.find("utf8") != std::string_view::npos;
    }
    return false;
}

void put_on_terminal(const std::string& text) {
    std::fflush(stdout);
    std::size_t written = 0;
    while (written < text.size()) {
        const ssize_t step = ::write(STDOUT_FILENO, text.data() + written, text.size() - written);
        if (step <= 0) return;
        written += static_cast<std::size_t>(step);
    }
}

}  // namespace naru::program
