// naru check: whether a configuration file is good, without serving.
#include "certificates.hpp"
#include "client_rules.hpp"
#include "commands.hpp"
#include "config/configuration.hpp"
#include "config/make_site.hpp"
#include "log_settings.hpp"
#include "output.hpp"
#include "system.hpp"

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

// The sentence has its place in front where the file sets what it is about.
void find_faults(const serve_settings& settings, complaints& wrong) try {
    const serve_plan plan = to_plan(with_places_for_names(settings));
    (void)site_maker(false).make(plan, wrong);
    if (plan.user && !is_user(*plan.user))
        throw std::runtime_error(
            located(fmt::format("--user {}: there is no such user", *plan.user), *plan.sites));
    find_faults_of_logs(plan, wrong);
    if (plan.tls_endpoints.empty()) return;
    const auto fault = fault_of(plan.acme_webroot.empty() ? plan.tls : those_that_are_there(plan.tls));
    if (fault) throw std::runtime_error(located_file(*fault, *plan.sites));
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
