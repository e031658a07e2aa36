// The flags of `naru serve`.
#pragma once

#include "serve_config.hpp"

#include <memory>
#include <string>

namespace CLI {
class App;
}

namespace naru::program {

/// What is read goes to `given`, `config` and `as_service`, which must outlive the command.
void add_serve_flags(CLI::App& command, const std::shared_ptr<serve_settings>& given, std::string& config,
                     bool& as_service);

}  // namespace naru::program
