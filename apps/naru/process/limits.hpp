// What a master allows its workers.
#pragma once

#include <chrono>
#include <cstddef>

namespace naru::program::limits {

/// Before a worker that has died is started anew: doubled each time, and from the beginning once one has
/// lived for `worker_is_well`.
inline constexpr std::chrono::milliseconds first_restart{100};
inline constexpr std::chrono::milliseconds longest_restart{10'000};
inline constexpr std::chrono::seconds worker_is_well{60};

/// For a new program to serve.
inline constexpr std::chrono::seconds upgrade_time{60};

/// Retired workers that still have connections; past them the oldest is drained.
inline constexpr std::size_t retired_workers = 8;

/// For processes to be gone that have been killed.
inline constexpr std::chrono::milliseconds kill_time{2000};

}  // namespace naru::program::limits
