#include <naru/loop/environment.hpp>

#include <naru/os/resolve_name.hpp>

#include <cerrno>
#include <system_error>
#include <utility>

namespace naru {

namespace {
constinit thread_local std::uint64_t changes_of_this_thread = 0;
}

// Whatever is in force got there by a scope.
environment* environment::other_than_the_systems() noexcept {
    return static_cast<environment*>(detail::current_time_source);
}

std::uint64_t environment::changes() noexcept { return changes_of_this_thread; }

environment::scope::scope(environment& here) noexcept
    : before_(std::exchange(detail::current_time_source, &here)) {
    ++changes_of_this_thread;
}
environment::scope::~scope() {
    detail::current_time_source = before_;
    ++changes_of_this_thread;
}

std::int64_t environment::unix_seconds() noexcept {
    return std::chrono::floor<std::chrono::seconds>(time_of_day()).time_since_epoch().count();
}

result<std::vector<address>> environment::resolve(const std::string& host, std::uint16_t port,
                                                  std::size_t most) {
    return resolve_name(host, port, most);
}

bool environment::run_aside(std::move_only_function<void()>& /*blocking*/) { return false; }
bool environment::run_others_until(const std::function<bool()>& /*done*/) { return false; }

std::thread environment::start_thread(std::move_only_function<void()> /*body*/) {
    throw std::system_error(EAGAIN, std::generic_category(), "there are no threads in this world");
}

}  // namespace naru
