#include <naru/sim/disk.hpp>

#include <naru/core/limits.hpp>
#include <naru/os/first_entries.hpp>
#include <naru/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <new>
#include <utility>

#include <fcntl.h>

namespace naru::sim {

namespace {

// Without empty and "." components; nothing if it leads out.
result<std::string> normal(std::string_view path) {
    std::string made;
    while (!path.empty()) {
        const std::size_t slash = path.find('/');
        const std::string_view component = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (component.empty() || component == ".") continue;
        if (component == "..") return fail_errno(EXDEV);
        made.append("/").append(component);
    }
    return made;
}

file_status status_of_directory(const host& on, std::string_view path) {
    file_status status;
    status.kind = file_kind::directory;
    status.device = on.number();
    status.inode = 0xcbf29ce484222325u;
    for (const char each : path)
        status.inode = (status.inode ^ static_cast<unsigned char>(each)) * 0x100000001b3u;
    return status;
}

file_status status_of_file(const host& on, const stored_file& file) {
    file_status status;
    status.kind = file_kind::regular;
    status.size = file.bytes.size();
    status.device = on.number();
    status.inode = file.number;
    const auto since = file.modified.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    status.modified = {seconds.count(), static_cast<std::uint32_t>(
                                            std::chrono::duration_cast<duration>(since - seconds).count())};
    status.changed = status.modified;
    return status;
}

// For a crash. What is not synced for long has been written by itself.
void remember(stored_file& of, std::size_t offset, std::string_view after, bool truncates) {
    constexpr std::size_t most = 1024 * 1024;
    const std::size_t replaced =
        truncates ? of.bytes.size()
                  : std::min(after.size(), of.bytes.size() - std::min(of.bytes.size(), offset));
    of.unsynced.push_back({offset, of.bytes.size(),
                           replaced == 0 ? std::string() : of.bytes.substr(offset, replaced),
                           std::string(after), truncates});
    of.unsynced_bytes += after.size() + replaced;
    while (of.unsynced_bytes > most && of.unsynced.size() > 1) {
        of.unsynced_bytes -= of.unsynced.front().after.size() + of.unsynced.front().before.size();
        of.unsynced.pop_front();
    }
}

}  // namespace

world& disk::in() const noexcept { return host_.in(); }

bool disk::would_wait(blocking may_block) noexcept {
    if (may_block != blocking::no || !in().options().simulate_workers) return false;
    return (in().options().short_counts && in().random(4) == 0) || in().strikes(fault::short_count);
}

// `path` is normal: absolute and without a slash at its end; empty: the top.
result<unique_descriptor> disk::open(const std::string& path) {
    const auto found = host_.find_stored(path);
    if (found == nullptr && !host_.has_directory(path)) return fail_errno(ENOENT);
    if (host_.is_down()) return fail_errno(EIO);
    const socket_ref made = in().net().make(host_, socket_kind::file);
    made->content = found;
    made->path = path;
    return in().name(made);
}

result<file_system::root> disk::open_root(const std::string& path) noexcept try {
    const auto absolute = normal(path);
    if (!absolute) return fail(absolute.error());
    auto opened = open(*absolute);
    if (!opened) return fail(opened.error());
    if (in().find(opened->get())->content != nullptr) return fail_errno(ENOTDIR);
    root made;
    made.path = *absolute;
    made.directory = std::move(*opened);
    made.identity = status_of_directory(host_, *absolute);
    made.answers_at_once = true;
    return made;
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<unique_descriptor> disk::open_beneath(const root& of, const std::string& path, blocking may_block,
                                             purpose /*what_for*/) noexcept try {
    const socket_ref directory = in().find(of.directory.get());
    if (directory == nullptr) return fail_errno(EBADF);
    if (would_wait(may_block)) return fail_errno(EAGAIN);
    const auto below = normal(path);
    if (!below) return fail(below.error());
    auto opened = open(of.path + *below);
    if (!opened) return opened;
    if (path.ends_with('/') && in().find(opened->get())->content != nullptr) return fail_errno(ENOTDIR);
    return opened;
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<bool> disk::is_in_place(const root& of, blocking may_block) noexcept {
    const socket_ref directory = in().find(of.directory.get());
    if (directory == nullptr) return fail_errno(EBADF);
    if (would_wait(may_block)) return fail_errno(EAGAIN);
    if (!host_.has_directory(of.path)) return fail_errno(ENOENT);
    return true;
}

result<directory_listing> disk::read_directory(const root& /*of*/, const std::string& /*path*/, int directory,
                                               std::size_t limit,
                                               const std::function<bool(std::string_view)>& shows) {
    const socket_ref listed = in().find(directory);
    if (listed == nullptr) return fail_errno(EBADF);
    if (listed->content != nullptr) return fail_errno(ENOTDIR);
    first_entries found(limit);
    std::string before;
    listed->at->for_each_beneath(listed->path, [&](std::string_view below, const stored_file& file) {
        const std::size_t slash = below.find('/');
        directory_entry entry;
        entry.name = below.substr(0, slash);
        if (entry.name == std::exchange(before, entry.name) || !shows(entry.name)) return;
        entry.status = slash == std::string_view::npos
                           ? status_of_file(*listed->at, file)
                           : status_of_directory(*listed->at, listed->path + "/" + entry.name);
        found.add(std::move(entry));
    });
    return found.take();
}

result<file_status> disk::status_of(int file) noexcept {
    const socket_ref of = in().find(file);
    if (of == nullptr) return fail_errno(EBADF);
    if (of->kind != socket_kind::file) return file_status{};
    return of->content != nullptr ? status_of_file(*of->at, *of->content)
                                  : status_of_directory(*of->at, of->path);
}

// A relative path is beneath the directory that is open, or as it is written: a flat list has no current one.
std::int64_t disk::open_file(int directory, const char* path, int flags, unsigned /*mode*/,
                             blocking may_block) noexcept try {
    if (would_wait(may_block)) return outcome::from_errno(EAGAIN);
    const socket_ref beneath = in().find(directory);
    const std::string name = beneath != nullptr && *path != '/' ? beneath->path + "/" + path : path;
    auto content = host_.find_stored(name);
    const bool makes = (flags & O_CREAT) != 0;
    if (content != nullptr && makes && (flags & O_EXCL) != 0) return outcome::from_errno(EEXIST);
    if (content == nullptr && makes) {
        if (host_.has_directory(name)) return outcome::from_errno(EISDIR);
        host_.write_file(name, {});
        host_.find_stored(name)->durable = false;
    } else if (content != nullptr && (flags & O_TRUNC) != 0) {
        remember(*content, 0, {}, true);
        content->bytes.clear();
        content->modified = in().time_of_day();
    }
    auto opened = open(name);
    if (!opened) return outcome::from(opened.error());
    socket& made = *in().find(opened->get());
    made.writes = (flags & (O_WRONLY | O_RDWR)) != 0;
    made.appends = (flags & O_APPEND) != 0;
    return opened->release();
} catch (const std::bad_alloc&) {
    return outcome::from_errno(ENOMEM);
}

std::int64_t disk::read_file(int file, mutable_bytes into, std::uint64_t offset,
                             blocking may_block) noexcept {
    if (would_wait(may_block)) return outcome::from_errno(EAGAIN);
    const socket_ref of = in().find(file);
    if (of == nullptr || of->kind != socket_kind::file) return outcome::from_errno(EBADF);
    if (of->content == nullptr) return outcome::from_errno(EISDIR);
    if (of->dead) return outcome::from_errno(EIO);
    const std::string& all = of->content->bytes;
    if (offset >= all.size()) return 0;
    return static_cast<std::int64_t>(all.copy(reinterpret_cast<char*>(into.data()), into.size(), offset));
}

std::int64_t disk::write_file(int file, bytes_view bytes, std::uint64_t offset, blocking may_block) noexcept
    try {
    if (would_wait(may_block)) return outcome::from_errno(EAGAIN);
    const socket_ref of = in().find(file);
    if (of == nullptr || of->content == nullptr || !of->writes) return outcome::from_errno(EBADF);
    if (of->dead) return outcome::from_errno(EIO);
    std::string& all = of->content->bytes;
    const auto at = static_cast<std::size_t>(of->appends ? all.size() : offset);
    remember(*of->content, at, as_text(bytes), false);
    if (at + bytes.size() > all.size()) all.resize(at + bytes.size());
    as_text(bytes).copy(all.data() + at, bytes.size());
    of->content->modified = in().time_of_day();
    return static_cast<std::int64_t>(bytes.size());
} catch (const std::exception&) {
    return outcome::from_errno(ENOSPC);
}

std::int64_t disk::sync_file(int file, bool /*data_only*/, blocking may_block) noexcept {
    if (would_wait(may_block)) return outcome::from_errno(EAGAIN);
    const socket_ref of = in().find(file);
    if (of == nullptr || of->content == nullptr) return outcome::from_errno(EBADF);
    if (of->dead) return outcome::from_errno(EIO);
    of->content->durable = true;
    of->content->unsynced.clear();
    of->content->unsynced_bytes = 0;
    return 0;
}

std::int64_t disk::read_status(int file, file_status& into, blocking may_block) noexcept {
    if (would_wait(may_block)) return outcome::from_errno(EAGAIN);
    const auto status = status_of(file);
    if (!status) return outcome::from(status.error());
    into = *status;
    return 0;
}

result<unique_descriptor> disk::open_standard(standard_output which) noexcept {
    return open_log(which == standard_output::output ? "/dev/stdout" : "/dev/stderr");
}

result<unique_descriptor> disk::open_log(const std::string& path) noexcept try {
    if (path == "-") return open_standard(standard_output::output);
    const auto absolute = normal(path);
    if (!absolute) return fail(absolute.error());
    if (host_.has_directory(*absolute)) return fail_errno(EISDIR);
    if (host_.find_stored(*absolute) == nullptr) host_.write_file(*absolute, {});
    return open(*absolute);
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

bool disk::is_log_at(int log, const std::string& path) noexcept {
    const socket_ref of = in().find(log);
    const auto absolute = normal(path);
    return of != nullptr && absolute && of->content != nullptr &&
           of->at->find_stored(*absolute) == of->content;
}

result<void> disk::write_log(int log, std::string_view& text) noexcept try {
    const socket_ref of = in().find(log);
    if (of == nullptr || of->content == nullptr) return fail_errno(EBADF);
    if (of->dead) return fail_errno(EIO);
    remember(*of->content, of->content->bytes.size(), text, false);
    of->content->bytes += text;
    of->content->modified = in().time_of_day();
    text = {};
    return {};
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

}  // namespace naru::sim
