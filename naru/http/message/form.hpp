// application/x-www-form-urlencoded: query strings and simple forms (WHATWG URL, section 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::http {

/// '+' is a space, %XX a byte; what is malformed stays as it is.
std::string decode_form(std::string_view text);

/// The first value of that (decoded) name.
std::optional<std::string> form_value(std::string_view form, std::string_view name);

/// All names and values, in their order, decoded.
std::vector<std::pair<std::string, std::string>> form_values(std::string_view form);

}  // namespace naru::http
