// naru manual, naru completion: what the command line says of itself, for man(1) and for shells.
#include "command_table.hpp"
#include "commands.hpp"
#include "output.hpp"

#include <load/text_file.hpp>

#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

struct text_request {
    std::string of;
    std::string output;
};

int give(const std::string& text, const std::string& output) {
    if (output.empty()) {
        put(text);
        return 0;
    }
    if (const auto written = load::write_result_file(output, text); !written)
        throw std::system_error(written.error(), fmt::format("cannot write {}", output));
    return 0;
}

std::string page_of(const CLI::App& program, const std::string& command) {
    if (command.empty()) return manual_page(program, describe(program), true);
    for (const command_entry& each : commands_of(program)) {
        if (each.name == command) return manual_page(program, each, false);
    }
    throw std::runtime_error(fmt::format("there is no command {} (see naru --help)", command));
}

}  // namespace

void add_manual(CLI::App& program, action& chosen) {
    CLI::App& manual =
        *program.add_subcommand("manual", "Print a manual page, for: naru manual serve | man -l -");
    auto page = std::make_shared<text_request>();
    manual.add_option("COMMAND", page->of, "Of which command (default: of the program)");
    manual.add_option("-o,--output", page->output, "Into a file");
    manual.callback([&program, &chosen, page] {
        chosen = [&program, page] { return give(page_of(program, page->of), page->output); };
    });

    CLI::App& completion = *program.add_subcommand(
        "completion", "Print a shell's completion script: source <(naru completion bash)");
    auto script = std::make_shared<text_request>();
    completion.add_option("SHELL", script->of, "bash, zsh or fish")->required();
    completion.add_option("-o,--output", script->output, "Into a file");
    completion.callback([&program, &chosen, script] {
        chosen = [&program, script] {
            const std::string text = completion_script(program, script->of);
            if (text.empty())
                throw std::runtime_error(
                    fmt::format("there is no completion for {}: want bash, zsh or fish", script->of));
            return give(text, script->output);
        };
    });
}

}  // namespace naru::program
