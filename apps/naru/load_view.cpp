#include "load_view.hpp"
#include "load_words.hpp"
#include "output.hpp"
#include "terminal.hpp"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

namespace naru::program {

namespace {

constexpr std::size_t rates_kept = 512;

// Cut to what fits in a line, counting characters and not bytes.
std::string fitted(std::string_view text, std::size_t width) {
    std::size_t characters = 0;
    std::size_t end = 0;
    for (; end < text.size(); ++end) {
        const bool begins = (static_cast<unsigned char>(text[end]) & 0xc0) != 0x80;
        if (begins && ++characters > width) break;
    }
    return std::string(text.substr(0, end));
}

}  // namespace

bool wants_colour() {
    const char* refused = std::getenv("NO_COLOR");
    return is_live_terminal() && (refused == nullptr || *refused == '\0');
}

progress_view::progress_view(style how, std::string title, const load::run_options& options)
    : style_(how),
      title_(std::move(title)),
      options_(options),
      unicode_(terminal_has_utf8()),
      colour_(wants_colour()) {}

progress_view::~progress_view() { clear(); }

void progress_view::clear() {
    std::string out;
    if (drawn_ > 0) out += fmt::format("\x1b[{}A\r\x1b[J", drawn_);
    if (cursor_hidden_) out += "\x1b[?25h";
    drawn_ = 0;
    cursor_hidden_ = false;
    if (!out.empty()) put(out);
}

std::string progress_view::state_of(const load::live_view& now) const {
    if (now.opening)
        return fmt::format("opening connections: {} of {}", grouped(now.connections),
                           grouped(options_.connections + std::uint64_t{options_.idle}));
    if (now.warming_up) return "warming up";
    return fmt::format("{:.1f} s of {:g} s", now.measured_seconds,
                       std::chrono::duration<double>(options_.run_time).count());
}

void progress_view::update(const load::live_view& now) {
    if (now.has_second && now.second_index + 1 > seconds_seen_) {
        seconds_seen_ = now.second_index + 1;
        rates_.push_back(now.last.requests);
        if (rates_.size() > rates_kept) rates_.erase(rates_.begin());
        if (style_ == style::lines) {
            say(fmt::format("second {}: {} requests, {} errors, p50 {}, p99 {}, max {}{}",
                            now.second_index + 1, now.last.requests, now.last.errors,
                            words_if(load::enough_for(now.last.samples, 50), now.last.p50),
                            words_if(load::enough_for(now.last.samples, 99), now.last.p99),
                            words_if(now.last.samples > 0, now.last.max),
                            now.backlog > 0 ? fmt::format(", {} waiting", now.backlog) : ""));
        }
    }
    if (style_ == style::lines && now.opening && !said_opening_ && now.connections > 0) {
        said_opening_ = true;
        say(title_);
    }
    if (style_ == style::live) redraw(now);
}

std::string progress_view::bar(double share, std::size_t width) const {
    const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
    std::string out;
    for (std::size_t each = 0; each < width; ++each)
        out += unicode_ ? (each < filled ? "━" : "─") : (each < filled ? "#" : ".");
    return out;
}

// Requests of each second, the newest on the right.
std::string progress_view::sparks(std::size_t width) const {
    constexpr const char* blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    constexpr std::string_view letters = "_.-=+*#@";
    const std::size_t shown = std::min(width, rates_.size());
    const auto first = rates_.end() - static_cast<std::ptrdiff_t>(shown);
    const std::uint64_t most = shown == 0 ? 0 : *std::max_element(first, rates_.end());
    std::string out;
    for (auto each = first; each != rates_.end(); ++each) {
        const std::size_t height = most == 0 ? 0 : static_cast<std::size_t>(*each * 7 / most);
        out += unicode_ ? std::string(blocks[height]) : std::string(1, letters[height]);
    }
    return out;
}

void progress_view::redraw(const load::live_view& now) {
    const std::size_t width = std::max<std::size_t>(terminal_width(), 20) - 1;
    const double whole = std::chrono::duration<double>(options_.run_time).count();
    double share = whole > 0 ? now.measured_seconds / whole : 0;
    if (options_.requests)
        share = std::max(share, static_cast<double>(now.completed) / static_cast<double>(*options_.requests));
    std::vector<std::string> lines;
    lines.push_back(title_);
    lines.push_back(fmt::format("{}  {}", bar(share, std::min<std::size_t>(width / 2, 40)), state_of(now)));
    lines.push_back(fmt::format("requests {}   errors {}   connections {}{}", grouped(now.completed),
                                grouped(now.errors), grouped(now.connections),
                                now.backlog > 0 ? fmt::format("   waiting {}", grouped(now.backlog)) : ""));
    if (now.has_second) {
        lines.push_back(fmt::format("last second {} requests   p50 {}   p99 {}   max {}",
                                    grouped(now.last.requests),
                                    words_if(load::enough_for(now.last.samples, 50), now.last.p50),
                                    words_if(load::enough_for(now.last.samples, 99), now.last.p99),
                                    words_if(now.last.samples > 0, now.last.max)));
        lines.push_back("per second " + sparks(width > 11 ? width - 11 : 0));
    }
    // One write for the whole picture; lines are overwritten, not erased first: nothing flickers.
    std::string out;
    if (!cursor_hidden_) out += "\x1b[?25l";
    cursor_hidden_ = true;
    if (drawn_ > 0) out += fmt::format("\x1b[{}A\r", drawn_);
    for (std::size_t index = 0; index < lines.size(); ++index) {
        const std::string line = fitted(lines[index], width);
        out += index == 0 && colour_ ? "\x1b[1m" + line + "\x1b[0m" : line;
        out += "\x1b[K\n";
    }
    drawn_ = static_cast<unsigned>(lines.size());
    put(out);
}

}  // namespace naru::program
