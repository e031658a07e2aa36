// Latencies without keeping them: a histogram whose buckets are at most 1/128 of their value wide.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

class histogram {
 public:
    void record(std::uint64_t value) {
        ++buckets_[bucket_of(value)];
        ++count_;
    }

    std::uint64_t count() const { return count_; }

    /// The upper end of the bucket that holds the sample at `percent`; 0 without any sample.
    std::uint64_t percentile(double percent) const {
        if (count_ == 0) return 0;
        const auto rank = static_cast<std::uint64_t>(percent / 100.0 * static_cast<double>(count_ - 1));
        std::uint64_t seen = 0;
        for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
            seen += buckets_[bucket];
            if (seen > rank) return upper_end_of(bucket);
        }
        return 0;
    }

 private:
    // Values below 2^8 have a bucket each; every further power of two is cut into 2^7 equal ones.
    static constexpr int bits = 7;

    static std::size_t bucket_of(std::uint64_t value) {
        const int shift = std::bit_width(value) - (bits + 1);
        if (shift <= 0) return static_cast<std::size_t>(value);
        return (static_cast<std::size_t>(shift) << bits) + static_cast<std::size_t>(value >> shift);
    }

    static std::uint64_t upper_end_of(std::size_t bucket) {
        if (bucket < (std::size_t{2} << bits)) return bucket;
        const std::size_t shift = (bucket >> bits) - 1;
        const std::uint64_t leading = bucket - (shift << bits);
        return ((leading + 1) << shift) - 1;
    }

    std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>((64 - bits + 1) << bits);
    std::uint64_t count_ = 0;
};

}  // namespace bench
