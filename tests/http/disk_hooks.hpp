// A disk under the test's control: the system calls of directory_root and read_whole go through here first
// (the linker's --wrap). Names with "cold" in them are never in memory, and wait at a gate that the test
// closes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <functional>
#include <mutex>

namespace naru::testing {

/// Closed, it holds up whoever passes.
class gate {
 public:
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    void open() {
        const std::lock_guard lock(mutex_);
        closed_ = false;
        opened_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        ++held_;
        opened_.wait(lock, [this] { return !closed_; });
        --held_;
    }
    /// How many are held up.
    int held() {
        const std::lock_guard lock(mutex_);
        return held_;
    }

 private:
    std::mutex mutex_;
    std::condition_variable opened_;
    bool closed_ = false;
    int held_ = 0;
};

struct disk_hooks {
    gate opening;                            ///< of files with "cold" in their names
    gate listing;                            ///< of directories
    std::atomic<int> looks{0};               ///< at "cold.txt" itself, that might have waited
    std::atomic<int> openat2s{0};            ///< calls
    std::atomic<int> openat2_error{0};       ///< what they fail with; EINVAL: if RESOLVE_CACHED
    std::atomic<std::time_t> files_time{0};  ///< if not 0, the times of all files, for ever
    std::function<void()> during_read;       ///< called once, behind the first read of a file
};

disk_hooks& hooks();

}  // namespace naru::testing
