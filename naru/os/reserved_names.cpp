#include <naru/os/reserved_names.hpp>

#include <algorithm>
#include <array>
#include <cstddef>

namespace naru {

namespace {

bool same_ignoring_case(std::string_view a, std::string_view lower) noexcept {
    return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
        return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
    });
}

bool is_digit(char byte) noexcept { return byte >= '0' && byte <= '9'; }

bool is_device(std::string_view component) noexcept {
    // "NUL.txt", "NUL .txt" and "NUL" are all the device.
    std::string_view base = component.substr(0, component.find('.'));
    while (base.ends_with(' '))
        base.remove_suffix(1);
    constexpr std::array<std::string_view, 7> alone{"con",    "prn",     "aux",   "nul",
                                                    "conin$", "conout$", "clock$"};
    for (const std::string_view each : alone) {
        if (same_ignoring_case(base, each)) return true;
    }
    if (base.size() < 4) return false;
    const std::string_view port = base.substr(0, 3);
    if (!same_ignoring_case(port, "com") && !same_ignoring_case(port, "lpt")) return false;
    const std::string_view number = base.substr(3);
    return (number.size() == 1 && is_digit(number[0])) || number == "\xc2\xb9" || number == "\xc2\xb2" ||
           number == "\xc2\xb3";
}

// At most eight bytes with a tilde and digits at their end, perhaps a dot and at most three bytes.
bool is_short_name(std::string_view component) noexcept {
    const std::size_t dot = component.find('.');
    const std::string_view base = component.substr(0, dot);
    const std::string_view extension =
        dot == std::string_view::npos ? std::string_view() : component.substr(dot + 1);
    if (base.size() > 8 || extension.size() > 3 || extension.find('.') != std::string_view::npos)
        return false;
    const std::size_t tilde = base.rfind('~');
    if (tilde == std::string_view::npos || tilde + 1 == base.size()) return false;
    return std::all_of(base.begin() + static_cast<std::ptrdiff_t>(tilde) + 1, base.end(), is_digit);
}

}  // namespace

bool is_plain_windows_name(std::string_view component) noexcept {
    if (component.empty() || component == "." || component == "..") return false;
    for (const char each : component) {
        if (static_cast<unsigned char>(each) < 0x20) return false;
    }
    if (component.find_first_of("/\\:*?\"<>|") != std::string_view::npos) return false;
    if (component.ends_with('.') || component.ends_with(' ')) return false;
    return !is_device(component) && !is_short_name(component);
}

}  // namespace naru
