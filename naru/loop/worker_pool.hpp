// A pool of threads for work that blocks (file system, user code). A piece of work completes as an ordinary
// operation of the loop that submitted it.
#pragma once

#include <naru/core/intrusive.hpp>
#include <naru/loop/layer.hpp>
#include <naru/loop/operation.hpp>
#include <naru/loop/posted.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace naru {

class environment;
class loop;
class worker_pool;

/// Blocking work as an operation: `run` is called on a worker thread, `on_complete` on the loop's.
/// Result: 0; ECANCELED if cancelled before a worker took it; EAGAIN if the pool's queue was full or it can
/// have no thread, ENOMEM if it can have none for want of memory. What is linked behind it begins when it has
/// succeeded.
struct work_operation : operation {
    using function = void (*)(work_operation&);
    work_operation(function on_worker, handler on_completion) noexcept
        : operation(operation_kind::work, on_completion), run(on_worker) {}

    function run;
    std::exception_ptr exception;  ///< what `run` threw, if it did; the result is then EFAULT

    // The pool's part: how the result travels back to the submitting loop.
    struct delivery_post : posted {
        explicit delivery_post(work_operation& delivers) noexcept;
        work_operation& work;
        std::int64_t result = 0;
    };
    // Null as soon as the end is decided: the pool may be gone before its delivery has come to the loop.
    // Whoever uses the pool takes it out of here meanwhile, so that no delivery, and with it no end of the
    // pool, overtakes a cancel.
    std::atomic<worker_pool*> pool{nullptr};
    loop* submitter = nullptr;
    delivery_post delivery{*this};
};

/// Threads start with the first submit, unless the environment has places of its own for what blocks (a
/// simulated world). Thread-safe: several loops may share one pool. The pool must be
/// destroyed before the loops that used it; its destructor lets running work finish, cancels what is queued,
/// and waits for the threads. Operations whose ends have not come to their loops by then may still be
/// cancelled there, to no effect.
class worker_pool {
 public:
    explicit worker_pool(unsigned threads, std::size_t queue_limit = 1024);
    ~worker_pool();
    worker_pool(const worker_pool&) = delete;
    worker_pool& operator=(const worker_pool&) = delete;

    /// Call on the loop's thread. Never blocks.
    void submit(loop& from, work_operation& work) noexcept;

    /// What the destructor does, at a moment of the owner's choosing. Work submitted later ends at once.
    void shut_down() noexcept;

 private:
    struct cancels final : layer {
        void cancel(operation& op) noexcept override;
    };
    static cancels canceller_;  // no pool's: an operation may outlive the pool that has ended it
    void run_worker() noexcept;
    void run(work_operation& work) noexcept;
    bool begin_aside(environment& world);
    void run_aside(environment& world);
    void start_threads();
    static void deliver(work_operation& work, std::int64_t result) noexcept;

    const unsigned thread_count_;
    const std::size_t queue_limit_;
    std::mutex mutex_;
    std::condition_variable wake_;
    operation_queue queue_;
    std::size_t queued_ = 0;
    bool ending_ = false;
    std::vector<std::thread> threads_;
    // Where the environment runs what blocks, there are no threads, but so many at work at a time.
    unsigned aside_ = 0;
    std::shared_ptr<worker_pool*> self_ = std::make_shared<worker_pool*>(this);
};

}  // namespace naru
