// The report's style sheet, scripts and drawings, as they were in the source tree when this was built.
#pragma once

#include <string_view>

namespace naru::lab {

struct asset {
    std::string_view text;        ///< empty: there is no such file
    std::string_view sha256_hex;  ///< of `text`, for the page's content security policy
};

/// A file by its name without directories: "report.css", "select.svg". See embed.cmake.
asset find_asset(std::string_view name);

}  // namespace naru::lab
