#include <naru/loop/worker_pool.hpp>

#include <naru/loop/environment.hpp>
#include <naru/loop/loop.hpp>

#include <cerrno>
#include <new>

namespace naru {

work_operation::delivery_post::delivery_post(work_operation& delivers) noexcept
    : posted([](posted& self) noexcept {
          auto& delivery = static_cast<delivery_post&>(self);
          delivery.work.submitter->finish(delivery.work, delivery.result);
      }),
      work(delivers) {}

worker_pool::worker_pool(unsigned threads, std::size_t queue_limit)
    : thread_count_(threads == 0 ? 1 : threads), queue_limit_(queue_limit) {}

worker_pool::~worker_pool() {
    shut_down();
    *self_ = nullptr;
}

void worker_pool::start_threads() {
    threads_.reserve(thread_count_);
    while (threads_.size() < thread_count_)
        threads_.push_back(environment::current().start_thread([this] { run_worker(); }));
}

void worker_pool::submit(loop& from, work_operation& work) noexcept {
    from.begin(work, canceller_);
    work.pool.store(this, std::memory_order_relaxed);  // read elsewhere only by who got it through the mutex
    work.submitter = &from;
    work.exception = nullptr;

    environment* const world = environment::other_than_the_systems();
    std::int64_t refused = 0;
    {
        const std::lock_guard lock(mutex_);
        if (ending_) {
            refused = outcome::canceled;
        } else if (queued_ >= queue_limit_) {
            refused = outcome::from_errno(EAGAIN);
        } else {
            if (threads_.empty()) {
                try {
                    if (world == nullptr || !begin_aside(*world)) start_threads();
                } catch (const std::bad_alloc&) {
                    if (threads_.empty()) refused = outcome::from_errno(ENOMEM);
                } catch (const std::system_error&) {
                    // Some threads are enough; none at all is a refusal.
                    if (threads_.empty()) refused = outcome::from_errno(EAGAIN);
                }
            }
            if (refused == 0) {
                queue_.push(work);
                ++queued_;
            }
        }
    }
    if (refused != 0) {
        deliver(work, refused);
    } else {
        wake_.notify_one();
    }
}

// Called once for each submission, by who has taken it out of the queue (or never put it in), and without the
// mutex: a cancel may need it. The pool's destructor returns when all deliveries have been made; each waits
// until a cancel under way has put the pool back. That store is the release to this acquire, so what the
// cancel did to the pool is over before the pool is.
void worker_pool::deliver(work_operation& work, std::int64_t result) noexcept {
    while (work.pool.exchange(nullptr, std::memory_order_acquire) == nullptr)
        std::this_thread::yield();
    work.delivery.result = result;
    work.submitter->post(work.delivery);
}

constinit worker_pool::cancels worker_pool::canceller_;

void worker_pool::cancels::cancel(operation& op) noexcept {
    auto& work = static_cast<work_operation&>(op);
    worker_pool* const from = work.pool.exchange(nullptr, std::memory_order_relaxed);
    if (from == nullptr) return;  // delivered: it ends on its loop, and its pool may be gone
    bool removed = false;
    {
        const std::lock_guard lock(from->mutex_);
        removed = from->queue_.remove(work);
        if (removed) --from->queued_;
    }
    work.pool.store(from, std::memory_order_release);
    if (removed) deliver(work, outcome::canceled);  // else a worker has it: what is under way stands
}

void worker_pool::run_worker() noexcept {
    while (true) {
        work_operation* work = nullptr;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
            if (ending_) return;
            work = static_cast<work_operation*>(queue_.pop());
            --queued_;
        }
        run(*work);
    }
}

void worker_pool::run(work_operation& work) noexcept {
    std::int64_t result = 0;
    try {
        work.run(work);
    } catch (...) {
        work.exception = std::current_exception();
        result = outcome::from_errno(EFAULT);
    }
    deliver(work, result);
}

// One more at work, if there may be. False if the environment leaves that to threads.
bool worker_pool::begin_aside(environment& world) {
    if (aside_ >= thread_count_) return true;
    std::move_only_function<void()> turn = [&world, self = self_] {
        if (*self != nullptr) (*self)->run_aside(world);
    };
    if (!world.run_aside(turn)) return false;
    ++aside_;
    return true;
}

void worker_pool::run_aside(environment& world) {
    work_operation* work = nullptr;
    {
        const std::lock_guard lock(mutex_);
        --aside_;
        work = static_cast<work_operation*>(queue_.pop());
        if (work == nullptr) return;
        --queued_;
        if (!queue_.empty()) begin_aside(world);
    }
    run(*work);
}

void worker_pool::shut_down() noexcept {
    operation_queue left;
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        left.append(queue_);
        queued_ = 0;
        threads.swap(threads_);
    }
    wake_.notify_all();
    while (operation* op = left.pop())
        deliver(static_cast<work_operation&>(*op), outcome::canceled);
    for (std::thread& each : threads)
        each.join();
}

}  // namespace naru
