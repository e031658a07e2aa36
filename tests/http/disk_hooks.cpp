#include "disk_hooks.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>

namespace naru::testing {

disk_hooks& hooks() {
    static disk_hooks all;
    return all;
}

namespace {

void wait_for_disk(std::string_view name) {
    if (name.find("cold") == std::string_view::npos) return;
    hooks().looks += name == "cold.txt";
    hooks().opening.pass();
}

}  // namespace
}  // namespace naru::testing

using naru::testing::hooks;

extern "C" {

long __real_syscall(long number, ...);
int __real_openat(int directory, const char* name, int flags, ...);
int __real_fstat(int file, struct stat* into);
ssize_t __real_preadv2(int file, const iovec* into, int count, off_t offset, int flags);
DIR* __real_fdopendir(int directory);

long __wrap_syscall(long number, ...) {
    va_list arguments;
    va_start(arguments, number);
    long each[6];
    for (long& argument : each)
        argument = va_arg(arguments, long);
    va_end(arguments);
    if (number == SYS_openat2) {
        ++hooks().openat2s;
        const auto* const name = reinterpret_cast<const char*>(each[1]);
        const auto& how = *reinterpret_cast<const open_how*>(each[2]);
        const bool cached = (how.resolve & RESOLVE_CACHED) != 0;
        if (const int error = hooks().openat2_error; error != 0 && (error != EINVAL || cached)) {
            errno = error;
            return -1;
        }
        if (!cached) {
            naru::testing::wait_for_disk(name);
        } else if (std::strstr(name, "cold") != nullptr) {
            errno = EAGAIN;
            return -1;
        }
    }
    return __real_syscall(number, each[0], each[1], each[2], each[3], each[4], each[5]);
}

int __wrap_openat(int directory, const char* name, int flags, ...) {
    naru::testing::wait_for_disk(name);
    return __real_openat(directory, name, flags);
}

int __wrap_fstat(int file, struct stat* into) {
    const int failed = __real_fstat(file, into);
    const std::time_t fixed = hooks().files_time;
    if (failed == 0 && fixed != 0) into->st_mtim = into->st_ctim = {fixed, 0};
    return failed;
}

ssize_t __wrap_preadv2(int file, const iovec* into, int count, off_t offset, int flags) {
    const ssize_t got = __real_preadv2(file, into, count, offset, flags);
    if (got > 0) hooks().has_read();
    return got;
}

DIR* __wrap_fdopendir(int directory) {
    hooks().listing.pass();
    return __real_fdopendir(directory);
}
}
