// Files beneath a directory: the calls a file server needs, none of which ever leaves the directory. In a
// simulated world they are those of the host that the calling loop is on.
#pragma once

#include <naru/core/result.hpp>
#include <naru/os/file_system.hpp>
#include <naru/os/socket.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru {

class directory_root {
 public:
    using links = file_system::links;

    /// A relative path is taken from the current directory as it is now. The directory must be one that may
    /// be searched; whether it may be read matters to read_directory alone. `targets`: other directories that
    /// links may lead beneath. Errors: ENOENT, ENOTDIR, EACCES. Blocks.
    static result<directory_root> open(const std::string& path, links followed = links::inside,
                                       const std::vector<std::string>& targets = {}) noexcept;

    /// Whether a call may wait for a disk. `no`: it fails with EAGAIN instead, and always does so where the
    /// system cannot promise: beneath a mount of its own or of a network's file system (their opening asks a
    /// server), without openat2(2) and RESOLVE_CACHED (Linux 5.12), on Windows.
    using blocking = file_system::blocking;

    /// What a file is opened for. `look`: for status_of and read_directory only, which asks for no permission
    /// to read (open(2), O_PATH; on Windows as `read`).
    using purpose = file_system::purpose;

    /// Opens a relative path, without following it out of this directory by `..`, absolute paths, symbolic
    /// links or /proc's magic links: those fail with EXDEV. A link that says where it leads from the
    /// system's root on, or by way of what is outside, is followed if that is beneath this directory (or a
    /// target) as its path names it; no mount stands in for another. With links::any they are followed
    /// anywhere, with links::none none is. On Windows and in a simulated world all are refused. On Windows
    /// names that it would take for another file's are refused with ENOENT (see reserved_names.hpp). Never
    /// waits for a FIFO's other end. An empty path is the directory itself. Thread-safe.
    result<unique_descriptor> open_beneath(const std::string& path, blocking may_block,
                                           purpose what_for = purpose::read) const noexcept;

    /// Whether the path that this was opened by still leads here: not if a symbolic link in it was changed,
    /// the directory made anew, or another mounted over it. Errors: EAGAIN as above, ENOENT and the rest of
    /// open. Thread-safe.
    result<bool> is_in_place(blocking may_block) const noexcept;
    /// What that path leads to. Thread-safe. Blocks.
    result<directory_root> reopen() const noexcept;

 private:
    friend result<directory_listing> read_directory(const directory_root& root, const std::string& path,
                                                    lent_descriptor directory, std::size_t limit,
                                                    const std::function<bool(std::string_view name)>& shows);
    directory_root(file_system& on, file_system::root opened) noexcept
        : disk_(&on), root_(std::move(opened)) {}

    file_system* disk_;
    file_system::root root_;
};

/// What stat(2) says of an open file. Errors: EBADF and the rest of fstat(2).
result<file_status> status_of(lent_descriptor file) noexcept;

/// A descriptor of its own for what is standard output or standard error now. Errors: EBADF, EMFILE.
result<unique_descriptor> open_standard(standard_output which) noexcept;

/// A file for a log, made if it is not there: what is written goes behind its end, whoever else writes. "-"
/// is standard output. Never waits for a FIFO's other end. Errors: ENOENT, EACCES, EISDIR; ENXIO if nobody
/// reads a FIFO.
result<unique_descriptor> open_log(const std::string& path) noexcept;
/// Whether `path` still names the file that `log` is. Blocks. On Windows: always.
bool is_log_at(lent_descriptor log, const std::string& path) noexcept;
/// Writes all of `text`; after an error what was not written is left in it. Errors: ENOSPC and the rest of
/// write(2). Blocks, also where the descriptor does not.
result<void> write_log(lent_descriptor log, std::string_view& text) noexcept;

/// Fills `content` with `size` bytes from the file's start. EAGAIN if they are not in memory and may_block is
/// no; EIO if the file has got shorter.
result<void> read_whole(lent_descriptor file, std::uint64_t size, directory_root::blocking may_block,
                        std::string& content) noexcept;

/// The same from `offset` on.
result<void> read_at(lent_descriptor file, std::uint64_t offset, directory_root::blocking may_block,
                     std::span<char> into) noexcept;

/// The first `limit` entries of an open directory, without "." and ".." and those that `shows` refuses. Of
/// more than limits::directory_entries the rest is not looked at. A symbolic link is described as what it
/// leads to, and left out if open_beneath would not go there. `path` is where the directory is beneath
/// `root`: empty, or with a slash at its end. Errors: EACCES if it may not be read. Blocks.
result<directory_listing> read_directory(const directory_root& root, const std::string& path,
                                         lent_descriptor directory, std::size_t limit,
                                         const std::function<bool(std::string_view name)>& shows);

}  // namespace naru
