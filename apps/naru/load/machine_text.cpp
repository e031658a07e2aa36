// The text of Linux' two files.
#include <load/machine.hpp>

#include <load/text_file.hpp>

#include <algorithm>

namespace naru::load {

namespace {

std::string_view next_word(std::string_view& text) noexcept {
    const std::size_t first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return text = {};
    text.remove_prefix(first);
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

std::string_view next_line(std::string_view& text) noexcept {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

}  // namespace

// Two lines: the names, and the numbers in the same order.
void parse_netstat(std::string_view text, machine_counters& into) {
    while (!text.empty()) {
        std::string_view names = next_line(text);
        std::string_view numbers = next_line(text);
        if (next_word(names) != "TcpExt:" || next_word(numbers) != "TcpExt:") continue;
        while (true) {
            const std::string_view name = next_word(names);
            const std::string_view number = next_word(numbers);
            if (name.empty() || number.empty()) return;
            if (name == "ListenOverflows") into.listen_overflows = to_number(number);
            if (name == "ListenDrops") into.listen_drops = to_number(number);
        }
    }
}

// cpu user nice system idle iowait irq softirq steal guest guest_nice; guest time is part of user's.
void parse_stat(std::string_view text, machine_counters& into) {
    std::string_view line = next_line(text);
    if (next_word(line) != "cpu") return;
    std::uint64_t all = 0;
    for (unsigned column = 0; column < 8; ++column) {
        const auto ticks = to_number(next_word(line));
        if (!ticks) return;
        all += *ticks;
        if (column == 7) into.steal_ticks = ticks;
    }
    into.all_ticks = all;
}

}  // namespace naru::load
