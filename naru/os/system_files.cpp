#include <naru/os/system_files.hpp>

#include <naru/core/limits.hpp>
#include <naru/os/first_entries.hpp>
#include <naru/os/link_follower.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#endif

namespace naru {

namespace {

#if defined(__linux__)
// Those that open and stat from their own disk or memory. What is not known to is not asked on a loop.
bool is_local(int directory) noexcept {
    struct statfs raw{};
    if (fstatfs(directory, &raw) != 0) return false;
    constexpr long xfs = 0x58465342, zfs = 0x2fc12fc1, bcachefs = 0xca451a4e;  // not in every linux/magic.h
    switch (static_cast<long>(static_cast<std::uint32_t>(raw.f_type))) {
        case EXT4_SUPER_MAGIC:  // and ext2, ext3
        case BTRFS_SUPER_MAGIC:
        case F2FS_SUPER_MAGIC:
        case TMPFS_MAGIC:
        case RAMFS_MAGIC:
        case OVERLAYFS_SUPER_MAGIC:
        case SQUASHFS_MAGIC:
        case EROFS_SUPER_MAGIC_V1:
        case ISOFS_SUPER_MAGIC:
        case xfs:
        case zfs:
        case bcachefs:
            return true;
        default:
            return false;
    }
}

// -1 with errno, as open(2). EINTR is tried again.
int open_how_at(int directory, const char* name, int flags, std::uint64_t resolve) noexcept {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags);
    how.resolve = resolve;
    while (true) {
        const long opened = syscall(SYS_openat2, directory, name, &how, sizeof how);
        if (opened >= 0 || errno != EINTR) return static_cast<int>(opened);
    }
}
#endif

// A later change of the current directory is not to lead elsewhere.
std::string absolute(const std::string& path) {
    if (path.starts_with('/')) return path;
    const auto release = [](char* text) { std::free(text); };
    const std::unique_ptr<char, decltype(release)> current(::getcwd(nullptr, 0), release);
    return current == nullptr ? path : std::string(current.get()) + "/" + path;
}

constexpr std::int64_t would_block = outcome::from_errno(EAGAIN);

// A read without waiting may end where the page cache does.
[[maybe_unused]] bool is_at_end(int file, std::uint64_t offset) noexcept {
    struct stat raw{};
    return fstat(file, &raw) == 0 && S_ISREG(raw.st_mode) &&
           offset >= static_cast<std::uint64_t>(raw.st_size);
}

file_time time_from(const timespec& raw) noexcept {
    return {raw.tv_sec, static_cast<std::uint32_t>(raw.tv_nsec)};
}

file_status status_from(const struct stat& raw) noexcept {
    file_status status;
    status.kind = S_ISREG(raw.st_mode)   ? file_kind::regular
                  : S_ISDIR(raw.st_mode) ? file_kind::directory
                                         : file_kind::other;
    status.size = static_cast<std::uint64_t>(raw.st_size);
    status.modified = time_from(raw.st_mtim);
    status.changed = time_from(raw.st_ctim);
    status.device = raw.st_dev;
    status.inode = raw.st_ino;
    return status;
}

}  // namespace

file_system& system_files() noexcept {
    static constinit system_file_system all;
    return all;
}

result<file_system::root> system_file_system::open_root(const std::string& path) noexcept try {
    root made;
    made.path = absolute(path);
    const unique_descriptor directory(::open(made.path.c_str(), look_flags | O_DIRECTORY));
    if (!directory) return fail_errno(errno);
    made.directory.reset(
        ::openat(directory.get(), ".", look_flags | O_DIRECTORY));  // fails if it may not be searched
    if (!made.directory) return fail_errno(errno);
#if defined(__linux__)
    // Landlock (landlock(7)) lets a directory be found that it does not let be read: whoever follows a root
    // that was replaced goes on with the one that it has.
    const unique_descriptor read(::openat(made.directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!read && errno == EACCES && ::faccessat(made.directory.get(), ".", R_OK, AT_EACCESS) == 0)
        return fail_errno(EACCES);
#endif
    const auto status = status_of(made.directory.get());
    if (!status) return fail(status.error());
    made.identity = *status;
    const auto release = [](char* text) { std::free(text); };
    const std::unique_ptr<char, decltype(release)> real(::realpath(made.path.c_str(), nullptr), release);
    if (real != nullptr) made.real_path = real.get();
#if defined(__linux__)
    made.answers_at_once = is_local(made.directory.get());
#endif
    return made;
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<unique_descriptor> system_file_system::open_beneath(const root& of, const std::string& path,
                                                           blocking may_block, purpose what_for) noexcept {
    const char* const name = path.empty() ? "." : path.c_str();
    if (of.follows == links::any && leads_out_by_itself(path)) return fail_errno(EXDEV);
#if defined(__linux__)
    const std::uint64_t ways = of.follows == links::none     ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
                               : of.follows == links::inside ? RESOLVE_BENEATH
                                                             : 0;
    if (may_block == blocking::no) {
        if (!of.answers_at_once) return fail_errno(EAGAIN);
        const int opened = open_how_at(of.directory.get(), name, flags_for(what_for),
                                       ways | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED | RESOLVE_NO_XDEV);
        if (opened >= 0) return unique_descriptor(opened);
        if (errno == ELOOP && of.follows == links::none) return fail_errno(EXDEV);
        // EXDEV: another mount, or a link out that may lead back in. EINVAL, ENOSYS: Linux before 5.12,
        // before 5.6. EPERM: a seccomp filter.
        const bool unable = errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EPERM;
        return fail_errno(unable ? EAGAIN : errno);
    }
    const int opened =
        open_how_at(of.directory.get(), name, flags_for(what_for), ways | RESOLVE_NO_MAGICLINKS);
    if (opened >= 0) return unique_descriptor(opened);
    if (errno == ELOOP && of.follows == links::none) return fail_errno(EXDEV);
    const bool lacks_call = errno == ENOSYS || errno == EPERM;
    if (!lacks_call && (errno != EXDEV || of.follows != links::inside)) return fail_errno(errno);
#else
    if (may_block == blocking::no && !of.answers_at_once) return fail_errno(EAGAIN);
#endif
    if (of.follows == links::inside) return open_following_links(of, path, what_for);
    if (of.follows == links::none) return open_without_links(of, path, what_for);
    unique_descriptor found(::openat(of.directory.get(), name, flags_for(what_for)));
    if (!found) return fail_errno(errno);
    return found;
}

result<bool> system_file_system::is_in_place(const root& of, blocking may_block) noexcept {
#if defined(__linux__)
    if (may_block == blocking::no) {
        const unique_descriptor there(
            open_how_at(AT_FDCWD, of.path.c_str(), look_flags | O_DIRECTORY, RESOLVE_CACHED));
        if (!there) {
            const bool unable = errno == EINVAL || errno == ENOSYS || errno == EPERM;
            return fail_errno(unable ? EAGAIN : errno);
        }
        struct statx raw{};  // what a file is called never changes: no server has to be asked
        if (statx(there.get(), "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &raw) != 0)
            return fail_errno(EAGAIN);
        return raw.stx_ino == of.identity.inode &&
               makedev(raw.stx_dev_major, raw.stx_dev_minor) == of.identity.device;
    }
#else
    if (may_block == blocking::no) return fail_errno(EAGAIN);
#endif
    const unique_descriptor there(::open(of.path.c_str(), look_flags | O_DIRECTORY));
    if (!there) return fail_errno(errno);
    const auto status = status_of(there.get());
    if (!status) return fail(status.error());
    return status->device == of.identity.device && status->inode == of.identity.inode;
}

result<file_status> system_file_system::status_of(int file) noexcept {
    struct stat raw{};
    if (fstat(file, &raw) != 0) return fail_errno(errno);
    return status_from(raw);
}

std::int64_t system_file_system::open_file(int directory, const char* path, int flags, unsigned mode,
                                           blocking may_block) noexcept {
    if (may_block == blocking::yes) return system_calls::open_file(directory, path, flags, mode);
#if defined(__linux__)
    if ((flags & O_CREAT) != 0) return would_block;
    // The open itself may wait where the look-up does not: of a FIFO or a device, for its other end.
    const unique_descriptor there(
        open_how_at(directory, path, (flags & O_NOFOLLOW) | O_PATH | O_CLOEXEC, RESOLVE_CACHED));
    if (there) {
        const auto status = status_of(there.get());
        const bool rests =
            status && (status->kind == file_kind::regular || status->kind == file_kind::directory);
        if (!rests) return would_block;
        const int opened = open_how_at(directory, path, flags | O_CLOEXEC | O_NONBLOCK, RESOLVE_CACHED);
        if (opened >= 0) {
            if ((flags & O_NONBLOCK) == 0) (void)fcntl(opened, F_SETFL, fcntl(opened, F_GETFL) & ~O_NONBLOCK);
            return opened;
        }
    }
    // EINVAL, ENOSYS: Linux before 5.12, before 5.6. EPERM: a seccomp filter.
    const bool unable = errno == EINVAL || errno == ENOSYS || errno == EPERM;
    return unable ? would_block : outcome::from_errno(errno);
#else
    return would_block;
#endif
}

std::int64_t system_file_system::read_file(int file, mutable_bytes into, std::uint64_t offset,
                                           blocking may_block) noexcept {
    if (may_block == blocking::yes) return system_calls::read_file(file, into, offset);
#if defined(RWF_NOWAIT)
    const iovec piece{into.data(), std::min(into.size(), limits::bytes_per_call)};
    while (true) {
        const ssize_t got = preadv2(file, &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT);
        if (got >= 0) {
            const bool whole = static_cast<std::size_t>(got) == piece.iov_len;
            return whole || is_at_end(file, offset + static_cast<std::uint64_t>(got)) ? got : would_block;
        }
        if (errno != EINTR) return errno == EOPNOTSUPP ? would_block : outcome::from_errno(errno);
    }
#else
    return would_block;
#endif
}

std::int64_t system_file_system::write_file(int file, bytes_view bytes, std::uint64_t offset,
                                            blocking may_block) noexcept {
    if (may_block == blocking::no) return would_block;
    std::size_t written = 0;
    while (written < bytes.size()) {
        const bytes_view left = bytes.subspan(written);
        const ssize_t went = pwrite(file, left.data(), std::min(left.size(), limits::bytes_per_call),
                                    static_cast<off_t>(offset + written));
        if (went < 0 && errno == EINTR) continue;
        if (went < 0) return outcome::from_errno(errno);
        written += static_cast<std::size_t>(went);
    }
    return static_cast<std::int64_t>(written);
}

std::int64_t system_file_system::sync_file(int file, bool data_only, blocking may_block) noexcept {
    if (may_block == blocking::no) return would_block;
#if defined(__linux__)
    const int synced = data_only ? fdatasync(file) : fsync(file);
#else
    (void)data_only;
    const int synced = fsync(file);
#endif
    return synced == 0 ? 0 : outcome::from_errno(errno);
}

std::int64_t system_file_system::read_status(int file, file_status& into, blocking may_block) noexcept {
    if (may_block == blocking::no) return would_block;
    const auto status = status_of(file);
    if (!status) return outcome::from(status.error());
    into = *status;
    return 0;
}

result<unique_descriptor> system_file_system::open_standard(standard_output which) noexcept {
    const int number = which == standard_output::output ? STDOUT_FILENO : STDERR_FILENO;
    unique_descriptor opened(fcntl(number, F_DUPFD_CLOEXEC, 3));
    if (!opened) return fail_errno(errno);
    return opened;
}

result<unique_descriptor> system_file_system::open_log(const std::string& path) noexcept {
    if (path == "-") return open_standard(standard_output::output);
    unique_descriptor opened(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
    if (!opened) return fail_errno(errno);
    return opened;
}

bool system_file_system::is_log_at(int log, const std::string& path) noexcept {
    struct stat ours{};
    struct stat there{};
    if (fstat(log, &ours) != 0) return false;
    return ::stat(path.c_str(), &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

result<void> system_file_system::write_log(int log, std::string_view& text) noexcept {
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

namespace {

// What it is, and what a link leads to. False: it has just gone, or leads nowhere, or out.
bool describe(directory_entry& entry, const file_system::root& of, const std::string& path, int directory) {
    struct stat raw{};
    if (fstatat(directory, entry.name.c_str(), &raw, AT_SYMLINK_NOFOLLOW) != 0) return false;
    entry.status = status_from(raw);
    if (!S_ISLNK(raw.st_mode)) return true;
    const auto target = system_files().open_beneath(of, path + entry.name, file_system::blocking::yes,
                                                    file_system::purpose::look);
    const auto status = target ? system_files().status_of(target->get()) : fail(target.error());
    if (status) entry.status = *status;
    return status.has_value();
}

}  // namespace

// Names are read all, because the first may come last; sizes and times only of those that are shown.
result<directory_listing> system_file_system::read_directory(
    const root& of, const std::string& path, int directory, std::size_t limit,
    const std::function<bool(std::string_view)>& shows) {
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
    first_entries found(limit);
    for (std::size_t seen = 0;; ++seen) {
        errno = 0;
        const dirent* const each = readdir(stream.get());
        if (each == nullptr && errno != 0) return fail_errno(errno);
        if (each == nullptr) break;
        if (seen == limits::directory_entries) {
            found.cut();
            break;
        }
        directory_entry entry;
        entry.name = each->d_name;
        if (entry.name == "." || entry.name == ".." || !shows(entry.name)) continue;
        const bool unknown = each->d_type == DT_UNKNOWN || each->d_type == DT_LNK;
        entry.status.kind = unknown || each->d_type == DT_DIR ? file_kind::directory : file_kind::regular;
        if (unknown && (!found.keeps(entry) || !describe(entry, of, path, own))) continue;
        found.add(std::move(entry));
    }
    directory_listing listing = found.take();
    std::erase_if(listing.entries, [&](directory_entry& entry) { return !describe(entry, of, path, own); });
    return listing;
}

}  // namespace naru
