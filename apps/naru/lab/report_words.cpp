#include <lab/report_words.hpp>

#include <algorithm>
#include <array>

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

namespace {

struct known_reason {
    std::string_view kind;
    std::string_view words;
};

// The kinds are those of `naru load` (docs/load.md) and of the lab (docs/lab.md).
constexpr std::string_view busy = "other programs used this machine";
constexpr std::string_view slow = "the load generator was the slower one";
constexpr std::array<known_reason, 17> known_reasons{{
    {"generator_saturated", slow},
    {"generator_descheduled", busy},
    {"generator_paused", busy},
    {"server_core_shared", busy},
    {"server_not_read", busy},
    {"schedule_missed", "requests were sent too late"},
    {"generator_late", "requests were sent too late"},
    {"clock_steal", "the hypervisor took processor time"},
    {"listen_queue_dropped", "the server's listen queue overflowed"},
    {"backlog_overflow", "the server did not keep up"},
    {"no_answers", "no request was answered"},
    {"errors", "requests failed"},
    {"idle_lost", "the server ended idle connections"},
    {"ports_exhausted", "the source addresses had no ports left"},
    {"reconnects_limited", "the server ended connections without an answer"},
    {"close_awaited", "the server did not end its connections"},
    {"too_few_samples", "too few answers"},
}};

}  // namespace

std::string reason_words(std::string_view reasons) {
    std::string made;
    while (!reasons.empty()) {
        const std::size_t end = std::min(reasons.find(", "), reasons.size());
        std::string_view each = reasons.substr(0, end);
        reasons.remove_prefix(std::min(end + 2, reasons.size()));
        for (const known_reason& known : known_reasons) {
            if (each == known.kind) each = known.words;
        }
        if (made.find(each) == std::string::npos) made.append(made.empty() ? "" : ", ").append(each);
    }
    return made;
}

}  // namespace naru::lab
