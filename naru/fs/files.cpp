#include <naru/fs/files.hpp>

#include <naru/loop/environment.hpp>

#include <cerrno>
#include <memory>
#include <new>
#include <utility>

namespace naru {

namespace {

// Numbers that the system does not give out are a world's.
file_system& disk_of(lent_descriptor file) noexcept {
    return file.get() >= foreign_descriptors ? environment::current().files() : system_files();
}

}  // namespace

result<directory_root> directory_root::open(const std::string& path, links followed,
                                            const std::vector<std::string>& targets) noexcept try {
    file_system& disk = environment::current().files();
    auto opened = disk.open_root(path);
    if (!opened) return fail(opened.error());
    opened->follows = followed;
    std::vector<file_system::root> others;
    for (const std::string& each : targets) {
        auto target = disk.open_root(each);
        if (!target) return fail(target.error());
        others.push_back(std::move(*target));
    }
    if (!others.empty())
        opened->targets = std::make_shared<const std::vector<file_system::root>>(std::move(others));
    return directory_root(disk, std::move(*opened));
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<directory_root> directory_root::reopen() const noexcept {
    auto opened = disk_->open_root(root_.path);
    if (!opened) return fail(opened.error());
    opened->follows = root_.follows;
    opened->targets = root_.targets;
    return directory_root(*disk_, std::move(*opened));
}

result<unique_descriptor> directory_root::open_beneath(const std::string& path, blocking may_block,
                                                       purpose what_for) const noexcept {
    return disk_->open_beneath(root_, path, may_block, what_for);
}

result<bool> directory_root::is_in_place(blocking may_block) const noexcept {
    return disk_->is_in_place(root_, may_block);
}

result<directory_listing> read_directory(const directory_root& root, const std::string& path,
                                         lent_descriptor directory, std::size_t limit,
                                         const std::function<bool(std::string_view)>& shows) {
    return root.disk_->read_directory(root.root_, path, directory.get(), limit, shows);
}

result<file_status> status_of(lent_descriptor file) noexcept { return disk_of(file).status_of(file.get()); }

result<void> read_whole(lent_descriptor file, std::uint64_t size, directory_root::blocking may_block,
                        std::string& content) noexcept try {
    content.resize(static_cast<std::size_t>(size));
    return read_at(file, 0, may_block, content);
} catch (const std::bad_alloc&) {
    return fail_errno(ENOMEM);
}

result<void> read_at(lent_descriptor file, std::uint64_t offset, directory_root::blocking may_block,
                     std::span<char> into) noexcept {
    file_system& disk = disk_of(file);
    for (std::size_t filled = 0; filled < into.size();) {
        const mutable_bytes left(reinterpret_cast<std::byte*>(into.data()) + filled, into.size() - filled);
        const std::int64_t got = disk.read_file(file.get(), left, offset + filled, may_block);
        if (got < 0) return fail(outcome::to_error(got));
        if (got == 0) return fail_errno(EIO);
        filled += static_cast<std::size_t>(got);
    }
    return {};
}

result<unique_descriptor> open_standard(standard_output which) noexcept {
    return environment::current().files().open_standard(which);
}

result<unique_descriptor> open_log(const std::string& path) noexcept {
    return environment::current().files().open_log(path);
}

bool is_log_at(lent_descriptor log, const std::string& path) noexcept {
    return disk_of(log).is_log_at(log.get(), path);
}

result<void> write_log(lent_descriptor log, std::string_view& text) noexcept {
    return disk_of(log).write_log(log.get(), text);
}

}  // namespace naru
