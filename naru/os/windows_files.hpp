// Opening files by name, for the backends and for naru/fs/files.hpp.
#pragma once

#include <naru/os/windows_api.hpp>

#include <cstdint>
#include <string_view>

namespace naru::windows {

/// `overlapped`: reads complete through a port. `synchronous`: a read returns with its data.
enum class io : std::uint8_t { synchronous, overlapped };

/// openat(2)'s meaning: a descriptor or an error. `directory`: system_calls::current_directory or a
/// directory's descriptor. `flags`: the C run-time's O_ constants. The file may be renamed, replaced and
/// removed while it is open, as elsewhere. New files get the access rights of their directory; `mode` tells
/// only whether they can be written to.
std::int64_t open_file(int directory, std::string_view path, int flags, unsigned mode, io how) noexcept;

}  // namespace naru::windows
