#include <naru/loop/environment.hpp>

#include <naru/loop/backend.hpp>

#include <random>
#include <thread>
#include <utility>

namespace naru {

namespace {

struct system_environment final : environment {};

}  // namespace

environment& environment::current() noexcept {
    static system_environment systems;
    environment* const other = other_than_the_systems();
    return other != nullptr ? *other : systems;
}

// Whatever is in force got there by a scope.
environment* environment::other_than_the_systems() noexcept {
    return static_cast<environment*>(detail::current_time_source);
}

environment::scope::scope(environment& here) noexcept
    : before_(std::exchange(detail::current_time_source, &here)) {}
environment::scope::~scope() { detail::current_time_source = before_; }

instant environment::now() noexcept {
    return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
}

std::chrono::system_clock::time_point environment::time_of_day() noexcept {
    return std::chrono::system_clock::now();
}

std::uint64_t environment::entropy() noexcept {
    std::random_device source;
    return (std::uint64_t{source()} << 32) | source();
}

unsigned environment::processors() noexcept {
    const unsigned count = std::thread::hardware_concurrency();
    return count == 0 ? 1 : count;
}

std::unique_ptr<backend> environment::make_backend(std::size_t /*pool_buffers*/) { return nullptr; }
bool environment::run_aside(std::move_only_function<void()>& /*blocking*/) { return false; }
bool environment::run_others_until(const std::function<bool()>& /*done*/) { return false; }

}  // namespace naru
