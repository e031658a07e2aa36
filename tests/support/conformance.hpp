// The fixture of the conformance tests: a loop on the backend under test, and the checks that hold after
// every test: no operation in flight, no descriptor and no buffer left behind.
#pragma once

#include "support/backends.hpp"
#include "support/sockets.hpp"
#include "support/tracked.hpp"

#include <naru/naru.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace naru::testing {

using namespace std::chrono_literals;

/// Makes the loop come round every few milliseconds, for conditions that it does not know of.
struct metronome : timer {
    explicit metronome(loop& on)
        : timer([](timer& self) noexcept { static_cast<metronome&>(self).start(); }), owner(on) {
        start();
    }
    ~metronome() { owner.disarm(*this); }
    void start() noexcept { owner.arm(*this, clock::now() + 3ms); }
    loop& owner;
};

/// Runs ticks until `done()`; false, and a failed test, after `limit`.
template <class Predicate>
bool run_until(loop& on, Predicate done, duration limit = 40s) {
    const instant end = clock::now() + limit;
    const metronome beat(on);
    bool reached = false;
    on.run_until([&] {
        reached = reached || done();
        return reached || clock::now() > end;
    });
    if (!reached) ADD_FAILURE() << "the condition did not become true";
    return reached;
}

/// Notices from outside that a loop has waited in vain, and wakes it then: for tests of what must end a wait.
/// (A timer would end it now and then by itself.)
class bystander {
 public:
    explicit bystander(loop& of) : loop_(of), thread_([this] { look(); }) {}
    ~bystander() {
        {
            const std::lock_guard lock(mutex_);
            over_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }
    void progress() noexcept { ++steps_; }
    bool gave_up() const noexcept { return gave_up_; }

 private:
    void look() {
        std::unique_lock lock(mutex_);
        unsigned before = steps_;
        while (!changed_.wait_for(lock, 20s, [this] { return over_; })) {
            if (steps_ == before) {
                gave_up_ = true;
                loop_.backend().wake();
            }
            before = steps_;
        }
    }

    loop& loop_;
    std::atomic<unsigned> steps_{0};
    std::atomic<bool> gave_up_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false;
    std::thread thread_;
};

/// naru::run with a limit. A coroutine that does not end cannot be taken apart: the program ends.
template <class T>
T run_task(loop& on, task<T> main) {
    started_task<T> running(on, std::move(main));
    if (!run_until(on, [&] { return running.ended(); }, 60s)) {
        std::fprintf(stderr, "a coroutine did not end\n");
        std::abort();
    }
    return running.take();
}
/// The same for any other awaitable.
template <class Awaitable>
auto run_task(loop& on, Awaitable awaited) {
    return run_task(on, naru::detail::foreign<Awaitable>(std::move(awaited)));
}

/// Coroutines beside a test that is no coroutine itself. They must have ended before it does.
class background {
 public:
    explicit background(loop& on)
        : root_(on), group_(naru::detail::group_access::key(), root_.scope(), nullptr, nullptr) {}

    template <class... Arguments>
    void spawn(Arguments&&... arguments) {
        group_.spawn(std::forward<Arguments>(arguments)...);
    }
    void stop() noexcept { root_.scope().stop(); }
    std::size_t running() const noexcept { return group_.running(); }

 private:
    naru::detail::root root_;
    task_group group_;
};

class conformance : public ::testing::TestWithParam<backend_variant> {
 protected:
    void SetUp() override {
        if (GetParam().world) world_ = GetParam().world(1);
        descriptors_before_ = open_descriptors();
        backend_choice choice = GetParam().make();
        if (choice.backend == nullptr) GTEST_SKIP() << GetParam().name << ": " << choice.reason;
        loop_ = std::make_unique<naru::loop>(std::move(choice.backend));
        leased_before_ = loop_->buffers().leased();
    }

    void TearDown() override {
        if (loop_ == nullptr) {
            world_.reset();
            return;
        }
        settle();
        EXPECT_TRUE(all_buffers_back()) << loop_->buffers().leased() << " of " << loop_->buffers().capacity();
        loop_.reset();
        EXPECT_EQ(open_descriptors(), descriptors_before_);
        world_.reset();
    }

    naru::loop& loop() { return *loop_; }

    template <std::predicate Predicate>
    bool run_until(Predicate done, duration limit = 40s) {
        return testing::run_until(*loop_, done, limit);
    }
    /// Until the operation has completed, at least once.
    template <std::derived_from<operation> Tracked>
    bool run_until(const Tracked& op) {
        return run_until([&op] { return op.done(); });
    }
    void ticks(int count) {
        for (int each = 0; each < count; ++each)
            loop_->run_for_one_tick(0ms);
    }
    /// Until nothing is in flight.
    void settle() {
        run_until([this] { return loop_->in_flight() == 0; });
        ticks(2);
    }

    /// A socket that the test has made itself. What comes from outside: ownership::shared.
    handle adopt(unique_descriptor& socket, descriptor_kind kind = descriptor_kind::stream,
                 ownership whose = ownership::own) {
        return loop_->attach(socket.release(), kind, whose).value();
    }
    tcp_stream stream_of(unique_descriptor& socket) { return tcp_stream(*loop_, adopt(socket)); }

    bool on_uring() const { return is_uring(GetParam()); }

    /// Whether only what the kernel holds is leased: a ring of buffers starts with what it had at first, and
    /// doubles when it has run short.
    bool all_buffers_back() const {
        const std::size_t leased = loop_->buffers().leased();
        for (std::size_t lent = leased_before_; lent < loop_->buffers().capacity() && lent > 0; lent *= 2) {
            if (leased == lent) return true;
        }
        return leased == leased_before_ || (leased_before_ > 0 && leased == loop_->buffers().capacity());
    }

    bool on_sim() const { return is_sim(GetParam()); }

    std::unique_ptr<sim::world> world_;  // on_sim: what the loop is in
    std::unique_ptr<naru::loop> loop_;

 private:
    std::size_t descriptors_before_ = 0;
    std::size_t leased_before_ = 0;
};

}  // namespace naru::testing
