#include "command_table.hpp"

#include <naru/backend/choose_backend.hpp>

#include <algorithm>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

std::string engine_words() {
    std::string words = "auto";
    for (const engine each : all_engines())
        words += fmt::format(" {}", name_of(each));
    return words;
}

bool names_an_engine(const flag_entry& flag) {
    return std::find(flag.names.begin(), flag.names.end(), "--engine") != flag.names.end();
}

template <class Visit>
void for_each_flag(const command_entry& command, Visit visit) {
    for (const flag_group& group : command.groups) {
        for (const flag_entry& each : group.flags)
            visit(each);
    }
}

std::string words_of(const command_entry& command) {
    std::string words;
    for_each_flag(command, [&](const flag_entry& flag) {
        for (const std::string& name : flag.names)
            words += (words.empty() ? "" : " ") + name;
    });
    return words;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
        text.replace(at, what.size(), by);
    return text;
}

std::string in_quotes(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

std::string names_of(const std::vector<command_entry>& commands, std::string_view between) {
    std::string names;
    for (const command_entry& each : commands)
        names += (names.empty() ? "" : std::string(between)) + each.name;
    return names;
}

std::string bash(const command_entry& program, const std::vector<command_entry>& commands) {
    std::string script = fmt::format(
        "# bash completion for naru\n"
        "_naru() {{\n"
        "    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} command='' each\n"
        "    for each in \"${{COMP_WORDS[@]:1:COMP_CWORD - 1}}\"; do\n"
        "        case $each in {}) command=$each; break ;; esac\n"
        "    done\n"
        "    COMPREPLY=()\n"
        "    case $before in -e | --engine) mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\"); return "
        ";; esac\n"
        "    case $command in\n"
        "        '') mapfile -t COMPREPLY < <(compgen -W '{} {}' -- \"$word\") ;;\n",
        names_of(commands, " | "), engine_words(), names_of(commands, " "), words_of(program));
    for (const command_entry& each : commands) {
        script += fmt::format(
            "        {}) [[ $word != -* ]] || mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\") ;;\n",
            each.name, words_of(each));
    }
    return script +
           "    esac\n"
           "}\n"
           "complete -o default -F _naru naru\n";
}

// In an _arguments specification brackets and colons mean something.
std::string zsh_text(const std::string& text) {
    return replaced(replaced(replaced(text, "[", "("), "]", ")"), ":", "\\:");
}

std::string zsh_arguments(const command_entry& command) {
    std::string out = "_arguments -S";
    for_each_flag(command, [&](const flag_entry& flag) {
        for (const std::string& name : flag.names) {
            const std::string value = names_an_engine(flag) ? ":engine:(" + engine_words() + ")"
                                      : flag.value.empty()  ? ""
                                                            : ":" + flag.value + ":_files";
            out += " \\\n            " +
                   in_quotes(fmt::format("*{}[{}]{}", name, zsh_text(flag.description), value));
        }
    });
    return out + " \\\n            '*:file:_files'";
}

std::string zsh(const command_entry& program, const std::vector<command_entry>& commands) {
    std::string script =
        "#compdef naru\nlocal command=${words[2]}\nif (( CURRENT == 2 )); then\n    local -a commands=(";
    for (const command_entry& each : commands)
        script += "\n        " + in_quotes(each.name + ":" + zsh_text(each.description));
    for_each_flag(program, [&](const flag_entry& flag) {
        script += "\n        " + in_quotes(flag.names.back() + ":" + zsh_text(flag.description));
    });
    script +=
        ")\n    _describe command commands\nelse\n    shift words\n    (( CURRENT-- ))\n    case $command "
        "in\n";
    for (const command_entry& each : commands)
        script += fmt::format("        {})\n            {} ;;\n", each.name, zsh_arguments(each));
    return script + "    esac\nfi\n";
}

std::string fish(const command_entry& program, const std::vector<command_entry>& commands) {
    std::string script = "# fish completion for naru\n";
    for (const command_entry& each : commands) {
        script += fmt::format("complete -c naru -n __fish_use_subcommand -a {} -d {}\n", each.name,
                              in_quotes(each.description));
    }
    const auto add = [&](const std::string& condition, const command_entry& command) {
        for_each_flag(command, [&](const flag_entry& flag) {
            script += "complete -c naru -n " + in_quotes(condition);
            for (const std::string& name : flag.names)
                script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
            if (!flag.value.empty()) script += " -r";
            if (names_an_engine(flag)) script += " -f -a " + in_quotes(engine_words());
            script += " -d " + in_quotes(flag.description) + "\n";
        });
    };
    add("__fish_use_subcommand", program);
    for (const command_entry& each : commands)
        add("__fish_seen_subcommand_from " + each.name, each);
    return script;
}

}  // namespace

std::string completion_script(const CLI::App& program, const std::string& shell) {
    const command_entry whole = describe(program);
    const std::vector<command_entry> commands = commands_of(program);
    if (shell == "bash") return bash(whole, commands);
    if (shell == "zsh") return zsh(whole, commands);
    if (shell == "fish") return fish(whole, commands);
    return {};
}

}  // namespace naru::program
