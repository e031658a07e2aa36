// Figures as a report writes them.
#pragma once

#include <string>
#include <string_view>

namespace naru::lab {

/// "0.97", "12", "1,234": three digits that count.
std::string figure_words(double value);
/// "1.30 times", from a ratio.
std::string times_words(double ratio);
/// "412 bytes", "3.1 KiB", "48 MiB".
std::string byte_words(double bytes);
/// "10,000"
std::string count_words(double count);
/// What a verdict's reasons mean ("generator_descheduled, clock_steal"), as a reader of the report may know
/// it: each cause once, with commas. What is no reason's name stays as it is.
std::string reason_words(std::string_view reasons);
/// "0.42 ms", "85 us", from milliseconds.
std::string milliseconds_words(double milliseconds);

}  // namespace naru::lab
