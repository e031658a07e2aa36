// The test programs' main on Windows: a test that hangs is named and ends the program.
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

namespace {

constexpr auto time_per_test = std::chrono::minutes(1);

class watchdog : public testing::EmptyTestEventListener {
 public:
    watchdog() : watcher_([this] { watch(); }) {}
    ~watchdog() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_one();
        watcher_.join();
    }

 private:
    void OnTestStart(const testing::TestInfo& test) override {
        const std::lock_guard lock(mutex_);
        running_ = std::string(test.test_suite_name()) + "." + test.name();
        ++number_;
        changed_.notify_one();
    }
    void OnTestEnd(const testing::TestInfo&) override {
        const std::lock_guard lock(mutex_);
        running_.clear();
        ++number_;
        changed_.notify_one();
    }
    void watch() {
        std::unique_lock lock(mutex_);
        while (!ending_) {
            const unsigned watched = number_;
            const bool passed =
                changed_.wait_for(lock, time_per_test, [&] { return ending_ || number_ != watched; });
            if (passed || running_.empty()) continue;
            std::fprintf(stderr, "\nstill running after a minute: %s\n", running_.c_str());
            std::fflush(stderr);
            std::_Exit(124);
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::string running_;
    unsigned number_ = 0;
    bool ending_ = false;
    std::thread watcher_;
};

}  // namespace

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    testing::UnitTest::GetInstance()->listeners().Append(new watchdog);
    return RUN_ALL_TESTS();
}
