// One cell: a fresh server, its load, and what came of it.
#pragma once

#include <lab/plan.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace naru::lab {

/// Figures that could not be measured are -1.
struct sample {
    std::string key;    ///< of its cell
    bool valid = true;  ///< the generator's verdict
    /// The generator was the slower one: its rates and latencies are not the server's, the server's processor
    /// time per request is.
    bool generator_bound = false;
    std::string reasons;  ///< kinds of a verdict, with commas; or why the server could not be measured at all
    bool failed = false;  ///< nothing was measured

    double requests_per_second = -1;
    double errors = -1;            ///< share of all requests
    double cpu_microseconds = -1;  ///< of the server, per request
    double cpu_share = -1;         ///< of one core
    double p50_microseconds = -1;
    double p99_microseconds = -1;
    double max_microseconds = -1;
    double user_bytes = -1;    ///< with all connections open
    double kernel_bytes = -1;  ///< by which the kernel's memory has grown, both ends of the connections
    double tasks = -1;         ///< threads, or processes
    double connections = -1;   ///< that were open
    double calls = -1;         ///< system calls per request
    double measured_at = -1;   ///< seconds since 1970

    // Where a cell is many runs (shape::runs): the figures above are medians of those that nothing disturbed.
    std::vector<double> p99_of_runs;  ///< microseconds, undisturbed runs only
    double disturbed_runs = -1;       ///< set aside; `reasons` says what disturbed them
};

/// Of a cell of many runs: with fewer undisturbed ones its latencies say nothing.
inline constexpr std::size_t runs_needed = 8;

/// One line of JSON, and back. Nothing: it is not one.
std::string to_line(const sample& of);
std::optional<sample> parse_sample(std::string_view line);

/// Measures. What goes wrong with the subject or the load is in the sample; throws std::runtime_error only
/// when the lab itself cannot go on. `cancelled` is asked now and then: if it says so, the sample is worth
/// nothing.
sample measure(const cell& what, const subject& which, const workplace& at,
               const std::function<bool()>& cancelled);

/// The requests per second that ab printed; nothing if it did not finish. For tests.
std::optional<double> parse_ab(std::string_view output);
/// The number of all calls in the table of strace -c (without its sum).
std::optional<double> parse_strace(std::string_view table);

}  // namespace naru::lab
