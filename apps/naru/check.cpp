// naru check: whether a configuration file is good, without serving.
#include "client_rules.hpp"
#include "commands.hpp"
#include "config/configuration.hpp"
#include "log_settings.hpp"
#include "output.hpp"
#include "plan_faults.hpp"

#include <exception>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

void find_faults(const serve_settings& settings, complaints& wrong) try {
    const serve_plan plan = to_plan(with_places_for_names(settings));
    find_faults_of_logs(plan, wrong);
    find_faults_of_files(plan, wrong);
    find_faults_of_user(plan, wrong);
    find_faults_of_certificates(plan, wrong);
} catch (const std::exception& error) {
    wrong.add({}, error.what());
}

int check(const std::string& path) {
    complaints wrong;
    const serve_settings settings = read_configuration(path, wrong);
    if (wrong.empty()) find_faults(settings, wrong);
    for (const std::string& each : wrong.lines())
        put_error(each + "\n");
    if (!wrong.empty()) return 1;
    put(fmt::format("{} is good\n", path));
    return 0;
}

}  // namespace

void add_check(CLI::App& program, action& chosen) {
    CLI::App& command =
        *program.add_subcommand("check", "Say what is wrong with a configuration file, without serving");
    auto path = std::make_shared<std::string>();
    command.add_option("FILE", *path, "As for naru serve --config")->required();
    command.footer("A line for each fault, FILE:LINE: and what is wrong; then the exit status is 1.");
    command.callback([&chosen, path] { chosen = [path] { return check(*path); }; });
}

}  // namespace naru::program
