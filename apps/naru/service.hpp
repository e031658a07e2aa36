// naru serve as a service of the system.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

namespace CLI {
class App;
}

namespace naru::program {

/// Adds --service where there is a service control manager: Windows.
void add_service_flag(CLI::App& command, bool& as_service);

/// Runs `body` for the service control manager, whose stop and shutdown are then the request to end
/// (system.hpp). Returns the exit status; nothing, and `body` not called, when it was not the manager that
/// has started this process. Throws std::runtime_error with the words of whatever `body` throws: the manager
/// has been told of a failure by then.
std::optional<int> run_as_service(const std::function<int()>& body);

/// To be called by the body when it does what it is there for: from here on the manager may ask it to end,
/// and then waits for so long. Without a service: nothing.
void service_is_running(std::chrono::milliseconds ends_within);

}  // namespace naru::program
