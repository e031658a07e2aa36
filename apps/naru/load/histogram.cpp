#include <load/histogram.hpp>

#include <cmath>

namespace naru::load {

namespace {

duration from_count(std::uint64_t nanoseconds) noexcept {
    return duration(static_cast<std::int64_t>(nanoseconds));
}

}  // namespace

void histogram::merge(const histogram& other) noexcept {
    for (std::size_t index = 0; index < buckets; ++index)
        counts_[index] += other.counts_[index];
    count_ += other.count_;
    saturated_ += other.saturated_;
    sum_ += other.sum_;
    shortest_ = std::min(shortest_, other.shortest_);
    longest_ = std::max(longest_, other.longest_);
}

duration histogram::min() const noexcept { return from_count(count_ == 0 ? 0 : shortest_); }

duration histogram::max() const noexcept { return from_count(longest_); }

double histogram::mean() const noexcept { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

double histogram::standard_deviation() const noexcept {
    if (count_ == 0) return 0;
    const double middle = mean();
    double squares = 0;
    for (std::size_t index = 0; index < buckets; ++index) {
        if (counts_[index] == 0) continue;
        const double off = middle_of(index) - middle;
        squares += off * off * static_cast<double>(counts_[index]);
    }
    return std::sqrt(squares / static_cast<double>(count_));
}

duration histogram::percentile(double percent) const noexcept {
    if (count_ == 0) return duration(0);
    const double share = std::clamp(percent, 0.0, 100.0) / 100.0;
    // The tolerance keeps 99% of 100 at 99: the product may be a rounding error above it.
    const double wanted = std::ceil(share * static_cast<double>(count_) * (1 - 1e-12));
    const std::uint64_t rank = std::max<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1);
    std::uint64_t passed = 0;
    for (std::size_t index = 0; index < buckets; ++index) {
        passed += counts_[index];
        if (passed >= rank) {
            if (index == buckets - 1) break;  // holds what is saturated, too
            return std::min(end_of(index), max());
        }
    }
    return max();
}

duration histogram::end_of(std::size_t index) const noexcept {
    if (index == buckets - 1) return std::max(highest, max());
    const std::size_t coarse = index < 2 * fine ? 0 : index / fine - 1;
    const std::uint64_t last = ((std::uint64_t{index - coarse * fine} + 1) << coarse) - 1;
    return from_count((last << unit_bits) | ((1u << unit_bits) - 1));
}

double histogram::middle_of(std::size_t index) const noexcept {
    const std::size_t coarse = index < 2 * fine ? 0 : index / fine - 1;
    const double width = static_cast<double>(std::uint64_t{1} << (coarse + unit_bits));
    return static_cast<double>(std::uint64_t{index - coarse * fine}) * width + width / 2;
}

}  // namespace naru::load
