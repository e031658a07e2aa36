// Operations on files beside open_file and read_file (operation.hpp). What a backend does not do itself
// (backend::performs) is tried without waiting for the disk, and else done by the environment's workers; it
// completes like any other, and a chain goes on behind it. A close waits for what is under way.
#pragma once

#include <naru/loop/operation.hpp>
#include <naru/os/file_system.hpp>

#include <cstdint>

namespace naru {

/// Writes to a file that open_file has opened for it, as pwrite(2) does, all of it. Errors: ENOSPC, EBADF if
/// it is not open for writing, and the rest of pwrite(2); what went before is written then.
struct write_file_operation : operation {
    explicit write_file_operation(handler on_completion) noexcept
        : operation(operation_kind::write_file, on_completion) {}

    /// `bytes` are lent, limits::bytes_per_call of them at most. With O_APPEND they go behind the end.
    void set(handle to, bytes_view bytes, std::uint64_t to_offset) noexcept {
        target = to;
        data = const_cast<std::byte*>(bytes.data());  // read from only
        count = static_cast<std::uint32_t>(std::min(bytes.size(), limits::bytes_per_call));
        offset = to_offset;
        progress = 0;
    }

    std::uint64_t offset = 0;
};

/// Waits until what was written is on the disk: fsync(2), or fdatasync(2).
struct sync_file_operation : operation {
    explicit sync_file_operation(handler on_completion) noexcept
        : operation(operation_kind::sync_file, on_completion) {}

    void set(handle of, bool without_times = false) noexcept {
        target = of;
        data_only = without_times;
    }

    bool data_only = false;
};

/// What stat(2) says of a file.
struct file_status_operation : operation {
    explicit file_status_operation(handler on_completion) noexcept
        : operation(operation_kind::file_status, on_completion) {}

    void set(handle of) noexcept { target = of; }

    naru::file_status status;  ///< when `result` is 0
};

}  // namespace naru
