// The environment that the system gives: its clocks, threads, entropy, disk and engines.
#include <naru/backend/make_backend.hpp>
#include <naru/loop/environment.hpp>
#include <naru/loop/worker_pool.hpp>

#include <random>
#include <utility>

namespace naru {

namespace {

struct system_environment final : environment {
    instant now() noexcept override {
        return std::chrono::time_point_cast<duration>(std::chrono::steady_clock::now());
    }
    std::chrono::system_clock::time_point time_of_day() noexcept override {
        return std::chrono::system_clock::now();
    }
    std::uint64_t entropy() noexcept override {
        std::random_device source;
        return (std::uint64_t{source()} << 32) | source();
    }
    unsigned processors() noexcept override {
        const unsigned count = std::thread::hardware_concurrency();
        return count == 0 ? 1 : count;
    }
    std::size_t descriptor_limit() noexcept override { return naru::descriptor_limit(); }
    backend_choice make_backend(engine which, const backend_options& options,
                                unsigned index) noexcept override {
        return choose_of_the_systems(which, options, index);
    }
    file_system& files() noexcept override { return system_files(); }
    // Left behind at the end: a disk may hold a thread of it for as long as it likes.
    worker_pool& workers() override {
        static auto& shared = *new worker_pool(limits::file_threads, limits::file_queue);
        return shared;
    }
    result<unique_descriptor> listen(const address& where, const listen_options& options) noexcept override {
        return listen_on(where, options);
    }
    result<address> local_address(int descriptor) noexcept override { return address::local_of(descriptor); }
    result<void> check_adopted(int descriptor, socket_use wanted) const noexcept override {
        return naru::check_adopted(descriptor, wanted);
    }
    result<void> check_connected(int descriptor) const noexcept override {
        return naru::check_connected(descriptor);
    }
    std::thread start_thread(std::move_only_function<void()> body) override {
        return std::thread(std::move(body));
    }
};

}  // namespace

environment& environment::current() noexcept {
    static system_environment systems;
    environment* const other = other_than_the_systems();
    return other != nullptr ? *other : systems;
}

}  // namespace naru
