// naru serve as a service of the system.
#pragma once

#include <chrono>
#include <functional>

#include <CLI/CLI.hpp>

namespace naru::program {

/// Adds --service where there is a service control manager: Windows.
void add_service_flag(CLI::App& command, bool& as_service);

/// Runs `body` for the service control manager, whose stop and shutdown are then the request to end
/// (system.hpp); it is told to wait for so long. Returns the exit status. Throws std::runtime_error when it
/// was not the manager that has started this process, and with the words of whatever `body` throws.
int run_as_service(std::chrono::milliseconds ends_within, const std::function<int()>& body);

/// To be called by the body when it does what it is there for. Without a service: nothing.
void service_is_running();

}  // namespace naru::program
