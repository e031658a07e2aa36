// The global operator new, which counts, and can have nothing to give.
#pragma once

#include <atomic>
#include <cstddef>

namespace naru::testing {

/// Of the process, so far.
extern std::atomic<std::size_t> allocations;
/// On this thread nothing is to be had.
extern thread_local bool out_of_memory;

}  // namespace naru::testing
