// The command that starts processes of its own, pins them to cores and reads /proc: Linux' only, and says so
// here.
#include "commands.hpp"

#include <stdexcept>

#include <CLI/CLI.hpp>

namespace naru::program {

void add_lab(CLI::App& program, action& chosen) {
    CLI::App& command = *program.add_subcommand("lab", "Measures, on Linux only");
    command.allow_extras();
    command.callback(
        [&chosen] { chosen = []() -> int { throw std::runtime_error("lab is not offered on Windows"); }; });
}

}  // namespace naru::program
