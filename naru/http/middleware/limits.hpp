// What middleware may take at most.
#pragma once

#include <cstddef>

namespace naru::http::limits {

/// Passwords that are hashed at a time, of one file: half of the threads for blocking work (blocking_threads)
/// is left to others.
inline constexpr unsigned password_checks = 4;
/// Names and passwords that were right and need not be hashed again, 24 bytes each.
inline constexpr std::size_t passwords_remembered = 1024;
/// Clients whose attempts are counted at a time.
inline constexpr std::size_t password_clients = 4096;

}  // namespace naru::http::limits
