// Preloaded into a server (LD_PRELOAD): its wall clock is off by the nanoseconds that stand in the file that
// NARU_CLOCK_SHIFT names, at any moment. Its monotonic clocks are as they were.
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

constexpr std::int64_t second = 1'000'000'000;

// Mapped before the program begins, and so before it gives up its right to open files.
const volatile std::int64_t* shift_of_this_process() noexcept {
    static const volatile std::int64_t* const found = []() -> const volatile std::int64_t* {
        const char* const name = std::getenv("NARU_CLOCK_SHIFT");
        const int file = name == nullptr ? -1 : ::open(name, O_RDONLY | O_CLOEXEC);
        if (file < 0) return nullptr;
        void* const mapped = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
        ::close(file);
        return mapped == MAP_FAILED ? nullptr : static_cast<const volatile std::int64_t*>(mapped);
    }
    ();
    return found;
}

using clock_function = int (*)(clockid_t, timespec*);
clock_function real_clock() noexcept {
    static const auto found = reinterpret_cast<clock_function>(::dlsym(RTLD_NEXT, "clock_gettime"));
    return found;
}

[[gnu::constructor]] void begin() noexcept {
    (void)shift_of_this_process();
    (void)real_clock();
}

}  // namespace

extern "C" int clock_gettime(clockid_t which, timespec* into) noexcept {
    const int result = real_clock()(which, into);
    const volatile std::int64_t* const shift = shift_of_this_process();
    if (result != 0 || shift == nullptr || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE))
        return result;
    const std::int64_t all = std::int64_t{into->tv_sec} * second + into->tv_nsec + *shift;
    into->tv_sec = static_cast<std::time_t>(all / second);
    into->tv_nsec = static_cast<long>(all % second);
    return result;
}

extern "C" std::time_t time(std::time_t* into) noexcept {
    timespec now{};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (into != nullptr) *into = now.tv_sec;
    return now.tv_sec;
}

extern "C" int gettimeofday(timeval* into, void* /*zone*/) noexcept {
    timespec now{};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    *into = {now.tv_sec, static_cast<suseconds_t>(now.tv_nsec / 1000)};
    return 0;
}
