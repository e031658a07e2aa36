// splice(2), where there is one.
#pragma once

#include <naru/core/result.hpp>

#include <cstdint>

namespace naru {

/// The caller's, to be closed.
struct pipe_ends {
    int read = -1;
    int write = -1;
};

/// A non-blocking pipe. Errors: EMFILE, ENFILE; ENOTSUP where there is no splice.
result<pipe_ends> make_splice_pipe() noexcept;

/// One step of splice(2) between a non-blocking socket and a pipe: >= 0 bytes, or a negated errno (EINVAL
/// where these descriptors, or this system, cannot).
std::int64_t splice_step(int from, int to, std::uint64_t count) noexcept;

}  // namespace naru
