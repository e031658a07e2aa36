#include <lab/svg_scale.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace naru::lab {

namespace {

constexpr double greatest = 1e15;
constexpr double least = 1e-15;

bool is_power_of_two(double value) {
    int exponent = 0;
    return value >= 1 && std::frexp(value, &exponent) == 0.5;
}

// 1, 2 or 5 times a power of ten: the first that is not below `value`.
double round_step(double value) {
    const double power = std::pow(10.0, std::floor(std::log10(value)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (value <= factor * power * (1 + 1e-9)) return factor * power;
    }
    return 10 * power;
}

double round_down(double value) {
    const double power = std::pow(10.0, std::floor(std::log10(value) + 1e-12));
    for (const double factor : {5.0, 2.0}) {
        if (factor * power <= value * (1 + 1e-9)) return factor * power;
    }
    return power;
}

std::vector<double> decade_ticks(double low, double high, std::span<const double> factors, int stride) {
    std::vector<double> found;
    const int first = static_cast<int>(std::floor(std::log10(low)));
    const int last = static_cast<int>(std::ceil(std::log10(high)));
    for (int exponent = first; exponent <= last; ++exponent) {
        if (exponent % stride != 0) continue;
        for (const double factor : factors) {
            const double at = factor * std::pow(10.0, exponent);
            if (at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9)) found.push_back(at);
        }
    }
    return found;
}

std::vector<double> binary_ticks(double low, double high, unsigned most) {
    for (int stride = 1;; ++stride) {
        std::vector<double> found;
        for (double at = std::exp2(std::ceil(std::log2(low))); at <= high * (1 + 1e-9);
             at *= std::exp2(stride)) {
            found.push_back(at);
        }
        if (found.size() <= most || stride > 60) return found;
    }
}

std::vector<double> linear_ticks(double low, double high, unsigned most) {
    const double step = round_step((high - low) / most);
    std::vector<double> found;
    for (double number = std::ceil(low / step - 1e-9); number * step <= high + step * 1e-9; ++number) {
        found.push_back(number == 0 ? 0 : number * step);
    }
    return found;
}

}  // namespace

bool is_drawable(double value, bool logarithmic) {
    if (!std::isfinite(value) || std::fabs(value) > greatest) return false;
    return !logarithmic || value >= least;
}

scale scale::fit(std::span<const double> values, bool logarithmic, spread how) {
    scale made;
    made.logarithmic_ = logarithmic;
    std::set<double> shown;
    for (const double each : values) {
        if (is_drawable(each, logarithmic)) shown.insert(each);
    }
    made.low_ = logarithmic ? 1 : 0;
    made.high_ = logarithmic ? 10 : 1;
    if (shown.empty()) return made;
    made.low_ = *shown.begin();
    made.high_ = *shown.rbegin();
    made.binary_ = logarithmic && shown.size() >= 3 && std::ranges::all_of(shown, is_power_of_two);
    if (logarithmic) {
        if (how != spread::exact) {
            made.low_ = round_down(made.low_);
            made.high_ = round_step(made.high_);
        }
        if (made.high_ < made.low_ * 1.5) {
            made.low_ /= 2;
            made.high_ *= 2;
        }
        return made;
    }
    if (how == spread::from_zero) {
        made.low_ = std::min(made.low_, 0.0);
        made.high_ = std::max(made.high_, 0.0);
    }
    if (made.high_ - made.low_ < 1e-9 * std::max({std::fabs(made.low_), std::fabs(made.high_), 1e-6})) {
        const double around = made.high_ == 0 ? 1 : std::fabs(made.high_) / 2;
        if (how != spread::from_zero) made.low_ -= around;
        made.high_ += around;
    }
    if (how != spread::exact) {
        const double step = round_step((made.high_ - made.low_) / 8);
        made.low_ = std::floor(made.low_ / step + 1e-9) * step;
        made.high_ = std::ceil(made.high_ / step - 1e-9) * step;
    }
    return made;
}

double scale::place(double value) const {
    if (!logarithmic_) return (value - low_) / (high_ - low_);
    return std::log(std::max(value, least) / low_) / std::log(high_ / low_);
}

std::vector<double> scale::ticks(unsigned most) const {
    most = std::max(most, 2U);
    if (!logarithmic_) return linear_ticks(low_, high_, most);
    if (binary_) return binary_ticks(low_, high_, most);
    constexpr double all[] = {1, 2, 5};
    constexpr double two[] = {1, 3};
    constexpr double one[] = {1};
    for (const std::span<const double> factors :
         {std::span<const double>(all), std::span<const double>(two)}) {
        const auto found = decade_ticks(low_, high_, factors, 1);
        if (found.size() >= 2 && found.size() <= most) return found;
    }
    for (int stride = 1; stride < 40; ++stride) {
        auto found = decade_ticks(low_, high_, one, stride);
        if (found.size() >= 2 && found.size() <= most) return found;
    }
    return {low_, high_};
}

}  // namespace naru::lab
