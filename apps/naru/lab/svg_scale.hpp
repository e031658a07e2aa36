// From values to places on an axis, and the round values that are written beside it.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace naru::lab {

/// Whether a value can be drawn at all: finite, of a size that leaves room for arithmetic, and above zero on
/// a logarithmic axis.
bool is_drawable(double value, bool logarithmic);

class scale {
 public:
    enum class spread : unsigned char {
        exact,      ///< from the least value to the greatest
        round,      ///< to round values beyond them
        from_zero,  ///< the same, and zero is on it (linear axes)
    };

    /// The axis for those of `values` that can be drawn; there need not be any.
    static scale fit(std::span<const double> values, bool logarithmic, spread how);

    /// 0 at the low end, 1 at the high end; what is outside is not cut off.
    double place(double value) const;

    /// Round values from low to high, about `most` at most: 1, 2 and 5 times powers of ten; on logarithmic
    /// axes of powers of two those.
    std::vector<double> ticks(unsigned most) const;

    double low() const { return low_; }
    double high() const { return high_; }
    bool is_logarithmic() const { return logarithmic_; }
    /// Whether all values were powers of two (and there were three or more of them).
    bool is_binary() const { return binary_; }

 private:
    double low_ = 0;
    double high_ = 1;
    bool logarithmic_ = false;
    bool binary_ = false;
};

}  // namespace naru::lab
