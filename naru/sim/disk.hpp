// The disk of a simulated host.
#pragma once

#include <naru/os/file_system.hpp>
#include <naru/sim/socket.hpp>

#include <string>
#include <string_view>

namespace naru::sim {

class host;
class world;

/// Paths name files in one flat list; a directory is what some file's path goes through.
/// There are no links and no permissions. What is asked not to wait says EAGAIN now and then, where
/// world_options::short_counts has it so: then the answer comes from a worker.
class disk final : public file_system {
 public:
    explicit disk(host& of) noexcept : host_(of) {}

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

 private:
    bool would_wait(blocking may_block) noexcept;
    result<unique_descriptor> open(const std::string& path);
    world& in() const noexcept;

    host& host_;
};

}  // namespace naru::sim
