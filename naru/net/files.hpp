// Files beneath a directory: the calls a file server needs, none of which ever leaves the directory.
#pragma once

#include <naru/core/result.hpp>
#include <naru/net/socket.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace naru {

enum class file_kind : std::uint8_t { regular, directory, other };

/// What stat(2) says of a file, and enough to tell whether it is still the same one.
struct file_status {
    file_kind kind = file_kind::other;
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;  ///< nanoseconds since 1970
    std::int64_t changed_ns = 0;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    std::int64_t modified_seconds() const noexcept {
        return modified_ns >= 0 ? modified_ns / 1'000'000'000 : (modified_ns - 999'999'999) / 1'000'000'000;
    }
    bool operator==(const file_status&) const = default;
};

struct directory_entry {
    std::string name;
    file_status status;
};

class directory_root {
 public:
    /// Errors: ENOENT, ENOTDIR, EACCES.
    static result<directory_root> open(const std::string& path) noexcept;

    /// Whether a call may wait for a disk. `no`: it fails with EAGAIN instead (openat2(2), RESOLVE_CACHED);
    /// always on Windows, which cannot be asked what it has in memory.
    enum class blocking : std::uint8_t { no, yes };

    /// Opens a relative path for reading, without following it out of this directory by `..`, absolute paths,
    /// symbolic links or /proc's magic links: those fail with EXDEV (openat2(2), RESOLVE_BENEATH; on kernels
    /// without it, and on Windows, symbolic links are refused altogether). On Windows names that it would
    /// take for another file's are refused with ENOENT (see reserved_names.hpp). Never waits for a FIFO's
    /// other end. An empty path is the directory itself. Thread-safe.
    result<unique_descriptor> open_beneath(const std::string& path, blocking may_block) const noexcept;

    int descriptor() const noexcept { return root_.get(); }

 private:
    result<unique_descriptor> walk(const std::string& path) const noexcept;
    unique_descriptor root_;
};

result<file_status> status_of(int file) noexcept;

enum class standard_stream : std::uint8_t { output, error };

/// A descriptor of its own for what is standard output or standard error now. Errors: EBADF, EMFILE.
result<unique_descriptor> open_standard(standard_stream which) noexcept;

/// A file for a log, made if it is not there: what is written goes behind its end, whoever else writes. "-"
/// is standard output. Never waits for a FIFO's other end. Errors: ENOENT, EACCES, EISDIR; ENXIO if nobody
/// reads a FIFO.
result<unique_descriptor> open_log(const std::string& path) noexcept;
/// Whether `path` still names the file that `log` is. Blocks. On Windows: always.
bool is_log_at(int log, const std::string& path) noexcept;
/// Writes all of `text`; after an error what was not written is left in it. Errors: ENOSPC and the rest of
/// write(2). Blocks, also where the descriptor does not.
result<void> write_log(int log, std::string_view& text) noexcept;

/// Fills `content` with `size` bytes from the file's start. EAGAIN if they are not in memory and may_block is
/// no; EIO if the file has got shorter.
result<void> read_whole(int file, std::uint64_t size, directory_root::blocking may_block,
                        std::string& content) noexcept;

/// The entries of an open directory, without "." and "..", at most `limit`; sorted by nothing. A symbolic
/// link is described as what it leads to, and left out if open_beneath would not go there. `path` is where
/// the directory is beneath `root`: empty, or with a slash at its end. Blocks.
result<std::vector<directory_entry>> read_directory(const directory_root& root, const std::string& path,
                                                    int directory, std::size_t limit);

}  // namespace naru
