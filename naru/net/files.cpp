#include <naru/net/files.hpp>

#include <cerrno>
#include <memory>
#include <string_view>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/openat2.h>
#include <sys/syscall.h>
#endif

namespace naru {

namespace {

// O_NONBLOCK: opening a FIFO or a device must not wait; it means nothing for regular files.
constexpr int open_flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

file_status status_from(const struct stat& raw) noexcept {
    file_status status;
    status.kind = S_ISREG(raw.st_mode)   ? file_kind::regular
                  : S_ISDIR(raw.st_mode) ? file_kind::directory
                                         : file_kind::other;
    status.size = static_cast<std::uint64_t>(raw.st_size);
    status.modified_ns = raw.st_mtim.tv_sec * 1'000'000'000 + raw.st_mtim.tv_nsec;
    status.changed_ns = raw.st_ctim.tv_sec * 1'000'000'000 + raw.st_ctim.tv_nsec;
    status.device = raw.st_dev;
    status.inode = raw.st_ino;
    return status;
}

}  // namespace

result<directory_root> directory_root::open(const std::string& path) noexcept {
    directory_root made;
    made.root_.reset(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!made.root_) return fail_errno(errno);
    return made;
}

result<unique_descriptor> directory_root::open_beneath(const std::string& path,
                                                       blocking may_block) const noexcept {
    const char* const name = path.empty() ? "." : path.c_str();
#if defined(__linux__)
    open_how how{};
    how.flags = open_flags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    if (may_block == blocking::no) how.resolve |= RESOLVE_CACHED;
    while (true) {
        const long opened = syscall(SYS_openat2, root_.get(), name, &how, sizeof how);
        if (opened >= 0) return unique_descriptor(static_cast<int>(opened));
        if (errno == EINTR) continue;
        if (errno == EINVAL && (how.resolve & RESOLVE_CACHED) != 0) {  // Linux before 5.12
            how.resolve &= ~static_cast<std::uint64_t>(RESOLVE_CACHED);
            continue;
        }
        if (errno == ENOSYS || errno == EPERM) break;  // Linux before 5.6, or a seccomp filter
        return fail_errno(errno);
    }
#else
    (void)name;
    (void)may_block;
#endif
    return walk(path);
}

// Component by component, no symbolic links: what can be had without openat2.
result<unique_descriptor> directory_root::walk(const std::string& path) const noexcept {
    unique_descriptor at(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!at) return fail_errno(errno);
    std::string_view left(path);
    while (!left.empty()) {
        const std::size_t slash = left.find('/');
        const std::string_view component = left.substr(0, slash);
        left = slash == std::string_view::npos ? std::string_view() : left.substr(slash + 1);
        if (component.empty() || component == ".") continue;
        if (component == "..") return fail_errno(EXDEV);
        char name[256] = {};
        if (component.size() >= sizeof name) return fail_errno(ENAMETOOLONG);
        component.copy(name, component.size());
        const bool directory = slash != std::string_view::npos;
        const int next = ::openat(at.get(), name, open_flags | O_NOFOLLOW | (directory ? O_DIRECTORY : 0));
        if (next < 0) return fail_errno(errno == ELOOP ? EXDEV : errno);
        at.reset(next);
    }
    return at;
}

result<file_status> status_of(int file) noexcept {
    struct stat raw{};
    if (fstat(file, &raw) != 0) return fail_errno(errno);
    return status_from(raw);
}

result<unique_descriptor> open_standard(standard_stream which) noexcept {
    const int number = which == standard_stream::output ? STDOUT_FILENO : STDERR_FILENO;
    unique_descriptor opened(fcntl(number, F_DUPFD_CLOEXEC, 3));
    if (!opened) return fail_errno(errno);
    return opened;
}

result<unique_descriptor> open_log(const std::string& path) noexcept {
    if (path == "-") return open_standard(standard_stream::output);
    unique_descriptor opened(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
    if (!opened) return fail_errno(errno);
    return opened;
}

bool is_log_at(int log, const std::string& path) noexcept {
    struct stat ours{};
    struct stat there{};
    if (fstat(log, &ours) != 0) return false;
    return ::stat(path.c_str(), &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

result<void> write_log(int log, std::string_view& text) noexcept {
    while (!text.empty()) {
        const ssize_t written = ::write(log, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0 && errno == EAGAIN) {  // whoever shares the description may have made it so
            pollfd room{log, POLLOUT, 0};
            (void)::poll(&room, 1, -1);
            continue;
        }
        if (written < 0) return fail_errno(errno);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

result<void> read_whole(int file, std::uint64_t size, directory_root::blocking may_block,
                        std::string& content) noexcept try {
    content.resize(static_cast<std::size_t>(size));
    std::size_t filled = 0;
    int flags = 0;
#if defined(RWF_NOWAIT)
    if (may_block == directory_root::blocking::no) flags = RWF_NOWAIT;
#else
    (void)may_block;
#endif
    while (filled < content.size()) {
        iovec into{content.data() + filled, content.size() - filled};
        const ssize_t got = preadv2(file, &into, 1, static_cast<off_t>(filled), flags);
        if (got > 0) {
            filled += static_cast<std::size_t>(got);
        } else if (got == 0) {
            return fail_errno(EIO);
        } else if (errno == EOPNOTSUPP && flags != 0) {
            return fail_errno(EAGAIN);  // a file system that cannot promise: let it block elsewhere
        } else if (errno != EINTR) {
            return fail_errno(errno);
        }
    }
    return {};
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<std::vector<directory_entry>> read_directory(const directory_root& root, const std::string& path,
                                                    int directory, std::size_t limit) {
    const int own = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // fdopendir takes it over
    if (own < 0) return fail_errno(errno);
    DIR* const opened = fdopendir(own);
    if (opened == nullptr) {
        const int error = errno;
        ::close(own);
        return fail_errno(error);
    }
    const auto close_directory = [](DIR* each) { (void)closedir(each); };
    const std::unique_ptr<DIR, decltype(close_directory)> stream(opened, close_directory);
    std::vector<directory_entry> entries;
    while (const dirent* each = readdir(stream.get())) {
        const std::string_view name(each->d_name);
        if (name == "." || name == "..") continue;
        if (entries.size() == limit) break;
        struct stat raw{};
        if (fstatat(dirfd(stream.get()), each->d_name, &raw, AT_SYMLINK_NOFOLLOW) != 0)
            continue;  // just gone
        directory_entry entry;
        entry.name = name;
        entry.status = status_from(raw);
        if (S_ISLNK(raw.st_mode)) {
            const auto target = root.open_beneath(path + entry.name, directory_root::blocking::yes);
            const auto status = target ? status_of(target->get()) : fail(target.error());
            if (!status) continue;  // it leads nowhere, or out
            entry.status = *status;
        }
        entries.push_back(std::move(entry));
    }
    return entries;
}

}  // namespace naru
