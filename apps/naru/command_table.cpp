#include "command_table.hpp"

#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

flag_entry entry_of(const CLI::Option& option) {
    flag_entry entry;
    for (const std::string& name : option.get_snames())
        entry.names.push_back("-" + name);
    for (const std::string& name : option.get_lnames())
        entry.names.push_back("--" + name);
    if (option.get_positional()) entry.names = {option.get_name(true)};
    const bool takes_value = option.get_items_expected_max() != 0;
    if (takes_value) entry.value = option.get_type_name();
    if (takes_value && entry.value.empty()) entry.value = "VALUE";
    entry.description = option.get_description();
    return entry;
}

void add_options(const CLI::App& app, command_entry& to, flag_group& group) {
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_group().empty()) continue;
        (option->get_positional() ? to.positionals : group.flags).push_back(entry_of(*option));
    }
}

}  // namespace

command_entry describe(const CLI::App& app) {
    command_entry entry;
    entry.name = app.get_name();
    entry.description = app.get_description();
    entry.footer = app.get_footer();
    entry.groups.emplace_back();
    add_options(app, entry, entry.groups.front());
    for (const CLI::App* each : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!each->get_name().empty()) continue;  // a command; a group of options has no name
        flag_group group;
        group.title = each->get_group();
        group.description = each->get_description();
        add_options(*each, entry, group);
        std::erase_if(group.flags, [](const flag_entry& flag) {  // each group has been given one of its own
            return flag.names.back() == "--help";
        });
        entry.groups.push_back(std::move(group));
    }
    return entry;
}

std::vector<command_entry> commands_of(const CLI::App& program) {
    std::vector<command_entry> all;
    for (const CLI::App* each : program.get_subcommands([](const CLI::App*) { return true; })) {
        if (!each->get_name().empty() && !each->get_group().empty()) all.push_back(describe(*each));
    }
    return all;
}

}  // namespace naru::program
