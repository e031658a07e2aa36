// The disks of a simulated world's hosts.
#pragma once

#include <naru/os/file_system.hpp>
#include <naru/sim/socket.hpp>

#include <string>
#include <string_view>

namespace naru::sim {

class host;
class world;

/// Paths name files in one flat list for each host; a directory is what some file's path goes through.
/// There are no links and no permissions. What is asked not to wait says EAGAIN now and then, where
/// world_options::short_counts has it so: then the answer comes from a worker.
class disk final : public file_system {
 public:
    explicit disk(world& in) noexcept : world_(in) {}

    result<root> open_root(const std::string& path, const root* beside) noexcept override;
    result<unique_descriptor> open_beneath(const root& of, const std::string& path, blocking may_block,
                                           purpose what_for) noexcept override;
    result<bool> is_in_place(const root& of, blocking may_block) noexcept override;
    result<directory_listing> read_directory(
        const root& of, const std::string& path, int directory, std::size_t limit,
        const std::function<bool(std::string_view name)>& shows) override;
    result<file_status> status_of(int file) noexcept override;
    result<void> read_at(int file, std::uint64_t offset, blocking may_block,
                         std::span<char> into) noexcept override;
    result<unique_descriptor> open_standard(standard_output which) noexcept override;
    result<unique_descriptor> open_log(const std::string& path) noexcept override;
    bool is_log_at(int log, const std::string& path) noexcept override;
    result<void> write_log(int log, std::string_view& text) noexcept override;

 private:
    bool would_wait(blocking may_block) noexcept;
    result<unique_descriptor> open(host& on, const std::string& path);

    world& world_;
};

}  // namespace naru::sim
