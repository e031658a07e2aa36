// Pipes, and descriptors that the process has been given: the calls that come before a handle. ENOTSUP on
// Windows.
#pragma once

#include <naru/os/socket.hpp>

#include <cstdint>
#include <utility>

namespace naru {

/// A pipe: what is written to the second is read from the first. Non-blocking, both of them.
[[nodiscard]] result<std::pair<unique_descriptor, unique_descriptor>> make_pipe() noexcept;

/// A second, non-blocking description of the pipe or terminal behind `descriptor`, whose own flags stay as
/// they are: others share them. Errors: ENXIO, EACCES, ENOENT and the rest of open(2); ENOTSUP without
/// /proc/self/fd.
[[nodiscard]] result<unique_descriptor> reopen_non_blocking(int descriptor) noexcept;

/// Another descriptor for the same open file description. Errors: EMFILE, EBADF.
[[nodiscard]] result<unique_descriptor> duplicate(int descriptor) noexcept;

/// What kind of file a descriptor is, as far as it decides how it is read and written.
enum class file_type : std::uint8_t {
    socket,
    pollable,  ///< a pipe or a terminal
    other,     ///< a regular file, /dev/null: poll and its like say nothing of it
};
/// Errors: EBADF.
[[nodiscard]] result<file_type> type_of(int descriptor) noexcept;

}  // namespace naru
