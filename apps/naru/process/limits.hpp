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

/// Of the path of a log that a worker asks for, and of all that a program is told of the logs of workers that
/// have retired (a variable has 128 KiB).
inline constexpr std::size_t log_path_bytes = 4096;
inline constexpr std::size_t told_logs_bytes = 64 * 1024;

/// Descriptors that a process has before it serves: streams, which it has twice, channels between master and
/// worker, what wakes it, and one in reserve; of each loop: its poller or ring, and its wake. And those that
/// are left at least for clients and their files, of which some go to trials of an engine at the start.
inline constexpr std::size_t process_descriptors = 12;
inline constexpr std::size_t loop_descriptors = 2;
inline constexpr std::size_t least_client_descriptors = 16;

/// For processes to be gone that have been killed.
inline constexpr std::chrono::milliseconds kill_time{2000};

}  // namespace naru::program::limits
