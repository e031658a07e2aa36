// Work that blocks, on a thread of a pool, awaited like anything else.
#pragma once

#include <naru/coro/ending.hpp>
#include <naru/coro/task.hpp>
#include <naru/loop/worker_pool.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace naru {

namespace detail {

template <class Callable>
struct job_traits {
    using returned = std::invoke_result_t<Callable&>;
    using value_type = as_result<returned>;
};

/// What the worker runs, and what came of it.
template <class Callable>
struct job {
    using returned = typename job_traits<Callable>::returned;
    using value_type = typename job_traits<Callable>::value_type;

    explicit job(Callable&& made) : callable(std::move(made)) {}

    void run() noexcept {
        try {
            if constexpr (std::is_void_v<returned>) {
                std::invoke(callable);
                ended.set();
            } else {
                ended.set(std::invoke(callable));
            }
        } catch (...) {
            ended.set_exception(std::current_exception());
        }
    }
    value_type take(std::int64_t outcome_of_work) {
        if (outcome_of_work < 0) return fail(outcome::to_error(outcome_of_work));
        if constexpr (std::is_void_v<returned>) {
            ended.take();
            return {};
        } else {
            return ended.take();
        }
    }

    Callable callable;
    ending<returned> ended;
};

template <class Callable>
class [[nodiscard]] offload_request : public request<offload_request<Callable>> {
 public:
    offload_request(worker_pool& pool, Callable&& callable) : pool_(&pool), callable_(std::move(callable)) {}

    class awaiter : public begins<awaiter>, private work_operation, private stop_entry {
     public:
        explicit awaiter(offload_request&& of)
            : work_operation(&awaiter::work, &awaiter::completed),
              stop_entry(&awaiter::stop),
              pool_(of.pool_),
              job_(std::move(of.callable_)) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() const noexcept { return false; }
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            waiting_ = waiting;
            loop_ = &loop_of(in);
            pool_->submit(*loop_, *this);
            in.add(*this);
        }
        [[nodiscard]] typename job<Callable>::value_type await_resume() {
            return job_.take(operation::result);
        }

     private:
        static void work(work_operation& self) { static_cast<awaiter&>(self).job_.run(); }
        static void completed(operation& op) noexcept {
            auto& self = static_cast<awaiter&>(static_cast<work_operation&>(op));
            if (self.stop_entry::linked()) self.stop_entry::unlink();
            self.waiting_.resume();
        }
        static void stop(stop_entry& entry) noexcept {
            auto& self = static_cast<awaiter&>(entry);
            self.loop_->cancel(self);
        }

        worker_pool* pool_;
        loop* loop_ = nullptr;
        std::coroutine_handle<> waiting_;
        job<Callable> job_;
    };

 private:
    worker_pool* pool_;
    Callable callable_;
};

template <class Callable>
class [[nodiscard]] offload_detached_request : public request<offload_detached_request<Callable>> {
 public:
    offload_detached_request(worker_pool& pool, Callable&& callable)
        : pool_(&pool), callable_(std::move(callable)) {}

    class awaiter;

 private:
    /// Lives by itself until the worker and the loop are done with it.
    struct work : work_operation {
        explicit work(Callable&& callable)
            : work_operation(
                  [](work_operation& self) { static_cast<work&>(self).what.run(); },
                  [](operation& op) noexcept {
                      const std::unique_ptr<work> self(static_cast<work*>(static_cast<work_operation*>(&op)));
                      if (self->waits != nullptr) self->waits->completed(*self);
                  }),
              what(std::move(callable)) {}
        job<Callable> what;
        awaiter* waits = nullptr;
    };

    worker_pool* pool_;
    Callable callable_;
};

template <class Callable>
class offload_detached_request<Callable>::awaiter : public begins<awaiter>,
                                                    private stop_entry,
                                                    private posted {
 public:
    using value_type = typename job<Callable>::value_type;

    explicit awaiter(offload_detached_request&& of)
        : stop_entry([](stop_entry& self) noexcept { static_cast<awaiter&>(self).stop(); }),
          posted([](posted& self) noexcept { static_cast<awaiter&>(self).waiting_.resume(); }),
          pool_(of.pool_),
          work_(std::make_unique<work>(std::move(of.callable_))) {}
    awaiter(const awaiter&) = delete;
    awaiter& operator=(const awaiter&) = delete;

    bool await_ready() const noexcept { return false; }
    void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
        waiting_ = waiting;
        loop_ = &loop_of(in);
        running_ = work_.release();
        running_->waits = this;
        pool_->submit(*loop_, *running_);
        in.add(*this);
    }
    [[nodiscard]] value_type await_resume() {
        if (!value_ && !thrown_) return fail_errno(ECANCELED);
        if (thrown_) std::rethrow_exception(thrown_);
        return std::move(*value_);
    }

    void completed(work& ended) noexcept {
        if (linked()) unlink();
        try {
            value_.emplace(ended.what.take(ended.result));
        } catch (...) {
            thrown_ = std::current_exception();
        }
        waiting_.resume();
    }

 private:
    void stop() noexcept {
        running_->waits = nullptr;
        loop_->cancel(*running_);
        loop_->defer(*this);
    }

    worker_pool* pool_;
    loop* loop_ = nullptr;
    std::unique_ptr<work> work_;  // until it is begun
    work* running_ = nullptr;
    std::coroutine_handle<> waiting_;
    std::optional<value_type> value_;
    std::exception_ptr thrown_;
};

template <class Callable>
constexpr void check_job() {
    static_assert(survives_awaiting<Callable>,
                  "naru: GCC 12 destroys a temporary callable twice when its call is awaited: give it a name "
                  "and pass the name (by std::ref if it cannot be copied)");
    static_assert(std::is_invocable_v<std::decay_t<Callable>&>, "naru: a job is called without arguments");
}

}  // namespace detail

/// Runs `callable` on a worker thread; gives a result of its value (result<T> for T and for result<T>), or
/// throws its exception. Errors: EAGAIN when the pool's queue is full; operation_canceled when it was stopped
/// before a worker took it. One that runs is waited for, whatever the deadline: it may use what this frame
/// lends it.
template <class Callable>
auto offload(worker_pool& pool, Callable&& callable) {
    detail::check_job<Callable>();
    return detail::offload_request<std::decay_t<Callable>>(
        pool, std::decay_t<Callable>(std::forward<Callable>(callable)));
}

/// The same, but a stop or deadline does not wait for a job that runs: it goes on by itself, and what it
/// gives is dropped. So the callable must own all that it uses. The pool must be shut down before its loop
/// ends.
template <class Callable>
auto offload_detached(worker_pool& pool, Callable&& callable) {
    detail::check_job<Callable>();
    return detail::offload_detached_request<std::decay_t<Callable>>(
        pool, std::decay_t<Callable>(std::forward<Callable>(callable)));
}

}  // namespace naru
