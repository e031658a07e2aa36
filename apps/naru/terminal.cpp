#include "terminal.hpp"

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

std::error_code write_standard(standard_output to, std::string_view text) noexcept {
    const lent_descriptor lent(to == standard_output::output ? STDOUT_FILENO : STDERR_FILENO);
    const auto written = write_log(lent, text);
    return written ? std::error_code() : written.error();
}

}  // namespace naru::program
