#include <naru/backend/uring/refusal.hpp>

#include <naru/core/result.hpp>

#include <cerrno>
#include <cstdio>
#include <memory>

#include <sys/resource.h>

namespace naru {

namespace {

const char* name_of(uring_call call) noexcept {
    switch (call) {
        case uring_call::setup:
            return "io_uring_setup";
        case uring_call::enter:
            return "io_uring_enter";
        case uring_call::registration:
            return "io_uring_register";
    }
    return "?";
}

// kernel.io_uring_disabled: 0 for nobody, 1 for all but root and a group, 2 for all. -1: the kernel has no
// such switch, or /proc is not there.
int disabled_by_sysctl() noexcept {
    struct closer {
        void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, closer> file(std::fopen("/proc/sys/kernel/io_uring_disabled", "re"));
    int value = -1;
    if (file == nullptr || std::fscanf(file.get(), "%d", &value) != 1) return -1;
    return value;
}

std::string explain_permission(uring_call call) {
    const int disabled = call == uring_call::setup ? disabled_by_sysctl() : 0;
    if (disabled == 2) return "io_uring is switched off here: set the sysctl kernel.io_uring_disabled to 0";
    if (disabled == 1) {
        return "io_uring is only for root and for one group here: set the sysctl kernel.io_uring_disabled to "
               "0, "
               "or kernel.io_uring_group to a group of this user";
    }
    return std::string("io_uring is blocked here: ") + name_of(call) +
           " is not permitted, most likely by a seccomp filter (container runtimes do this: allow the "
           "io_uring_* system calls)";
}

std::string explain_memory() {
    rlimit locked{};
    const bool limited = getrlimit(RLIMIT_MEMLOCK, &locked) == 0 && locked.rlim_cur != RLIM_INFINITY;
    return "there is no memory for a ring: raise " +
           (limited ? "the limit of locked memory, which is " + std::to_string(locked.rlim_cur / 1024) +
                          " KiB (RLIMIT_MEMLOCK: ulimit -l, or LimitMEMLOCK= in the service's unit), or "
                    : std::string()) +
           "the memory limit of the container";
}

}  // namespace

std::string explain_uring_refusal(uring_call call, int error) {
    switch (error) {
        case EPERM:
        case EACCES:
            return explain_permission(call);
        case ENOSYS:
            return call == uring_call::setup ? "this kernel has no io_uring, or a seccomp filter hides it"
                                             : std::string("a seccomp filter hides ") + name_of(call) +
                                                   ": allow the io_uring_* system calls";
        case ENOMEM:
            return explain_memory();
        case EMFILE:
            return "the process has no descriptor left: raise RLIMIT_NOFILE (ulimit -n)";
        case ENFILE:
            return "the system has no descriptor left: raise the sysctl fs.file-max";
        case EINVAL:
            return "the kernel is too old: Linux 5.19 or newer is needed";
        default:
            return std::string("the kernel refused ") + name_of(call) + ": " +
                   errno_category().message(error);
    }
}

}  // namespace naru
