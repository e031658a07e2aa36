// A disk, as seam 1 has it: the system's, or a simulated host's (environment::files). The calls a file server
// and a log need; naru/fs/files.hpp is their face.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/result.hpp>
#include <naru/os/socket.hpp>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace naru {

enum class file_kind : std::uint8_t { regular, directory, other };

/// A moment as file systems keep it. They keep some that nanoseconds in 64 bits (1677 to 2262) do not reach.
struct file_time {
    std::int64_t seconds = 0;  ///< since 1970, rounded down
    std::uint32_t nanoseconds = 0;

    auto operator<=>(const file_time&) const = default;
};

/// What stat(2) says of a file, and enough to tell whether it is still the same one.
struct file_status {
    file_kind kind = file_kind::other;
    std::uint64_t size = 0;
    file_time modified;
    file_time changed;  ///< also when only the status was: nobody can set this one back
    std::uint64_t device = 0;
    std::uint64_t inode = 0;

    bool operator==(const file_status&) const = default;
};

struct directory_entry {
    std::string name;
    file_status status;
};

/// What a listing shows of a directory: its first entries, directories before the rest, each by name.
struct directory_listing {
    std::vector<directory_entry> entries;
    bool cut = false;  ///< there are more
};

enum class standard_output : std::uint8_t { output, error };

/// What each function means, and its errors, stands in naru/fs/files.hpp with the one of the same name. All
/// may be called from any thread of the world that the disk belongs to.
class file_system {
 public:
    enum class blocking : std::uint8_t { no, yes };
    enum class purpose : std::uint8_t { read, look };

    /// Which symbolic links are followed beneath a root: those which lead to what is beneath it (or beneath
    /// one of its targets), also absolute ones; all; none.
    enum class links : std::uint8_t { inside, any, none };
    /// Followed on the way to one file, as by the system itself (path_resolution(7)).
    static constexpr unsigned most_links = 40;

    /// A directory that paths are taken beneath.
    struct root {
        std::string path;       ///< absolute, where the system has such
        std::string real_path;  ///< without symbolic links; empty where there are none
        links follows = links::inside;
        std::shared_ptr<const std::vector<root>> targets;  ///< where links may lead, too; or nullptr
        unique_descriptor directory;
        file_status identity;
        bool answers_at_once = false;  ///< whether it can be told not to wait
    };

    virtual result<root> open_root(const std::string& path) noexcept = 0;
    virtual result<unique_descriptor> open_beneath(const root& of, const std::string& path,
                                                   blocking may_block, purpose what_for) noexcept = 0;
    virtual result<bool> is_in_place(const root& of, blocking may_block) noexcept = 0;
    virtual result<directory_listing> read_directory(
        const root& of, const std::string& path, int directory, std::size_t limit,
        const std::function<bool(std::string_view name)>& shows) = 0;

    virtual result<file_status> status_of(int file) noexcept = 0;

    // As outcomes (naru/core/result.hpp), for operations: what may wait for a disk is EAGAIN where it may
    // not.
    /// openat(2): a descriptor.
    virtual std::int64_t open_file(int directory, const char* path, int flags, unsigned mode,
                                   blocking may_block) noexcept = 0;
    /// pread(2).
    virtual std::int64_t read_file(int file, mutable_bytes into, std::uint64_t offset,
                                   blocking may_block) noexcept = 0;
    /// pwrite(2), until all is written.
    virtual std::int64_t write_file(int file, bytes_view bytes, std::uint64_t offset,
                                    blocking may_block) noexcept = 0;
    /// fsync(2), or fdatasync(2).
    virtual std::int64_t sync_file(int file, bool data_only, blocking may_block) noexcept = 0;
    /// status_of.
    virtual std::int64_t read_status(int file, file_status& into, blocking may_block) noexcept = 0;

    virtual result<unique_descriptor> open_standard(standard_output which) noexcept = 0;
    virtual result<unique_descriptor> open_log(const std::string& path) noexcept = 0;
    virtual bool is_log_at(int log, const std::string& path) noexcept = 0;
    virtual result<void> write_log(int log, std::string_view& text) noexcept = 0;

 protected:
    file_system() noexcept = default;
    ~file_system() = default;
    file_system(const file_system&) = delete;
    file_system& operator=(const file_system&) = delete;
};

/// The system's. Thread-safe.
file_system& system_files() noexcept;

}  // namespace naru
