// Wake-ups from threads that the system stops in the middle of one.
#include "support/conformance.hpp"

#include <naru/os/windows_api.hpp>

#include <array>
#include <atomic>
#include <thread>

namespace naru::testing {
namespace {

class Wakes : public conformance {};
NARU_ON_EVERY_BACKEND(Wakes);

/// A thread that posts a task whenever it is told to.
class poster {
 public:
    explicit poster(naru::loop& to) : task_(*this), loop_(to), thread_([this] { run(); }) {
        while (native_ == nullptr)
            std::this_thread::yield();
    }
    ~poster() {
        ending_ = true;
        thread_.join();
        CloseHandle(native_);
    }
    void tell() { told_ = true; }
    int tasks_run() const { return task_.runs; }
    HANDLE native() const { return native_; }

 private:
    struct counted : posted {
        explicit counted(poster& of)
            : posted([](posted& self) noexcept { ++static_cast<counted&>(self).runs; }), owner(of) {}
        poster& owner;
        int runs = 0;
    };

    void run() {
        native_ = OpenThread(THREAD_SUSPEND_RESUME, FALSE, GetCurrentThreadId());
        while (!ending_) {
            if (told_.exchange(false)) loop_.post(task_);
            std::this_thread::yield();
        }
    }

    counted task_;
    naru::loop& loop_;
    std::atomic<bool> told_{false};
    std::atomic<bool> ending_{false};
    std::atomic<HANDLE> native_{nullptr};
    std::thread thread_;
};

/// Stops a thread for a moment again and again, wherever it is, as a busy machine does it.
class disturbance {
 public:
    explicit disturbance(HANDLE stopped) : thread_([this, stopped] { run(stopped); }) {}
    ~disturbance() {
        ending_ = true;
        thread_.join();
    }

 private:
    void run(HANDLE stopped) {
        for (unsigned random = 1; !ending_; random = random * 1103515245 + 12345) {
            SuspendThread(stopped);
            Sleep(1);
            ResumeThread(stopped);
            for (std::atomic<unsigned> spins{0}; spins < (random >> 16) % 20000;)
                ++spins;
        }
    }

    std::atomic<bool> ending_{false};
    std::thread thread_;
};

// Two threads post in turns, each when the other's task has run. Nothing but the wake-up ends a wait.
TEST_P(Wakes, AThreadStoppedInItsWakeUpDoesNotCostAnothersOne) {
    constexpr int rounds = 200;
    bystander watch(loop());
    std::array<poster, 2> posters{poster(loop()), poster(loop())};
    const disturbance stops(posters[0].native());
    for (int turn = 0; turn < 2 * rounds; ++turn) {
        poster& each = posters[turn % 2];
        const int before = each.tasks_run();
        const auto has_run = [&] { return each.tasks_run() > before; };
        watch.progress();
        each.tell();
        loop().run_until([&] { return has_run() || watch.gave_up(); });
        if (has_run()) continue;
        ADD_FAILURE() << "nothing woke the loop in turn " << turn;
        run_until(has_run);  // it comes round by itself now
        break;
    }
}

}  // namespace
}  // namespace naru::testing
