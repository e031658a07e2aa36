// The command line as it describes itself, for what is made from that description: the manual, completions.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace naru::program {

/// An option or flag, as its command declares it.
struct flag_entry {
    std::vector<std::string> names;  ///< with their dashes, short ones first
    std::string value;               ///< what its value is called ("TEXT"); empty: a flag
    std::string description;
};

/// Flags that belong together under a heading.
struct flag_group {
    std::string title;        ///< empty: the command's own
    std::string description;  ///< of the heading
    std::vector<flag_entry> flags;
};

/// A command, or the program itself.
struct command_entry {
    std::string name;
    std::string description;
    std::string footer;
    std::vector<flag_entry> positionals;
    std::vector<flag_group> groups;
};

/// What `app` has declared; hidden options are left out. Throws std::bad_alloc.
command_entry describe(const CLI::App& app);

/// The program's commands in the order of its help; hidden ones are left out.
std::vector<command_entry> commands_of(const CLI::App& program);

/// A page for man(7): of the program, or of the command if `command` names one.
std::string manual_page(const CLI::App& program, const command_entry& entry, bool whole_program);

/// The script with which a shell completes the command line; empty if the shell is unknown.
std::string completion_script(const CLI::App& program, const std::string& shell);

}  // namespace naru::program
