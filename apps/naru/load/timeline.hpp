// What happened in each second of a run, from all threads.
#pragma once

#include <load/histogram.hpp>
#include <load/report.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace naru::load {

/// A thread adds its part of a second when the second is over. Thread-safe. Memory: a line for each second,
/// and a histogram for each of the few seconds that not every thread has delivered yet.
class timeline {
 public:
    explicit timeline(unsigned threads) : threads_(threads) {}

    void add(std::size_t index, std::uint64_t requests, std::uint64_t errors, const histogram& latencies);

    /// Seconds that all threads have delivered.
    std::vector<second> complete() const;
    /// The last of those; false if there is none yet.
    bool last(second& into, std::size_t& index) const;
    /// All, also those that some threads did not reach.
    std::vector<second> all();

 private:
    struct open_second {
        std::size_t index = 0;
        unsigned delivered = 0;
        second sums;
        histogram latencies;
    };
    void finish(open_second& each);

    mutable std::mutex mutex_;
    unsigned threads_;
    std::vector<std::unique_ptr<open_second>> open_;
    std::vector<second> done_;
    std::size_t done_until_ = 0;  // all threads have delivered the seconds before it
};

}  // namespace naru::load
