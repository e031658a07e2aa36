// Assertions and the end of the process: for bugs in naru or in the code that calls it, never for what the
// network or the system does.
#pragma once

namespace naru::detail {

/// Prints the failed condition with its place to standard error and aborts.
[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace naru::detail

namespace naru {

/// For a use that cannot be refused with an error and must not go on: prints one line and aborts.
[[noreturn]] void fatal(const char* what) noexcept;

}  // namespace naru

#ifdef NARU_CHECKS
#define NARU_ASSERT(condition) \
    (static_cast<bool>(condition) ? void(0) : ::naru::detail::check_failed(#condition, __FILE__, __LINE__))
#else
#define NARU_ASSERT(condition) (void(sizeof(static_cast<bool>(condition))))
#endif
