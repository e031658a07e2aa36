// Kernels known to get something wrong that cannot be found out by trying: what they answer looks right.
// Everything else is found by trying, whatever the version says.
#pragma once

#include <naru/backend/uring/options.hpp>

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace naru {

/// Major, minor, patch: of "6.14.3-generic", 6 14 3.
using kernel_version = std::array<int, 3>;

/// {0, 0, 0} if the text does not begin with numbers.
kernel_version parse_kernel_version(std::string_view release) noexcept;

struct uring_quirk {
    kernel_version first;  ///< with the fault
    kernel_version fixed;  ///< without it again
    const char* fault;
    const char* source;
    bool uring_options::* feature;  ///< what is done without

    /// Switches the feature off; true if it was on.
    bool switches_off(uring_options& options) const noexcept;
    /// "no multishot accept (KERNEL: FAULT; SOURCE)", for people.
    std::string text() const;
};

/// Those that a kernel has.
std::vector<uring_quirk> quirks_of(kernel_version version);
std::vector<uring_quirk> quirks_of_this_kernel();

}  // namespace naru
