// What the user sees of `naru load`: a view that is redrawn in place, lines of progress, and the report.
#pragma once

#include <load/run.hpp>

#include <string>
#include <vector>

namespace naru::program {

/// Progress while a run goes on. On a terminal: a few lines, redrawn in place. Otherwise: a line for each
/// second on standard error.
class progress_view {
 public:
    enum class style : std::uint8_t { none, lines, live };
    progress_view(style how, std::string title, const load::run_options& options);
    ~progress_view();
    progress_view(const progress_view&) = delete;
    progress_view& operator=(const progress_view&) = delete;

    void update(const load::live_view& now);
    /// Takes the view off the terminal, and leaves the terminal as it was.
    void clear();

 private:
    std::string state_of(const load::live_view& now) const;
    std::string bar(double share, std::size_t width) const;
    std::string sparks(std::size_t width) const;
    void redraw(const load::live_view& now);

    style style_;
    std::string title_;
    const load::run_options& options_;
    bool unicode_;
    bool colour_;
    unsigned drawn_ = 0;  // lines on the terminal
    bool cursor_hidden_ = false;
    bool said_opening_ = false;
    std::size_t seconds_seen_ = 0;
    std::vector<std::uint64_t> rates_;  // of the last seconds, oldest first
};

/// Whether standard output should have colours (https://no-color.org).
bool wants_colour();

/// One line on what the run does.
std::string title_of(const load::run_options& options, std::string_view url, std::string_view engine);

/// The report for people, in lines of at most `width` characters (words that are longer excepted).
std::string report_text(const load::report& of, std::string_view title, bool colour, std::size_t width);

}  // namespace naru::program
