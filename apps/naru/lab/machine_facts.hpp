// The machine that was measured, for the report.
#pragma once

#include <lab/page.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace naru::lab {

/// Processor, cores, memory, kernel, limits and the settings that decide about sockets.
std::vector<fact> machine_facts();

/// Processor, cores and kernel in a line.
std::string machine_words();

/// The cores that this process might use when this was first asked.
const std::vector<int>& usable_cores();

/// Memory that could be used without swapping, in bytes; 0: not known.
std::uint64_t available_memory();

/// Two cores, for the server and for the generator: of different physical cores where there are such, from
/// those that this process may use. With one usable core both get it.
struct core_choice {
    std::vector<int> server;
    std::vector<int> generator;
    bool shared = false;
};
core_choice choose_cores();

}  // namespace naru::lab
