// Where a service is an ordinary program.
#include "service.hpp"

namespace naru::program {

void add_service_flag(CLI::App& /*command*/, bool& /*as_service*/) {}

int run_as_service(std::chrono::milliseconds /*ends_within*/, const std::function<int()>& body) {
    return body();
}

void service_is_running() {}

}  // namespace naru::program
