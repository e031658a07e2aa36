// The page that shows a directory.
#pragma once

#include <naru/fs/files.hpp>

#include <string>
#include <string_view>

namespace naru::http {

/// HTML for what is shown of the directory at `path`, which is decoded and relative. Readable on a phone;
/// every name escaped.
std::string listing_page(std::string_view path, const directory_listing& listing);

}  // namespace naru::http
