// naru: serve a directory, put load on a server, and find out what this machine can do.
#include "commands.hpp"
#include "output.hpp"
#include "system.hpp"
#include "version.hpp"

#include <exception>
#include <sstream>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

// What CLI11 has to say, by our own way out: help on standard output, an error on standard error.
int explain(const CLI::App& program, const CLI::ParseError& error) {
    std::ostringstream help;
    std::ostringstream wrong;
    const int status = program.exit(error, help, wrong);
    if (!help.str().empty()) put(help.str());
    if (!wrong.str().empty()) put_error(wrong.str());
    return status == 0 ? 0 : status_usage;
}

int run(int argc, char** argv) {
    CLI::App program("naru: an event-driven web server on select, poll, epoll, io_uring and iocp.");
    program.set_version_flag("--version", version_text(),
                             "Say the version, the build, the engines and the libraries");
    program.require_subcommand(1);
    program.allow_windows_style_options(false);  // a path may begin with a slash there, too
    program.failure_message([](const CLI::App*, const CLI::Error& error) {
        return std::string("naru: ") + error.what() + " (see naru --help)\n";
    });
    action chosen;
    add_serve(program, chosen);
    add_upgrade(program, chosen);
    add_check(program, chosen);
    add_load(program, chosen);
    add_lab(program, chosen);
    add_lab_server(program, chosen);
    add_doctor(program, chosen);
    add_manual(program, chosen);
    const std::string_view first = argc > 1 ? argv[1] : "";
    if (!first.empty() && first.front() != '-' &&
        program.get_subcommands([&](const CLI::App* each) { return each->get_name() == first; }).empty()) {
        say(fmt::format("\"{}\" is no command of naru's (see naru --help)", first));
        return status_usage;
    }
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return explain(program, error);
    }
    try {
        return chosen();
    } catch (const std::exception& error) {
        say(error.what());
        return 1;
    }
}

}  // namespace

}  // namespace naru::program

int main(int argc, char** argv) {
    naru::program::begin_process();
    return naru::program::exit_status(naru::program::run(argc, argv));
}
