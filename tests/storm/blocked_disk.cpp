// Preloaded into a server (LD_PRELOAD): while the first number in the file that NARU_BLOCKED_DISK names is
// not zero, nothing of the disk is in memory, and whoever opens a file waits for as long. The second number
// counts who has waited. So the pool of workers is blocked, as by a server of files that does not answer; a
// thread that does not wait for a disk is told, as by the system, that it would have to.
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

struct state {
    std::atomic<std::int64_t> blocked;
    std::atomic<std::int64_t> waited;
};
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

// Mapped before the program begins, and so before it gives up its right to open files.
state* disk() noexcept {
    static state* const found = []() -> state* {
        const char* const name = std::getenv("NARU_BLOCKED_DISK");
        const int file = name == nullptr ? -1 : ::open(name, O_RDWR | O_CLOEXEC);
        if (file < 0) return nullptr;
        void* const mapped = ::mmap(nullptr, sizeof(state), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        ::close(file);
        return mapped == MAP_FAILED ? nullptr : static_cast<state*>(mapped);
    }();
    return found;
}

template <typename Function>
Function next_of(const char* name) noexcept {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}
using syscall_function = long (*)(long, ...);
using read_function = ssize_t (*)(int, const iovec*, int, off_t, int);
syscall_function real_syscall() noexcept {
    static const auto found = next_of<syscall_function>("syscall");
    return found;
}
read_function real_read() noexcept {
    static const auto found = next_of<read_function>("preadv2");
    return found;
}

[[gnu::constructor]] void begin() noexcept {
    (void)disk();
    (void)real_syscall();
    (void)real_read();
}

bool is_blocked() noexcept { return disk() != nullptr && disk()->blocked.load() != 0; }

void wait_for_the_disk() noexcept {
    ++disk()->waited;
    while (is_blocked()) {
        const timespec pause{0, 2'000'000};
        (void)::nanosleep(&pause, nullptr);
    }
}

}  // namespace

extern "C" long syscall(long number, ...) noexcept {
    std::va_list rest;
    va_start(rest, number);
    long each[6];
    for (long& argument : each)
        argument = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_openat2 && is_blocked()) {
        if ((reinterpret_cast<const open_how*>(each[2])->resolve & RESOLVE_CACHED) != 0) {
            errno = EAGAIN;
            return -1;
        }
        wait_for_the_disk();
    }
    return real_syscall()(number, each[0], each[1], each[2], each[3], each[4], each[5]);
}

extern "C" ssize_t preadv2(int file, const iovec* pieces, int count, off_t offset, int flags) {
    if ((flags & RWF_NOWAIT) != 0 && is_blocked()) {
        errno = EAGAIN;
        return -1;
    }
    return real_read()(file, pieces, count, offset, flags);
}
