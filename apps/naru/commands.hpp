// The program's commands. Each adds itself to the command line and says what to run.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace naru::program {

/// What a command does once the command line has been read; the result is the exit status. May throw
/// std::exception: its text is the one line of error that the user sees.
using action = std::function<int()>;

/// The exit status after a command line that cannot be understood.
inline constexpr int status_usage = 2;

void add_serve(CLI::App& program, action& chosen);
/// Where servers have masters: not on Windows.
void add_upgrade(CLI::App& program, action& chosen);
void add_check(CLI::App& program, action& chosen);
void add_load(CLI::App& program, action& chosen);
void add_lab(CLI::App& program, action& chosen);
void add_lab_server(CLI::App& program, action& chosen);
void add_doctor(CLI::App& program, action& chosen);
/// The commands manual and completion, which describe `program`: it must outlive what is chosen.
void add_manual(CLI::App& program, action& chosen);

}  // namespace naru::program
