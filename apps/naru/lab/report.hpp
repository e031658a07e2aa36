// From samples to a report: the words and charts are chosen here, and drawn by the page.
#pragma once

#include <lab/results.hpp>

#include <string>
#include <vector>

namespace naru::lab {

/// What a report says beside the figures.
struct report_frame {
    settings chosen;
    std::string command;
    std::string version;
    std::string date;  ///< for people
    std::vector<std::string> missing;
    progress under_way;
    bool shared_core = false;  ///< server and generator had to use the same core
    workplace at;
};

page make_page(const results& all, const report_frame& frame);

/// The chapter's sentences, with what was measured.
std::vector<claim> make_claims(const results& all, const report_frame& frame);

/// The parts of the report, one for each scenario that has samples.
std::vector<section> make_sections(const results& all, const report_frame& frame);

/// The same as data: settings, machine, all samples, ratios with their intervals, claims.
std::string report_json(const results& all, const report_frame& frame);

}  // namespace naru::lab
