// Where a service is an ordinary program.
#include "service.hpp"

namespace naru::program {

void add_service_flag(CLI::App& /*command*/, bool& /*as_service*/) {}

std::optional<int> run_as_service(const std::function<int()>& /*body*/) { return std::nullopt; }

void service_is_running(std::chrono::milliseconds /*ends_within*/) {}

}  // namespace naru::program
