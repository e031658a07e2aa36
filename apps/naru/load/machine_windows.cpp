#include <load/machine.hpp>

#include <naru/os/windows_api.hpp>

#include <limits>

namespace naru::load {

thread_counters read_thread_counters() noexcept {
    thread_counters now;
    FILETIME begun;
    FILETIME ended;
    FILETIME kernel;
    FILETIME user;
    if (GetThreadTimes(GetCurrentThread(), &begun, &ended, &kernel, &user))
        now.on_cpu = windows::duration_of(kernel) + windows::duration_of(user);
    return now;
}

machine_counters read_machine_counters() { return {}; }

std::size_t raise_descriptor_limit() noexcept { return std::numeric_limits<std::size_t>::max(); }

}  // namespace naru::load
