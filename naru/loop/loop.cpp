#include <naru/loop/loop.hpp>

#include <naru/core/check.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <new>
#include <thread>
#include <utility>

namespace naru {

loop::loop(std::unique_ptr<naru::backend> completions)
    : backend_(std::move(completions)),
      timers_(clock::now()),
      precise_(clock::now(), limits::precise_resolution),
      now_(clock::now()) {
    (void)system_calls::forks_counted();  // from here on
    backend_->serves(*this);
}

loop::~loop() {
    while (callers_.load(std::memory_order_acquire) != 0)
        std::this_thread::yield();
    const auto finish = [this] {
        while (held_up_ != 0 || closes_.live() != 0) {
            finish_held_up();
            finish_closes();
        }
    };
    finish();
    // A posted task may own memory, or a handle that it closes: it gets its one call.
    for (unsigned round = 0; round < limits::posts_rounds_at_end; ++round) {
        take_posted();
        if (posts_.empty()) break;
        due_.append(posts_);
        while (posted* task = due_.pop())
            task->run(*task);
        while (!done_.empty())  // work that others have ended
            dispatch(limits::dispatch_budget);
        finish();
    }
    if (in_flight_ != 0)
        fatal(
            "bug: a loop ended before what is under way on it: operations that nobody waited for, or work of "
            "a worker_pool, which ends, or is shut down, before the loops that use it");
    NARU_ASSERT(batch_.empty() && done_.empty() && deferred_.empty());
}

void loop::finish_held_up() {
    const running_here scope(*this);
    while (held_up_ != 0) {
        begin_tick();
        end_tick(held_up_ == 0 ? instant::min() : never);
    }
}

// Without the posted tasks: one that closes a handle and posts itself again would go on for ever.
void loop::finish_closes() {
    const running_here scope(*this);
    while (closes_.live() != 0) {
        submit_and_dispatch();
        end_tick(closes_.live() == 0 ? instant::min() : never);
    }
}

void loop::run() {
    // Closes under way end here, not in the destructor: that may run on a thread the kernel does not accept
    // submissions from (io_uring_setup(2), IORING_SETUP_SINGLE_ISSUER).
    (void)run_until([] { return false; });
    const running_here scope(*this);
    const auto has_ended = [this] { return closes_.live() == 0 && held_up_ == 0; };
    while (!has_ended()) {
        begin_tick();
        end_tick(has_ended() ? instant::min() : never);
    }
    stopping_.store(false, std::memory_order_relaxed);
}

void loop::stop() noexcept {
    callers_.fetch_add(1, std::memory_order_relaxed);
    stopping_.store(true, std::memory_order_release);
    backend_->wake();
    callers_.fetch_sub(1, std::memory_order_release);
}

// Two threads in one loop end in lists that nobody can read. Said at once, where it is done.
void loop::must_run_here() const noexcept {
    if (!runs_elsewhere()) [[likely]]
        return;
    fatal(
        "an operation was submitted or cancelled outside the thread that runs its loop; hand it over with "
        "loop::post");
}

// All of a chain are in flight from here on.
void loop::count(operation& first) noexcept {
    for (operation* each = &first; each != nullptr; each = each->link) {
        NARU_ASSERT(each->state == operation_state::idle);
        each->state = operation_state::queued;
        ++in_flight_;
    }
}

void loop::submit(operation& op) noexcept {
    must_run_here();
    count(op);
    enqueue(op);
}

// What is not the backend's, or not yet.
void loop::divert(operation& op) noexcept {
    if (is_of_layer(op)) return give_to_layer(op);
    if (files_.take(op)) return;
    if (held_.wants(op)) {
        held_.take(op, *backend_, batch_, done_);
    } else {
        batch_.push(op);
    }
}

void loop::begin(operation& op, layer& by) noexcept {
    must_run_here();
    count(op);
    op.state = operation_state::pending;
    op.flags |= operation_flags::in_layer;
    op.through = &by;
}

void loop::finish(operation& op, std::int64_t result) noexcept {
    must_run_here();
    NARU_ASSERT((op.flags & operation_flags::in_layer) != 0 || is_of_layer(op));
    op.flags &= static_cast<std::uint8_t>(~operation_flags::in_layer);
    complete(op, result, done_);
}

void loop::cancel(operation& op) noexcept {
    must_run_here();
    switch (op.state) {
        case operation_state::queued:
            op.state = operation_state::canceling;  // the backend will see it in the batch
            return;
        case operation_state::pending:
            op.state = operation_state::canceling;
            if ((op.flags & operation_flags::in_layer) != 0) {
                op.through->cancel(op);
            } else if (is_of_layer(op)) {
                layer_of(op.target)->cancel(op);
            } else if (!held_.cancel(op, done_)) {
                backend_->cancel(op, done_);
            }
            return;
        case operation_state::idle:
        case operation_state::canceling:
        case operation_state::completed:
            return;
    }
}

void loop::give_to_layer(operation& op) noexcept {
    if (op.state == operation_state::canceling) return complete(op, outcome::canceled, done_);
    handle_layer* const before = layer_of(op.target);
    op.state = operation_state::pending;
    if (before == nullptr) return complete(op, outcome::from_errno(EBADF), done_);
    before->take(op);
}

result<handle> loop::put(handle_layer& before) noexcept {
    must_run_here();
    try {
        handle made = layers_.acquire();
        if (!made) return fail(errc::handle_limit);
        layers_.at(made.slot).before = &before;
        made.slot |= layer_slots;
        return made;
    } catch (const std::bad_alloc&) {
        return fail_errno(ENOMEM);
    }
}

void loop::remove(handle of_layer) noexcept {
    must_run_here();
    NARU_ASSERT(layer_of(of_layer) != nullptr);
    layers_.release(of_layer.slot & ~layer_slots);
}

handle_layer* loop::layer_of(handle of) noexcept {
    if (!names_layer(of)) return nullptr;
    of.slot &= ~layer_slots;
    const layer_record* const found = layers_.find(of);
    return found != nullptr ? found->before : nullptr;
}

result<void> loop::shutdown_send(handle of) noexcept {
    handle_layer* const before = layer_of(of);
    return before != nullptr ? before->shutdown_send() : backend_->shutdown_send(of);
}

void loop::reset_on_close(handle of) noexcept {
    if (handle_layer* const before = layer_of(of)) {
        before->reset_on_close();
    } else {
        backend_->reset_on_close(of);
    }
}

std::size_t loop::kept_for(handle of) noexcept {
    std::size_t layers = 0;
    while (handle_layer* const before = layer_of(of)) {
        layers += before->kept();
        of = before->beneath();
    }
    return layers + backend_->kept_for(of);
}

result<handle> loop::attach(int descriptor, descriptor_kind kind, ownership whose,
                            received_ahead&& ahead) noexcept {
    const auto attached = backend_->attach(descriptor, kind, whose);
    if (!attached) return attached;
    if (ahead.failed) backend_->mark_failed(*attached);
    if (ahead.bytes.empty() && ahead.connections.empty() && ahead.ended == 0) return attached;
    try {
        held_.hold(*attached, std::move(ahead));
    } catch (const std::bad_alloc&) {
        close(*attached);
        return fail_errno(ENOMEM);
    }
    return attached;
}

loop::detached_close::detached_close(loop& of) noexcept
    : close_operation([](operation& op) noexcept {
          auto& closed = static_cast<detached_close&>(op);
          closed.owner.closes_.destroy(closed);
      }),
      owner(of) {}

void loop::close(handle closing) noexcept {
    try {
        detached_close& op = closes_.make(*this);
        op.set(closing);
        submit(op);
    } catch (const std::bad_alloc&) {
        fatal("out of memory: a handle cannot be closed");
    }
}

void loop::begin_tick() {
    const unsigned here = system_calls::forks_counted();
    if (began_in_ != here) [[unlikely]] {
        if (began_in_ != none)
            fatal(
                "a loop was used in a child made by fork: what it waits for is its parent's; let the child "
                "exec or make its own");
        began_in_ = here;  // not when it is made: that may be on one side of a fork, and its run on the other
    }
    run_posted();
    run_deferred();
    submit_and_dispatch();
}

void loop::submit_and_dispatch() {
    unsigned budget = limits::dispatch_budget;
    for (unsigned round = 0; round < limits::rounds_per_tick && budget > 0; ++round) {
        if (!batch_.empty()) {
            operation_queue batch = std::move(batch_);
            backend_->submit(batch, done_);
        }
        if (done_.empty()) break;
        budget -= dispatch(budget);
        if (batch_.empty()) break;
    }
}

void loop::end_tick(instant limit) {
    if (held_.somebody_waits()) [[unlikely]]
        held_.serve(*backend_, batch_, done_);
    const bool busy = !batch_.empty() || !done_.empty() || !posts_.empty() || !deferred_.empty();
    if (precise_used_) limit = std::min(limit, precise_.next());
    if (buffers().is_warm()) limit = std::min(limit, buffers().cool(now_));
    backend_->wait(busy ? instant::min() : std::min(limit, timers_.next()), done_);
    now_ = clock::now();
    dispatch(limits::dispatch_budget);
    timers_.expire(now_);
    if (precise_used_) precise_.expire(now_);
}

instant loop::next_due() noexcept {
    const bool busy = !batch_.empty() || !done_.empty() || !posts_.empty() || !deferred_.empty() ||
                      incoming_.load(std::memory_order_acquire) != nullptr;
    if (busy) return instant::min();
    return precise_used_ ? std::min(precise_.next(), timers_.next()) : timers_.next();
}

unsigned loop::dispatch(unsigned budget) noexcept {
    unsigned dispatched = 0;
    while (dispatched < budget) {
        operation* op = done_.pop();
        if (op == nullptr) break;
        ++dispatched;
        --in_flight_;
        op->state = operation_state::idle;
        for (completion_watcher* each = watcher_; each != nullptr;) [[unlikely]]
            std::exchange(each, each->next_)->completed(*op);
        if (op->link != nullptr) follow(*op, *std::exchange(op->link, nullptr));
        op->on_complete(*op);
    }
    return dispatched;
}

void loop::end_watching(completion_watcher& by) noexcept {
    completion_watcher** place = &watcher_;
    while (*place != nullptr && *place != &by)
        place = &(*place)->next_;
    if (*place != nullptr) *place = by.next_;
}

// A member of a chain that the backend has not linked itself has ended: the next one's turn, or the end of
// all behind it.
void loop::follow(const operation& ended, operation& following) noexcept {
    if (succeeded(ended)) {
        enqueue(following);
        return;
    }
    for (operation* each = &following; each != nullptr;) {
        operation* const behind = std::exchange(each->link, nullptr);
        complete(*each, outcome::canceled, done_);
        each = behind;
    }
}

void loop::post(posted& task) noexcept {
    callers_.fetch_add(1, std::memory_order_relaxed);
    posted* newest = incoming_.load(std::memory_order_relaxed);
    do {
        task.next = newest;
    } while (!incoming_.compare_exchange_weak(newest, &task, std::memory_order_release,
                                              std::memory_order_relaxed));
    // Whoever found the list empty wakes the loop; the others' tasks are covered by the same wake.
    if (newest == nullptr) backend_->wake();
    callers_.fetch_sub(1, std::memory_order_release);
}

namespace {

struct posted_function : posted {
    explicit posted_function(std::move_only_function<void()> callable) noexcept
        : posted([](posted& self) noexcept {
              std::unique_ptr<posted_function> owned(static_cast<posted_function*>(&self));
              owned->call();
          }),
          call(std::move(callable)) {}
    std::move_only_function<void()> call;
};

}  // namespace

void loop::post(std::move_only_function<void()> task) { post(*new posted_function(std::move(task))); }

// What other threads have posted, behind what was taken over before.
void loop::take_posted() noexcept {
    // Looked at before it is taken: an exchange is dear, and most ticks find nothing.
    if (incoming_.load(std::memory_order_relaxed) == nullptr) return;
    if (posted* newest = incoming_.exchange(nullptr, std::memory_order_acquire)) {
        posted* oldest = nullptr;
        while (newest != nullptr) {  // reverse: oldest first
            posted* older = std::exchange(newest->next, oldest);
            oldest = newest;
            newest = older;
        }
        while (oldest != nullptr) {
            posted* next = oldest->next;
            posts_.push(*oldest);
            oldest = next;
        }
    }
}

void loop::run_deferred() noexcept {
    if (deferred_.empty()) return;
    due_.append(deferred_);
    while (posted* task = due_.pop())
        task->run(*task);
}

void loop::forget(posted& task) noexcept {
    NARU_ASSERT(!runs_elsewhere());
    take_posted();
    if (!deferred_.remove(task) && !due_.remove(task)) (void)posts_.remove(task);
}

void loop::run_posted() noexcept {
    take_posted();
    for (unsigned count = 0; count < limits::posts_per_tick; ++count) {
        posted* task = posts_.pop();
        if (task == nullptr) return;
        task->run(*task);
    }
}

}  // namespace naru
