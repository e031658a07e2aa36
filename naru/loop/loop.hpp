// The loop: one per thread, sharing nothing. A tick submits what handlers asked for, waits, dispatches what
// completed, and expires deadlines.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/object_pool.hpp>
#include <naru/core/slot_table.hpp>
#include <naru/loop/backend.hpp>
#include <naru/loop/file_work.hpp>
#include <naru/loop/held_input.hpp>
#include <naru/loop/layer.hpp>
#include <naru/loop/operation.hpp>
#include <naru/loop/posted.hpp>
#include <naru/loop/timers.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

namespace naru {

/// Sees operations end: for what counts or times them.
class completion_watcher {
 public:
    /// `op` has its result. Must neither begin nor end any.
    virtual void completed(const operation& op) noexcept = 0;

 protected:
    completion_watcher() noexcept = default;
    virtual ~completion_watcher() = default;
    completion_watcher(const completion_watcher&) = default;
    completion_watcher& operator=(const completion_watcher&) = default;

 private:
    friend class loop;
    completion_watcher* next_ = nullptr;
};

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
    /// Runs ticks until `done()` is true, asked after each tick and before it would block, or until stop.
    /// False if it was stopped before `done()` was true.
    template <class Predicate>
    bool run_until(Predicate done) {
        const running_here scope(*this);
        bool reached = done();
        while (!reached && !stop_requested()) {
            begin_tick();
            reached = done();
            end_tick(reached || stop_requested() ? instant::min() : never);
            reached = reached || done();
        }
        stopping_.store(false, std::memory_order_relaxed);
        return reached;
    }
    /// One tick that blocks no longer than `at_most`.
    template <class Rep, class Period>
    void run_for_one_tick(std::chrono::duration<Rep, Period> at_most) {
        const running_here scope(*this);
        begin_tick();
        end_tick(saturating_add(clock::now(), at_most));
    }
    /// Ends run or run_until after the tick in progress; without one, the next of them at once. It counts for
    /// one of them, and several calls before that one's end count as one. What naru::run(loop, task) does is
    /// said there. Thread-safe.
    void stop() noexcept;
    /// For who runs a loop by single ticks: whether stop was called. It has counted for this call then.
    bool take_stop() noexcept { return stopping_.exchange(false, std::memory_order_acq_rel); }

    /// Hands an idle operation over, and the chain that begins with it (operation::link). Handlers run in a
    /// later tick (or round), never inside this call. Another thread than the one that runs the loop has
    /// `post`: here, and in cancel, it ends the program with a sentence.
    void submit(operation& op) noexcept;
    /// Asks an operation to end early; without effect on one that is idle or has completed already.
    void cancel(operation& op) noexcept;

    /// Of layers, for an idle operation: it is pending from here on, and `by` completes it. Nobody else is
    /// asked; what is linked behind it is submitted when it has succeeded.
    void begin(operation& op, layer& by) noexcept;
    /// Hands back an operation that was begun like this, canceled or not. Its handler runs in a later round
    /// or tick, never inside this call. On the loop's thread.
    void finish(operation& op, std::int64_t result) noexcept;

    /// A handle for a layer that stands where a socket stands (handle_layer). Errors: handle_limit, ENOMEM.
    [[nodiscard]] result<handle> put(handle_layer& before) noexcept;
    /// Of that layer: the handle is gone.
    void remove(handle of_layer) noexcept;
    /// The layer behind a handle; nullptr if it is a backend's, or gone.
    handle_layer* layer_of(handle of) noexcept;
    /// Whether it is a layer's, or was; of any loop.
    static constexpr bool names_layer(handle of) noexcept { return (of.slot & layer_slots) != 0; }
    /// Its place among the handles of its kind, layers' or others: small numbers, which are used again.
    static constexpr std::uint32_t place_of(handle of) noexcept { return of.slot & ~layer_slots; }

    template <class Duration>
    void arm(timer& each, std::chrono::time_point<std::chrono::steady_clock, Duration> deadline) noexcept {
        NARU_ASSERT(!runs_elsewhere());
        timers_.arm(each, saturate(deadline));
    }
    /// The same for a deadline that is near: to 1/32 of a millisecond, where the backend waits as exactly
    /// (io_uring; the others wait for whole milliseconds).
    void arm_precisely(timer& each, instant deadline) noexcept {
        if (deadline > saturating_add(now_, limits::precise_timers)) {
            arm(each, deadline);
        } else {
            NARU_ASSERT(!runs_elsewhere());
            precise_used_ = true;
            precise_.arm(each, deadline);
        }
    }
    void disarm(timer& each) noexcept {
        NARU_ASSERT(!runs_elsewhere());
        timers_.disarm(each);
    }

    /// The time of this tick: read once after the wait, and where a run begins; good to about a millisecond.
    instant now() const noexcept { return now_; }

    /// Runs `task` on the loop's thread, in the order of posting. Thread-safe, never blocks, never allocates;
    /// `task` must stay alive until it has run. At most limits::posts_per_tick run in one tick.
    void post(posted& task) noexcept;
    /// The same for any callable. Allocates one node.
    void post(std::move_only_function<void()> task);

    /// Runs `task` in the next tick, from the loop's own thread: no wake, nothing shared. What tasks defer
    /// runs in the tick after, so that a task which defers itself again leaves the others their turn.
    void defer(posted& task) noexcept { deferred_.push(task); }

    /// Takes a task back that was posted or deferred and has not been run: for an owner who ends before it.
    /// Looks through all that wait. Without effect on one that does not. On the loop's thread, or on any
    /// while none runs it.
    void forget(posted& task) noexcept;

    /// Closes a handle without anybody waiting for it: what is in flight on it is cancelled and joined first.
    /// Allocates only when more closes are under way than ever before. Without the memory for that the
    /// program ends with a sentence: nobody is there to be told, and a descriptor that stays open is no
    /// answer.
    void close(handle closing) noexcept;

    /// Takes a descriptor into the loop; see backend::attach.
    [[nodiscard]] result<handle> attach(int descriptor, descriptor_kind kind,
                                        ownership whose = ownership::shared) noexcept {
        return backend_->attach(descriptor, kind, whose);
    }
    /// Sockets of this loop's world, and what there is to ask and to change of them; see backend.
    result<handle> open_listener(const address& where, const listen_options& options) noexcept {
        return backend_->open_listener(where, options);
    }
    result<handle> open_stream(const address& peer, const stream_options& options) noexcept {
        return backend_->open_stream(peer, options);
    }
    result<handle> open_datagram(const address& where, const udp_options& options) noexcept {
        return backend_->open_datagram(where, options);
    }
    result<address> local_address(handle of) noexcept { return backend_->local_address(socket_of(of)); }
    result<address> peer_address(handle of) noexcept { return backend_->peer_address(socket_of(of)); }
    result<void> shutdown_send(handle of) noexcept;
    void reset_on_close(handle of) noexcept;
    std::uint64_t unacknowledged(handle of) noexcept { return backend_->unacknowledged(socket_of(of)); }
    peer_end end_of_peer(handle of) noexcept { return backend_->end_of_peer(socket_of(of)); }
    void refuse_connections(handle of) noexcept { backend_->refuse_connections(of); }
    bool has_connection_waiting(handle of) noexcept { return backend_->has_connection_waiting(of); }
    result<void> set_option(handle of, socket_option which, int value) noexcept {
        return backend_->set_option(socket_of(of), which, value);
    }
    result<int> option(handle of, socket_option which) noexcept {
        return backend_->option(socket_of(of), which);
    }
    /// See backend::kept_for; what a layer keeps counts, too.
    std::size_t kept_for(handle of) noexcept;

    /// The same with what another loop had received on it ahead (`release`): reads and accepts are served
    /// from that first. Without the memory for it the descriptor is closed, and the error is ENOMEM.
    [[nodiscard]] result<handle> attach(int descriptor, descriptor_kind kind, ownership whose,
                                        received_ahead&& ahead) noexcept;
    /// See backend::descriptor; `borrow` has one for direct descriptors, too.
    int descriptor(handle of) noexcept { return backend_->descriptor(socket_of(of)); }
    /// For socket options, addresses and other calls of one's own; see borrowed_descriptor.
    borrowed_descriptor borrow(handle of) noexcept { return backend_->borrow(socket_of(of)); }
    /// A handle that an open_file operation will fill; closed like any other.
    result<handle> reserve_file() noexcept { return backend_->reserve_file(); }

    buffer_pool& buffers() noexcept { return backend_->buffers(); }
    /// Whether a pending operation waits for a pool buffer, and not for its peer.
    bool waits_for_buffer(const operation& op) noexcept {
        if (held_.holds_up(op)) return true;
        if (op.kind == operation_kind::buffer) return false;
        handle_layer* const before = layer_of(op.target);
        return before != nullptr ? before->waits_for_buffer() : backend_->waits_for_buffer(op.target);
    }
    naru::backend& backend() noexcept { return *backend_; }

    /// `by` is told of every operation that ends, before its handler is, until end_watching, which it may
    /// call itself from there. Borrowed. Once at a time.
    void watch_completions(completion_watcher& by) noexcept { by.next_ = std::exchange(watcher_, &by); }
    void end_watching(completion_watcher& by) noexcept;

    /// Of who goes on by himself until he has ended, and nobody waits for that: as often as let_end has not
    /// been called for it, run does not return, nor does the destructor, in which ticks go on until then.
    void hold_up_end() noexcept { ++held_up_; }
    void let_end() noexcept { --held_up_; }

    /// When a tick would do something that no completion calls for; an instant in the past: at once. For
    /// who decides which of several loops has its turn.
    instant next_due() noexcept;

    /// Whether a tick is under way, or a function that makes ticks.
    bool is_running() const noexcept { return runs_on_.load(std::memory_order_relaxed) != std::thread::id(); }

    /// Whether it is under way on another thread. Any thread.
    bool runs_elsewhere() const noexcept {
        const std::thread::id where = runs_on_.load(std::memory_order_relaxed);
        return where != std::this_thread::get_id() && where != std::thread::id();
    }

    /// Operations submitted and not yet handed back.
    std::size_t in_flight() const noexcept { return in_flight_ - files_.jobs(); }

 private:
    friend class file_work;

    // While it exists the loop belongs to this thread, whatever thread made it or ran it before.
    struct running_here {
        explicit running_here(loop& on) noexcept
            : of(on), before(on.runs_on_.exchange(std::this_thread::get_id(), std::memory_order_relaxed)) {
            on.now_ = clock::now();  // it may not have run for long: no deadline is counted from then
        }
        ~running_here() { of.runs_on_.store(before, std::memory_order_relaxed); }
        running_here(const running_here&) = delete;
        running_here& operator=(const running_here&) = delete;
        loop& of;
        std::thread::id before;
    };
    void must_run_here() const noexcept;

    struct detached_close : close_operation {
        explicit detached_close(loop& of) noexcept;
        loop& owner;
    };

    void count(operation& first) noexcept;
    void enqueue(operation& op) noexcept {
        if (may_be_the_loops(op.kind) || names_layer(op.target) || held_.holds() || files_.busy())
            [[unlikely]]
            divert(op);
        else
            batch_.push(op);
    }
    void divert(operation& op) noexcept;
    void give_to_layer(operation& op) noexcept;

    // Backends give out slots far below.
    static constexpr std::uint32_t layer_slots = 1u << 31;
    /// Not so for those that name no handle.
    static bool is_of_layer(const operation& op) noexcept {
        return op.kind != operation_kind::buffer && op.kind != operation_kind::work && names_layer(op.target);
    }
    struct layer_record {
        std::uint32_t generation = 0;
        std::uint32_t next_free = 0;
        handle_layer* before = nullptr;
    };
    handle socket_of(handle of) noexcept {
        while (handle_layer* const before = layer_of(of))
            of = before->beneath();
        return of;
    }
    /// Posted tasks, and what completes without waiting.
    void begin_tick();
    /// The latter alone.
    void submit_and_dispatch();
    /// The wait, which blocks no longer than `limit`, and what follows from it.
    void end_tick(instant limit);
    bool stop_requested() const noexcept { return stopping_.load(std::memory_order_acquire); }
    void take_posted() noexcept;
    void run_posted() noexcept;
    void run_deferred() noexcept;
    void finish_held_up();
    void finish_closes();
    unsigned dispatch(unsigned budget) noexcept;
    void follow(const operation& ended, operation& following) noexcept;
    static constexpr unsigned none = ~0u;

    std::unique_ptr<naru::backend> backend_;
    completion_watcher* watcher_ = nullptr;  // the first of them
    timer_wheel timers_;
    timer_wheel precise_;
    bool precise_used_ = false;
    operation_queue batch_;  // submitted in this tick
    operation_queue done_;   // completed, to be dispatched
    held_input held_;
    slot_table<layer_record> layers_{limits::handles};
    file_work files_{*this};
    instant now_;
    std::size_t in_flight_ = 0;
    std::size_t held_up_ = 0;
    std::atomic<std::thread::id> runs_on_{std::thread::id()};  // none while nobody runs it
    unsigned began_in_ = none;  // system_calls::forks_counted at its first tick
    object_pool<detached_close> closes_;
    intrusive_queue<posted> posts_;           // taken over from incoming_, in order
    intrusive_queue<posted> deferred_;        // from this thread
    intrusive_queue<posted> due_;             // of either, what is being run
    std::atomic<posted*> incoming_{nullptr};  // newest first
    std::atomic<bool> stopping_{false};
    std::atomic<unsigned> callers_{0};  // other threads inside post or stop
};

}  // namespace naru
