// Where one process does everything.
#include "alone.hpp"

#include "../commands.hpp"
#include "../serve_config.hpp"

#include <CLI/CLI.hpp>

namespace naru::program {

int serve_alone(const serve_plan& plan, const serve_body& serve) {
    alone here;
    return serve(plan, here);
}

int serve_in_processes(const plan_reader& read, const serve_body& serve) {
    return serve_alone(read([](serve_settings same) { return same; }), serve);
}

void add_upgrade(CLI::App& /*program*/, action& /*chosen*/) {}

}  // namespace naru::program
