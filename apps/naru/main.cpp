// naru: serve a directory, put load on a server, and find out what this machine can do.
#include "commands.hpp"

#include <cstdio>
#include <exception>

#include <fmt/format.h>

namespace naru::program {

void say(std::string_view line) {
    fmt::print(stderr, "naru: {}\n", line);
    std::fflush(stderr);  // unbuffered everywhere but where Windows' C run-time writes to a pipe
}

}  // namespace naru::program

int main(int argc, char** argv) {
    CLI::App program("naru: an event-driven web server on select, poll, epoll, io_uring and iocp.");
    program.set_version_flag("--version", "naru " NARU_VERSION);
    program.require_subcommand(1);
    program.allow_windows_style_options(false);  // a path may begin with a slash there, too
    program.failure_message([](const CLI::App*, const CLI::Error& error) {
        return std::string("naru: ") + error.what() + " (see naru --help)\n";
    });
    naru::program::action chosen;
    naru::program::add_serve(program, chosen);
    naru::program::add_load(program, chosen);
    naru::program::add_lab(program, chosen);
    naru::program::add_lab_server(program, chosen);
    naru::program::add_doctor(program, chosen);
    try {
        program.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return program.exit(error) == 0 ? 0 : 2;
    }
    try {
        return chosen();
    } catch (const std::exception& error) {
        naru::program::say(error.what());
        return 1;
    }
}
