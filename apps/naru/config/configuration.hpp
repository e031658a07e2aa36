// A configuration file with those that it includes.
#pragma once

#include "../serve_config.hpp"
#include "complaints.hpp"

#include <string>
#include <string_view>

namespace naru::program {

/// What could be read; what could not is in `wrong`.
serve_settings read_configuration(const std::string& path, complaints& wrong);

/// A sentence about a setting (`--threads must be ...`) with where the file sets it, if it does.
std::string located(std::string_view sentence, const site_settings& settings);

/// The same for a sentence about a file of TLS (`chain.pem: cannot be read ...`): where the file is named.
std::string located_file(std::string_view sentence, const site_settings& settings);

}  // namespace naru::program
