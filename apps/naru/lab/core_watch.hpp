// How much of some cores others have had than those that were to run there.
#pragma once

#include <naru/core/clock.hpp>

#include <vector>

namespace naru::lab {

/// From its making on. The kernel charges ticks of 10 ms to what it finds running: of two seconds a share is
/// known to a few percent.
class core_watch {
 public:
    /// `process` and all its descendants, also those that end meanwhile, are meant to run on `cores`.
    core_watch(std::vector<int> cores, int process);

    /// The share of the cores' time since then that others had.
    double others() const;

 private:
    double busy() const;

    std::vector<int> cores_;
    int process_;
    double busy_before_ = 0;
    duration used_before_{0};
    std::chrono::steady_clock::time_point from_;
};

}  // namespace naru::lab
