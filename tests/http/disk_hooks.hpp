// A disk under the test's control: the system calls of directory_root and read_whole go through here first
// (the linker's --wrap). Names with "cold" in them are never in memory, and wait at a gate that the test
// closes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <ctime>
#include <functional>
#include <mutex>
#include <utility>

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

    /// To be called once, behind the next read of a file that gets something.
    void during_next_read(std::function<void()> call) {
        const std::lock_guard lock(mutex_);
        during_read_ = std::move(call);
    }
    void has_read() {
        std::function<void()> call;
        {
            const std::lock_guard lock(mutex_);
            call = std::exchange(during_read_, nullptr);
        }
        if (call) call();
    }

 private:
    std::mutex mutex_;
    std::function<void()> during_read_;
};

disk_hooks& hooks();

}  // namespace naru::testing
