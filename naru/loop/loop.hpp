// The loop: one per thread, sharing nothing. A tick submits what handlers asked for, waits, dispatches what
// completed, and expires deadlines.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/core/object_pool.hpp>
#include <naru/loop/backend.hpp>
#include <naru/loop/operation.hpp>
#include <naru/loop/timers.hpp>

#include <atomic>
#include <functional>
#include <memory>

namespace naru {

/// Something to run on another loop's thread. Owned by the poster until `run` is called.
struct posted {
    using function = void (*)(posted&) noexcept;
    explicit posted(function on_loop) noexcept : run(on_loop) {}
    posted(const posted&) = delete;
    posted& operator=(const posted&) = delete;

    posted* next = nullptr;
    function run;  ///< the loop's last touch
};

class worker_pool;
struct work_operation;

/// Not thread-safe except where said. All members but post, stop and the constructor belong to the thread
/// that calls run.
///
/// Order within a tick, and why: completions are dispatched before timers expire, so that data which arrived
/// in time wins against its own deadline; what handlers submit is taken at the start of the next round, so
/// nothing completes inside submit and no handler is called from within another.
class loop {
 public:
    explicit loop(std::unique_ptr<naru::backend> completions);
    /// No operation may be pending, except closes that nobody waits for: they are finished here. Waits for
    /// threads that are still inside post or stop: what they handed over may be what ended the loop.
    ///
    /// Every task posted before gets its one call, here if it had none yet; what such tasks post is run, too,
    /// for limits::posts_rounds_at_end rounds. After them no call is made any more, so that a task which
    /// posts itself again for ever does not hold the destructor up. Handles that tasks close here are closed;
    /// with io_uring only on the thread that called run.
    ~loop();
    loop(const loop&) = delete;
    loop& operator=(const loop&) = delete;

    /// Runs ticks until stop, and until the closes that nobody waits for have been made.
    void run();
    /// Runs ticks until `done()` is true, asked after each tick and before it would block.
    template <class Predicate>
    void run_until(Predicate done) {
        while (!done()) {
            begin_tick();
            end_tick(done() ? instant::min() : never);
        }
    }
    /// One tick that blocks no longer than `at_most`.
    void run_for_one_tick(duration at_most) {
        begin_tick();
        end_tick(saturating_add(clock::now(), at_most));
    }
    /// Ends run after the tick in progress; without one, the next run at once. Thread-safe.
    void stop() noexcept;

    /// Hands an idle operation over, and the chain that begins with it (operation::link). Handlers run in a
    /// later tick (or round), never inside this call.
    void submit(operation& op) noexcept;
    /// Asks an operation to end early; without effect on one that is idle or has completed already.
    void cancel(operation& op) noexcept;

    void arm(timer& each, instant deadline) noexcept { timers_.arm(each, deadline); }
    /// The same for a deadline that is near: to 1/32 of a millisecond, where the backend waits as exactly
    /// (io_uring; the others wait for whole milliseconds).
    void arm_precisely(timer& each, instant deadline) noexcept {
        if (deadline > saturating_add(now_, limits::precise_timers)) {
            arm(each, deadline);
        } else {
            precise_used_ = true;
            precise_.arm(each, deadline);
        }
    }
    void disarm(timer& each) noexcept { timers_.disarm(each); }

    /// The time of this tick: read once after the wait, good to about a millisecond.
    instant now() const noexcept { return now_; }

    /// Runs `task` on the loop's thread, in the order of posting. Thread-safe, never blocks, never allocates;
    /// `task` must stay alive until it has run. At most limits::posts_per_tick run in one tick.
    void post(posted& task) noexcept;
    /// The same for any callable. Allocates one node.
    void post(std::move_only_function<void()> task);

    /// Runs `task` in the next tick, from the loop's own thread: no wake, nothing shared. What tasks defer
    /// runs in the tick after, so that a task which defers itself again leaves the others their turn.
    void defer(posted& task) noexcept { deferred_.push(task); }

    /// Whether stop was called since run began, or since this was last asked. For naru::run.
    bool take_stop() noexcept {
        return stopping_.load(std::memory_order_relaxed) &&
               stopping_.exchange(false, std::memory_order_acq_rel);
    }

    /// Closes a handle without anybody waiting for it: what is in flight on it is cancelled and joined first.
    /// Allocates only when more closes are under way than ever before.
    void close(handle closing) noexcept;

    /// Takes a non-blocking descriptor into the loop; see backend::attach.
    result<handle> attach(int descriptor, descriptor_kind kind) noexcept {
        return backend_->attach(descriptor, kind);
    }
    int descriptor(handle of) noexcept { return backend_->descriptor(of); }
    /// For socket options, addresses and other calls of one's own; see borrowed_descriptor.
    borrowed_descriptor borrow(handle of) noexcept { return backend_->borrow(of); }
    /// A handle that an open_file operation will fill; closed like any other.
    result<handle> reserve_file() noexcept { return backend_->reserve_file(); }

    buffer_pool& buffers() noexcept { return backend_->buffers(); }
    naru::backend& backend() noexcept { return *backend_; }

    /// Operations submitted and not yet handed back.
    std::size_t in_flight() const noexcept { return in_flight_; }

 private:
    friend class worker_pool;
    friend struct work_operation;

    struct detached_close : operation {
        explicit detached_close(loop& of) noexcept;
        loop& owner;
    };

    /// Posted tasks, and what completes without waiting.
    void begin_tick();
    /// The latter alone.
    void submit_and_dispatch();
    /// The wait, which blocks no longer than `limit`, and what follows from it.
    void end_tick(instant limit);
    void take_posted() noexcept;
    void run_posted() noexcept;
    void run_deferred() noexcept;
    void finish_closes();
    unsigned dispatch(unsigned budget) noexcept;
    void follow(const operation& ended, operation& following) noexcept;
    /// For worker_pool: an operation that another part of the loop has finished, on the loop's thread.
    void finish(operation& op, std::int64_t result) noexcept { complete(op, result, done_); }

    std::unique_ptr<naru::backend> backend_;
    timer_wheel timers_;
    timer_wheel precise_;
    bool precise_used_ = false;
    operation_queue batch_;  // submitted in this tick
    operation_queue done_;   // completed, to be dispatched
    instant now_;
    std::size_t in_flight_ = 0;
    object_pool<detached_close> closes_;
    intrusive_queue<posted> posts_;           // taken over from incoming_, in order
    intrusive_queue<posted> deferred_;        // from this thread
    std::atomic<posted*> incoming_{nullptr};  // newest first
    std::atomic<bool> stopping_{false};
    std::atomic<unsigned> callers_{0};  // other threads inside post or stop
};

}  // namespace naru
