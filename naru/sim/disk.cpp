#include <naru/sim/disk.hpp>

#include <naru/core/limits.hpp>
#include <naru/os/first_entries.hpp>
#include <naru/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

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

}  // namespace

bool disk::would_wait(blocking may_block) noexcept {
    return may_block == blocking::no && world_.options().short_counts && world_.random(4) == 0;
}

// `path` is normal: absolute and without a slash at its end; empty: the top.
result<unique_descriptor> disk::open(host& on, const std::string& path) {
    const auto found = on.find_stored(path);
    if (found == nullptr && !on.has_directory(path)) return fail_errno(ENOENT);
    const socket_ref made = world_.net().make(on, socket_kind::file);
    made->content = found;
    made->path = path;
    return world_.name(made);
}

result<file_system::root> disk::open_root(const std::string& path, const root* beside) noexcept try {
    const socket_ref near = beside != nullptr ? world_.find(beside->directory.get()) : nullptr;
    host& on = near != nullptr ? *near->at : world_.here();
    const auto absolute = normal(path);
    if (!absolute) return fail(absolute.error());
    auto opened = open(on, *absolute);
    if (!opened) return fail(opened.error());
    if (world_.find(opened->get())->content != nullptr) return fail_errno(ENOTDIR);
    root made;
    made.path = *absolute;
    made.directory = std::move(*opened);
    made.identity = status_of_directory(on, *absolute);
    made.answers_at_once = true;
    return made;
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<unique_descriptor> disk::open_beneath(const root& of, const std::string& path, blocking may_block,
                                             purpose /*what_for*/) noexcept try {
    const socket_ref directory = world_.find(of.directory.get());
    if (directory == nullptr) return fail_errno(EBADF);
    if (would_wait(may_block)) return fail_errno(EAGAIN);
    const auto below = normal(path);
    if (!below) return fail(below.error());
    auto opened = open(*directory->at, of.path + *below);
    if (!opened) return opened;
    if (path.ends_with('/') && world_.find(opened->get())->content != nullptr) return fail_errno(ENOTDIR);
    return opened;
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<bool> disk::is_in_place(const root& of, blocking may_block) noexcept {
    const socket_ref directory = world_.find(of.directory.get());
    if (directory == nullptr) return fail_errno(EBADF);
    if (would_wait(may_block)) return fail_errno(EAGAIN);
    if (!directory->at->has_directory(of.path)) return fail_errno(ENOENT);
    return true;
}

result<directory_listing> disk::read_directory(const root& /*of*/, const std::string& /*path*/, int directory,
                                               std::size_t limit,
                                               const std::function<bool(std::string_view)>& shows) {
    const socket_ref listed = world_.find(directory);
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
    const socket_ref of = world_.find(file);
    if (of == nullptr) return fail_errno(EBADF);
    if (of->kind != socket_kind::file) return file_status{};
    return of->content != nullptr ? status_of_file(*of->at, *of->content)
                                  : status_of_directory(*of->at, of->path);
}

result<void> disk::read_at(int file, std::uint64_t offset, blocking may_block, std::span<char> into) noexcept {
    const socket_ref of = world_.find(file);
    if (of == nullptr) return fail_errno(EBADF);
    if (of->content == nullptr) return fail_errno(EISDIR);
    if (would_wait(may_block)) return fail_errno(EAGAIN);
    const auto& bytes = of->content->bytes;
    if (bytes.size() < offset || bytes.size() - offset < into.size()) return fail_errno(EIO);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
}

result<unique_descriptor> disk::open_standard(standard_output which) noexcept {
    return open_log(which == standard_output::output ? "/dev/stdout" : "/dev/stderr");
}

result<unique_descriptor> disk::open_log(const std::string& path) noexcept try {
    if (path == "-") return open_standard(standard_output::output);
    const auto absolute = normal(path);
    if (!absolute) return fail(absolute.error());
    host& on = world_.here();
    if (on.has_directory(*absolute)) return fail_errno(EISDIR);
    if (on.find_stored(*absolute) == nullptr) on.write_file(*absolute, {});
    return open(on, *absolute);
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

bool disk::is_log_at(int log, const std::string& path) noexcept {
    const socket_ref of = world_.find(log);
    const auto absolute = normal(path);
    return of != nullptr && absolute && of->content != nullptr &&
           of->at->find_stored(*absolute) == of->content;
}

result<void> disk::write_log(int log, std::string_view& text) noexcept try {
    const socket_ref of = world_.find(log);
    if (of == nullptr || of->content == nullptr) return fail_errno(EBADF);
    of->content->bytes += text;
    of->content->modified = world_.time_of_day();
    text = {};
    return {};
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

}  // namespace naru::sim
