// The page that shows a directory.
#pragma once

#include <naru/net/files.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

/// HTML for `entries` (sorted here: directories first, then by name) of the directory at `path`, which is
/// decoded and relative. Readable on a phone; every name escaped. `cut` says that there are more.
std::string listing_page(std::string_view path, std::vector<directory_entry> entries, bool cut);

}  // namespace naru::http
