// Samples on disk, a line each, so that an interrupted run goes on where it stopped.
#pragma once

#include <lab/measure.hpp>

#include <fstream>
#include <string>
#include <vector>

namespace naru::lab {

class store {
 public:
    /// Opens `path`. Lines of an earlier run of the same `signature` (settings, machine and version) are
    /// kept; those of another one are thrown away, and so are all when `fresh` is set. Throws
    /// std::runtime_error when it cannot be written.
    store(std::string path, const std::string& signature, bool fresh);

    /// What was there.
    const std::vector<sample>& earlier() const noexcept { return earlier_; }
    /// With the system when it returns: it outlives this process. Throws std::runtime_error.
    void add(const sample& measured);

 private:
    std::string path_;
    std::ofstream file_;
    std::vector<sample> earlier_;
};

}  // namespace naru::lab
