// naru upgrade: tells a server to let the program that is at its place by now take over.
#include "../commands.hpp"
#include "../output.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

#include <sys/types.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

namespace naru::program {

namespace {

pid_t number_in(const std::string& path) {
    std::ifstream file(path);
    long long number = 0;
    if (!(file >> number) || number <= 0 || number > 0x7fffffff)
        throw std::runtime_error(fmt::format("cannot read the number of a process in {}", path));
    return static_cast<pid_t>(number);
}

// Others would be ended by the signal: a master waits for it, and so blocks it.
bool awaits_upgrade(pid_t process) {
    std::ifstream status(fmt::format("/proc/{}/status", process));
    for (std::string line; std::getline(status, line);) {
        if (!line.starts_with("SigBlk:")) continue;
        const std::size_t digits = line.find_first_not_of(" \t", 7);
        if (digits == std::string::npos) return false;
        unsigned long long blocked = 0;
        (void)std::from_chars(line.data() + digits, line.data() + line.size(), blocked, 16);
        return (blocked >> (SIGUSR2 - 1) & 1) != 0;
    }
    return false;
}

int upgrade(std::optional<int> given, const std::optional<std::string>& file) {
    if (given.has_value() == file.has_value())
        throw std::runtime_error("upgrade: which server? its number, or --pid-file FILE");
    const pid_t process = given ? *given : number_in(*file);
    if (process <= 0 || !awaits_upgrade(process))
        throw std::runtime_error(fmt::format("process {} is no naru serve that could be upgraded", process));
    if (::kill(process, SIGUSR2) != 0)
        throw std::runtime_error(
            fmt::format("cannot tell process {}: {}", process, std::generic_category().message(errno)));
    return 0;
}

}  // namespace

void add_upgrade(CLI::App& program, action& chosen) {
    CLI::App& command = *program.add_subcommand(
        "upgrade", "Let the program that is installed by now take over from one that serves");
    command.footer(
        "The same as SIGUSR2. No connection is refused or reset; the server says what has become of it.");
    auto process = std::make_shared<std::optional<int>>();
    auto file = std::make_shared<std::optional<std::string>>();
    command.add_option("PID", *process, "The server's process, as its master");
    command.add_option("--pid-file", *file, "Where naru serve --pid-file has written it");
    command.callback(
        [&chosen, process, file] { chosen = [process, file] { return upgrade(*process, *file); }; });
}

}  // namespace naru::program
