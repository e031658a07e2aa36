#include <lab/statistics.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

namespace naru::lab {

namespace {

// Two-sided 95% quantiles of Student's t, by degrees of freedom from 3 on; beyond the table the normal one.
double student(std::size_t freedom) {
    static constexpr std::array<double, 8> table{3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
    return freedom - 3 < table.size() ? table[freedom - 3] : 1.96 + 2.4 / static_cast<double>(freedom);
}

double median_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

}  // namespace

std::optional<estimate> estimate_of(std::span<const double> values) {
    std::vector<double> sorted;
    for (const double each : values) {
        if (each > 0 && std::isfinite(each)) sorted.push_back(each);
    }
    if (sorted.empty()) return std::nullopt;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t count = sorted.size();
    estimate made;
    made.rounds = static_cast<unsigned>(count);
    made.median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
    made.low = sorted.front();
    made.high = sorted.back();
    if (count < 4) return made;
    double mean = 0;
    for (const double each : sorted)
        mean += std::log(each) / static_cast<double>(count);
    double variance = 0;
    for (const double each : sorted)
        variance += (std::log(each) - mean) * (std::log(each) - mean) / static_cast<double>(count - 1);
    const double reach = student(count - 1) * std::sqrt(variance / static_cast<double>(count));
    made.low = std::min(std::exp(mean - reach), made.median);
    made.high = std::max(std::exp(mean + reach), made.median);
    return made;
}

std::optional<estimate> ratio_of_medians(std::span<const double> upper, std::span<const double> lower) {
    if (upper.empty() || lower.empty()) return std::nullopt;
    constexpr std::size_t draws = 2'000;
    std::mt19937_64 random(draws);
    const auto drawn = [&random](std::span<const double> from) {
        std::vector<double> made(from.size());
        for (double& each : made)
            each = from[random() % from.size()];
        return median_of(std::move(made));
    };
    std::vector<double> ratios(draws);
    for (double& each : ratios)
        each = drawn(upper) / drawn(lower);
    std::sort(ratios.begin(), ratios.end());
    estimate made;
    made.rounds = static_cast<unsigned>(std::min(upper.size(), lower.size()));
    made.median = median_of({upper.begin(), upper.end()}) / median_of({lower.begin(), lower.end()});
    made.low = std::min(ratios[draws / 40], made.median);
    made.high = std::max(ratios[draws - 1 - draws / 40], made.median);
    return made;
}

std::optional<double> crossover_of(std::span<const line_point> points) {
    for (std::size_t index = 1; index < points.size(); ++index) {
        const line_point& before = points[index - 1];
        const line_point& after = points[index];
        const double then = std::log(before.first / before.second);
        const double now = std::log(after.first / after.second);
        if (then == 0 || (then < 0) == (now < 0)) continue;
        const double share = then / (then - now);
        return std::exp(std::log(before.x) + share * (std::log(after.x) - std::log(before.x)));
    }
    return std::nullopt;
}

std::optional<double> slope_of(std::span<const xy> points) {
    if (points.size() < 2 || points.back().x <= points.front().x) return std::nullopt;
    return (points.back().y - points.front().y) / (points.back().x - points.front().x);
}

}  // namespace naru::lab
