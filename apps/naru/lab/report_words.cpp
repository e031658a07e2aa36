#include <lab/report_words.hpp>

#include <cmath>
#include <cstdint>

#include <fmt/format.h>

namespace naru::lab {

std::string count_words(double count) {
    std::string digits = fmt::format("{:.0f}", count);
    const std::size_t first = digits.starts_with('-') ? 1 : 0;
    for (std::size_t place = digits.size(); place > first + 3; place -= 3)
        digits.insert(place - 3, 1, ',');
    return digits;
}

std::string figure_words(double value) {
    const double size = std::abs(value);
    if (size >= 1000) return count_words(value);
    if (size >= 100) return fmt::format("{:.0f}", value);
    if (size >= 10) return fmt::format("{:.1f}", value);
    return fmt::format("{:.2f}", value);
}

std::string times_words(double ratio) { return figure_words(ratio) + " times"; }

std::string byte_words(double bytes) {
    if (bytes < 10'000) return count_words(bytes) + " bytes";
    if (bytes < 1'048'576) return figure_words(bytes / 1024) + " KiB";
    return figure_words(bytes / 1'048'576) + " MiB";
}

std::string milliseconds_words(double milliseconds) {
    return milliseconds < 0.1 ? figure_words(milliseconds * 1000) + " us"
                              : figure_words(milliseconds) + " ms";
}

}  // namespace naru::lab
