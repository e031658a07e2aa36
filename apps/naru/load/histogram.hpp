// A log-linear histogram of durations: fixed memory, mergeable, no value reported wrong by more than 1%.
#pragma once

#include <naru/core/clock.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace naru::load {

namespace histogram_layout {

inline constexpr unsigned unit_bits = 3;  // 8 ns
inline constexpr unsigned fine_bits = 7;  // 128 buckets an octave

/// The bucket of a value in units.
constexpr std::size_t place_of(std::uint64_t units) noexcept {
    if (units < (1u << fine_bits)) return static_cast<std::size_t>(units);
    const unsigned coarse = static_cast<unsigned>(std::bit_width(units)) - 1 - fine_bits;
    return (std::size_t{coarse} << fine_bits) + static_cast<std::size_t>(units >> coarse);
}

}  // namespace histogram_layout

/// Every octave is divided into 128 buckets of equal width, so a bucket is at most 0.8% of its values wide
/// from one microsecond up; below that buckets are 8 ns wide. Values above an hour are counted as saturated
/// and put into the last bucket. 33 KiB. Not thread-safe: each thread has its own, merged at the end.
class histogram {
 public:
    static constexpr duration highest = std::chrono::hours(1);

    /// A negative duration counts as zero.
    void record(duration value) noexcept {
        const auto nanoseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0));
        ++counts_[index_of(nanoseconds)];
        ++count_;
        sum_ += static_cast<double>(nanoseconds);
        shortest_ = std::min(shortest_, nanoseconds);
        longest_ = std::max(longest_, nanoseconds);
    }

    void merge(const histogram& other) noexcept;
    void clear() noexcept { *this = histogram(); }

    std::uint64_t count() const noexcept { return count_; }
    /// Values above `highest`.
    std::uint64_t saturated() const noexcept { return saturated_; }

    /// Exact; zero when nothing has been recorded.
    duration min() const noexcept;
    duration max() const noexcept;
    /// In nanoseconds. The mean is exact, the deviation is that of the buckets' middles.
    double mean() const noexcept;
    double standard_deviation() const noexcept;

    /// The smallest duration that at least `percent` of the values do not exceed, rounded up to the end of
    /// its bucket (never past the maximum): it is never understated. `percent` from 0 to 100.
    duration percentile(double percent) const noexcept;

    /// Calls `visit(duration highest_of_bucket, std::uint64_t count)` for each bucket that is not empty.
    template <class Visit>
    void for_each(Visit visit) const {
        for (std::size_t index = 0; index < buckets; ++index) {
            if (counts_[index] != 0) visit(end_of(index), counts_[index]);
        }
    }

 private:
    static constexpr unsigned unit_bits = histogram_layout::unit_bits;
    static constexpr unsigned fine_bits = histogram_layout::fine_bits;
    static constexpr std::size_t fine = std::size_t{1} << fine_bits;
    static constexpr std::uint64_t highest_units = static_cast<std::uint64_t>(highest.count()) >> unit_bits;
    static constexpr std::size_t buckets = histogram_layout::place_of(highest_units) + 1;

    std::size_t index_of(std::uint64_t nanoseconds) noexcept {
        const std::uint64_t units = nanoseconds >> unit_bits;
        if (units <= highest_units) return histogram_layout::place_of(units);
        ++saturated_;
        return buckets - 1;
    }
    duration end_of(std::size_t index) const noexcept;
    double middle_of(std::size_t index) const noexcept;

    std::array<std::uint64_t, buckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t saturated_ = 0;
    std::uint64_t shortest_ = ~std::uint64_t{0};
    std::uint64_t longest_ = 0;
    double sum_ = 0;
};

/// Whether `count` values are enough to speak of this percentile: ten of them at least must lie above it.
/// 500 values say nothing of p99.9.
constexpr bool enough_for(std::uint64_t count, double percent) noexcept {
    return static_cast<double>(count) * (100.0 - percent) >= 10.0 * 100.0 * (1 - 1e-9);
}

}  // namespace naru::load
