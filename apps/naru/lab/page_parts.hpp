// The report, part by part; to_html puts them together.
#pragma once

#include <lab/page.hpp>

#include <span>
#include <string>

namespace naru::lab {

/// <meta> with what the page may do: its own styles and scripts by their hashes, and nothing else.
std::string security_policy(bool asks_for_progress);

/// Title, headlines, and how many of the claims held.
std::string masthead(const page& shown);
std::string navigation(const page& shown);
std::string progress_bar(const progress& now);
std::string claims_table(std::span<const claim> claims);
std::string section_html(const section& shown);
std::string models_html(std::span<const model_cost> models);
std::string closing(const page& shown);

/// A chart with its words, its static drawings, the table of its values and, for lines, its data for the
/// script. The heading is an <h3>.
std::string chart_figure(const chart& shown);

/// The data of a line chart as the script wants it.
std::string chart_json(const chart& shown);

/// A list, or nothing if there are no `lines`.
std::string list_html(std::span<const std::string> lines, const char* css);

}  // namespace naru::lab
