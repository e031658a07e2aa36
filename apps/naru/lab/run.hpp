// A run of the lab: the plan, cell by cell, with everything written down as soon as it is known.
#pragma once

#include <lab/plan.hpp>
#include <lab/report.hpp>
#include <lab/results.hpp>
#include <lab/store.hpp>

#include <functional>
#include <string>
#include <vector>

namespace naru::lab {

struct run_options {
    settings chosen;
    std::string directory = "naru-lab";  ///< report.html, report.json, samples.jsonl, and what servers write
    std::string program;                 ///< naru itself
    std::string version;
    std::string command;  ///< as the user would type it again
    bool fresh = false;   ///< forget what an earlier run has left in the directory
};

/// Where a run is.
struct status {
    std::size_t done = 0;
    std::size_t planned = 0;
    double seconds_left = 0;  ///< an estimate
    const cell* next = nullptr;
    const sample* last = nullptr;
};

class run {
 public:
    /// Finds out what can be measured here and makes the plan. Throws std::invalid_argument for what cannot
    /// be asked for (a model or a scenario that is not known or not there, more connections than there can
    /// be), and std::runtime_error for a directory that cannot be written or in which another run is at work.
    explicit run(run_options options);

    /// Measures what is not there yet. `watch` is called before each cell and after the last; `cancelled`
    /// often. Returns whether all has been measured.
    bool measure_all(const std::function<void(const status&)>& watch, const std::function<bool()>& cancelled);

    /// Writes report.html, report.json and a file for each chart (charts/*.svg) of what is known so far, each
    /// in one step (rename(2)), and progress.json.
    void write_report(const status& now) const;

    const results& known() const noexcept { return results_; }
    std::size_t resumed() const noexcept { return resumed_; }
    const std::vector<std::string>& missing() const noexcept { return missing_; }
    const run_options& options() const noexcept { return options_; }
    status now() const;
    /// What the report begins with: what this machine showed, a sentence each.
    std::vector<std::string> headlines() const;

 private:
    report_frame frame_of(const status& now) const;

    run_options options_;
    unique_descriptor lock_;
    workplace at_;
    std::vector<std::string> missing_;
    results results_;
    store store_;
    std::size_t resumed_ = 0;
    double pace_ = 1;  // how much longer cells take than expected
};

}  // namespace naru::lab
