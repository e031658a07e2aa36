// A report as JSON and as HdrHistogram's text; and two of them side by side.
#pragma once

#include <load/json.hpp>
#include <load/options.hpp>
#include <load/report.hpp>

#include <array>
#include <string>

namespace naru::load {

/// The percentiles that are reported, with their names in JSON and text.
struct named_percentile {
    double percent;
    std::string_view name;
};
inline constexpr std::array<named_percentile, 6> percentiles{
    {{50, "p50"}, {75, "p75"}, {90, "p90"}, {99, "p99"}, {99.9, "p99.9"}, {99.99, "p99.99"}}};

/// One object; docs/load.md describes its members. `version`: of the program; `url`: as the user gave it.
std::string to_json(const report& of, const run_options& options, std::string_view version,
                    std::string_view url);

/// "Value Percentile TotalCount 1/(1-Percentile)", values in milliseconds, and the lines behind it: what
/// HdrHistogram's plotter reads.
std::string to_hdr_text(const histogram& of);

/// What came out of a comparison.
struct comparison {
    bool ranked = false;  ///< false: one of the runs was invalid, or they measured different things
    std::string text;     ///< lines for the terminal
};

/// Compares two reports in JSON: B's figures divided by A's, and whether the difference is larger than the
/// seconds of each run differ among themselves. Errors: something that is no report of naru load.
or_words<comparison> compare(std::string_view json_a, std::string_view json_b, std::string_view name_a,
                             std::string_view name_b);

}  // namespace naru::load
