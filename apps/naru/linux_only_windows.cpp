// The commands that measure: they need Linux' timers, source addresses and /proc, and say so here.
#include "commands.hpp"

#include <stdexcept>

namespace naru::program {

namespace {

void add_unavailable(CLI::App& program, action& chosen, const char* name) {
    CLI::App& command = *program.add_subcommand(name, "Measures, on Linux only");
    command.allow_extras();
    command.callback([&chosen, &command] {
        chosen = [&command]() -> int {
            throw std::runtime_error(command.get_name() + " is not offered on Windows");
        };
    });
}

}  // namespace

void add_load(CLI::App& program, action& chosen) { add_unavailable(program, chosen, "load"); }
void add_lab(CLI::App& program, action& chosen) { add_unavailable(program, chosen, "lab"); }

}  // namespace naru::program
