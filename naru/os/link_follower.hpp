// Opening what is beneath a directory where symbolic links are to be looked at one by one. POSIX.
#pragma once

#include <naru/core/result.hpp>
#include <naru/os/file_system.hpp>
#include <naru/os/socket.hpp>

#include <string>

#include <fcntl.h>

namespace naru {

// O_NONBLOCK: opening a FIFO or a device must not wait; it means nothing for regular files.
inline constexpr int read_flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
#if defined(O_PATH)
inline constexpr int look_flags =
    O_PATH | O_CLOEXEC;  // asks for permission to search what leads there, no more
#else
inline constexpr int look_flags = read_flags;
#endif

constexpr int flags_for(file_system::purpose what_for) noexcept {
    return what_for == file_system::purpose::look ? look_flags : read_flags;
}

/// Whether a relative path is none, or has a "..".
bool leads_out_by_itself(const std::string& path) noexcept;

/// Links are followed as file_system::links::inside says. Errors: EXDEV if one leads elsewhere, ELOOP past
/// file_system::most_links.
result<unique_descriptor> open_following_links(const file_system::root& of, const std::string& path,
                                               file_system::purpose what_for) noexcept;

/// Any link is EXDEV.
result<unique_descriptor> open_without_links(const file_system::root& of, const std::string& path,
                                             file_system::purpose what_for) noexcept;

}  // namespace naru
