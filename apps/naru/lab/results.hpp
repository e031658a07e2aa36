// All that has been measured, and the questions a report asks of it.
#pragma once

#include <lab/measure.hpp>
#include <lab/page.hpp>
#include <lab/statistics.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace naru::lab {

/// Which of a sample's figures; whether it says something about the server when the generator was the slower
/// one.
struct figure {
    double sample::* value = nullptr;
    bool generator_matters = true;
    double scale = 1;  ///< from the sample's unit to the report's
};

namespace figures {
inline constexpr figure cpu_microseconds{&sample::cpu_microseconds, false};
inline constexpr figure cpu_percent{&sample::cpu_share, true, 100};
inline constexpr figure p50_milliseconds{&sample::p50_microseconds, true, 1e-3};
inline constexpr figure p99_milliseconds{&sample::p99_microseconds, true, 1e-3};
inline constexpr figure requests_per_second{&sample::requests_per_second, true};
inline constexpr figure user_bytes{&sample::user_bytes, false};
inline constexpr figure kernel_bytes{&sample::kernel_bytes, false};
inline constexpr figure connections{&sample::connections, false};
inline constexpr figure calls{&sample::calls, false};
}  // namespace figures

/// A ratio of two subjects, round by round: what disturbs the machine slowly is in both.
struct compared {
    std::string scenario;
    double x = 0;
    std::string subject;
    std::string baseline;
    estimate ratio;
    bool valid = true;
};

class results {
 public:
    results(std::vector<cell> plan, std::vector<subject> subjects);

    void add(sample measured);
    bool has(const std::string& key) const { return samples_.contains(key); }
    const std::vector<cell>& plan() const noexcept { return plan_; }
    const std::vector<subject>& subjects() const noexcept { return subjects_; }
    const std::map<std::string, sample>& samples() const noexcept { return samples_; }
    std::size_t done() const;

    /// Subjects and places of a scenario, in the order of the plan.
    std::vector<std::string> subjects_of(std::string_view scenario) const;
    std::vector<double> places_of(std::string_view scenario) const;

    /// A point of a chart: of the valid rounds if there are any, else of all and marked. Nothing: not
    /// measured.
    std::optional<point> at(std::string_view scenario, const std::string& subject, double x,
                            const figure& which) const;
    /// The median alone, of a valid point.
    std::optional<double> median(std::string_view scenario, const std::string& subject, double x,
                                 const figure& which) const;
    std::optional<compared> ratio(std::string_view scenario, double x, const std::string& subject,
                                  const std::string& baseline, const figure& which) const;

    /// Bytes of memory that one more idle connection takes: the slope between the fewest and the most
    /// connections.
    std::optional<double> bytes_per_connection(const std::string& subject, const figure& which) const;

 private:
    std::vector<const sample*> rounds_of(std::string_view scenario, const std::string& subject,
                                         double x) const;

    std::vector<cell> plan_;
    std::vector<subject> subjects_;
    std::map<std::string, sample> samples_;
};

/// Which of two takes less processor time per request in a scenario, as far as the intervals of their ratios
/// tell: places where the interval holds 1 say nothing.
struct order {
    enum class kind : std::uint8_t {
        unclear,     ///< no difference larger than the noise at some place, or more than one crossing
        everywhere,  ///< one at every place
        crosses,     ///< one up to `crossover`, the other beyond
    };
    kind is = kind::unclear;
    bool first_is_less = false;  ///< everywhere; or beyond the crossing
    std::optional<double> crossover;
};
order order_of(const results& all, std::string_view scenario, const std::string& first,
               const std::string& second);

}  // namespace naru::lab
