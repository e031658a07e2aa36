// What some rounds say together.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace naru::lab {

struct estimate {
    double median = 0;
    double low = 0;
    double high = 0;
    unsigned rounds = 0;
};

/// The median and an interval. From four rounds on: 95%, by Student's t of the logarithms, so that it is the
/// same for a ratio and its inverse, and widened to hold the median. Of fewer rounds: from the smallest to
/// the largest. Values must be positive; nothing if there is none.
std::optional<estimate> estimate_of(std::span<const double> values);

/// The median of `upper` divided by that of `lower`, with a 95% interval: both are drawn again, as often as
/// they have values and with the same seed always, 2,000 times (bootstrap). `rounds` is the smaller number of
/// values. Nothing if one has none. Values must be positive.
std::optional<estimate> ratio_of_medians(std::span<const double> upper, std::span<const double> lower);

/// Where two lines through points at the same places cross first: interpolated between the two points, in the
/// logarithm of x. Nothing if one lies below the other all the way.
struct line_point {
    double x = 0;
    double first = 0;
    double second = 0;
};
std::optional<double> crossover_of(std::span<const line_point> points);

/// The slope of y against x by the two ends.
struct xy {
    double x = 0;
    double y = 0;
};
std::optional<double> slope_of(std::span<const xy> points);

}  // namespace naru::lab
