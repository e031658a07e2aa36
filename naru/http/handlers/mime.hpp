// Content types by file name.
#pragma once

#include <string_view>

namespace naru::http {

/// For the name's last extension, in any case; "application/octet-stream" if it is unknown or there is none.
std::string_view content_type_of(std::string_view name) noexcept;

}  // namespace naru::http
