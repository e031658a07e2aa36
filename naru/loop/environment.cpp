#include <naru/loop/environment.hpp>

#include <cerrno>
#include <system_error>
#include <utility>

namespace naru {

// Whatever is in force got there by a scope.
environment* environment::other_than_the_systems() noexcept {
    return static_cast<environment*>(detail::current_time_source);
}

environment::scope::scope(environment& here) noexcept
    : before_(std::exchange(detail::current_time_source, &here)) {}
environment::scope::~scope() { detail::current_time_source = before_; }

std::int64_t environment::unix_seconds() noexcept {
    return std::chrono::floor<std::chrono::seconds>(time_of_day()).time_since_epoch().count();
}

bool environment::run_aside(std::move_only_function<void()>& /*blocking*/) { return false; }
bool environment::run_others_until(const std::function<bool()>& /*done*/) { return false; }

std::thread environment::start_thread(std::move_only_function<void()> /*body*/) {
    throw std::system_error(EAGAIN, std::generic_category(), "there are no threads in this world");
}

}  // namespace naru
