// The system's disk: one source for each platform.
#pragma once

#include <naru/os/file_system.hpp>

namespace naru {

struct system_file_system final : file_system {
    result<root> open_root(const std::string& path) noexcept override;
    result<unique_descriptor> open_beneath(const root& of, const std::string& path, blocking may_block,
                                           purpose what_for) noexcept override;
    result<bool> is_in_place(const root& of, blocking may_block) noexcept override;
    result<directory_listing> read_directory(
        const root& of, const std::string& path, int directory, std::size_t limit,
        const std::function<bool(std::string_view name)>& shows) override;
    result<file_status> status_of(int file) noexcept override;
    std::int64_t open_file(int directory, const char* path, int flags, unsigned mode,
                           blocking may_block) noexcept override;
    std::int64_t read_file(int file, mutable_bytes into, std::uint64_t offset,
                           blocking may_block) noexcept override;
    std::int64_t write_file(int file, bytes_view bytes, std::uint64_t offset,
                            blocking may_block) noexcept override;
    std::int64_t sync_file(int file, bool data_only, blocking may_block) noexcept override;
    std::int64_t read_status(int file, file_status& into, blocking may_block) noexcept override;
    result<unique_descriptor> open_standard(standard_output which) noexcept override;
    result<unique_descriptor> open_log(const std::string& path) noexcept override;
    bool is_log_at(int log, const std::string& path) noexcept override;
    result<void> write_log(int log, std::string_view& text) noexcept override;
};

}  // namespace naru
