// The flags of `naru serve`.
#pragma once

#include "serve_config.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace naru::program {

/// What is read goes to `given`, `config` and `as_service`, which must outlive the command.
void add_serve_flags(CLI::App& command, const std::shared_ptr<serve_settings>& given, std::string& config,
                     bool& as_service);

/// One that may be given several times, with one value each. `keeps`: what `into` is a member of.
void add_list(CLI::App& command, const char* flag, std::optional<std::vector<std::string>>& into,
              const char* says, const std::shared_ptr<serve_settings>& keeps);

}  // namespace naru::program
