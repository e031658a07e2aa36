#include <naru/os/pipe.hpp>

#include <naru/os/system_calls.hpp>

#include <cerrno>
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace naru {

result<std::pair<unique_descriptor, unique_descriptor>> make_pipe() noexcept {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return fail_errno(errno);
    return std::pair(unique_descriptor(ends[0]), unique_descriptor(ends[1]));
}

result<unique_descriptor> reopen_non_blocking(int descriptor) noexcept {
#if defined(__linux__)
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0) return fail_errno(errno);
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    unique_descriptor made(
        ::open(path, (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!made) return fail_errno(errno);
    return made;
#else
    (void)descriptor;
    return fail_errno(ENOTSUP);
#endif
}

result<unique_descriptor> duplicate(int descriptor) noexcept {
    unique_descriptor made(::fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
    if (!made) return fail_errno(errno);
    return made;
}

result<file_type> type_of(int descriptor) noexcept {
    struct stat about{};
    if (::fstat(descriptor, &about) != 0) return fail_errno(errno);
    if (S_ISSOCK(about.st_mode)) return file_type::socket;
    return system_calls::can_be_watched(descriptor) ? file_type::pollable : file_type::other;
}

}  // namespace naru
