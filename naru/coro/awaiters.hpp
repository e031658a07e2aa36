// Awaiters: an operation inside a coroutine's frame, with an optional deadline and a place in a stop_scope.
// Nothing is submitted before co_await; no allocation beyond the frame.
#pragma once

#include <naru/coro/stop_scope.hpp>
#include <naru/coro/task.hpp>
#include <naru/loop/loop.hpp>
#include <naru/loop/worker_pool.hpp>

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace naru {

/// What all awaited operations share. Lives in the awaiting frame from co_await to its end; never moved.
/// A deadline that passes cancels the operation: the awaiter resumes when it has really ended, with timed_out
/// unless it succeeded after all.
class awaited {
 public:
    explicit awaited(loop& on) noexcept : loop_(&on) {}
    awaited(const awaited&) = delete;
    awaited& operator=(const awaited&) = delete;

    void set_deadline(instant deadline) noexcept { deadline_ = deadline; }
    void set_scope(stop_scope& scope) noexcept { scope_ = &scope; }

 protected:
    ~awaited() = default;

    template <class Promise>
    void begin(std::coroutine_handle<Promise> waiting) noexcept {
        waiting_ = waiting;
        if (scope_ == nullptr) scope_ = detail::scope_of(waiting.promise());
    }

    /// Watches deadline and scope for `op`, which has just been submitted.
    void watch(operation& op) noexcept {
        watched_ = &op;
        if (deadline_ != never) loop_->arm(timer_, deadline_);
        if (scope_ != nullptr) scope_->add(entry_);
    }

    void stop_watching() noexcept {
        watched_ = nullptr;
        loop_->disarm(timer_);
        if (entry_.linked()) entry_.unlink();
    }

    std::int64_t outcome_of(const operation& op) const noexcept {
        return op.result == outcome::canceled && expired_ ? outcome::from_errno(ETIMEDOUT) : op.result;
    }

    bool stop_requested() const noexcept { return stopped_ || expired_; }

    loop* loop_;
    std::coroutine_handle<> waiting_;

 private:
    struct expiry : timer {
        explicit expiry(awaited& of) noexcept
            : timer([](timer& self) noexcept {
                  awaited& each = static_cast<expiry&>(self).owner;
                  each.expired_ = true;
                  if (each.watched_ != nullptr) each.loop_->cancel(*each.watched_);
              }),
              owner(of) {}
        awaited& owner;
    };
    struct membership : stop_scope::entry {
        explicit membership(awaited& of) noexcept
            : entry([](stop_scope::entry& self) noexcept {
                  awaited& each = static_cast<membership&>(self).owner;
                  each.stopped_ = true;
                  if (each.watched_ != nullptr) each.loop_->cancel(*each.watched_);
              }),
              owner(of) {}
        awaited& owner;
    };

    instant deadline_ = never;
    stop_scope* scope_ = nullptr;
    operation* watched_ = nullptr;
    bool expired_ = false;
    bool stopped_ = false;
    expiry timer_{*this};
    membership entry_{*this};
};

/// An awaited operation of type `Operation`; `Derived` turns its outcome into what co_await returns.
template <class Derived, class Operation = operation>
class operation_awaiter : public awaited {
 public:
    bool await_ready() const noexcept { return false; }

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        begin(waiting);
        loop_->submit(op_);
        watch(op_);
    }

 protected:
    template <class... Arguments>
    explicit operation_awaiter(loop& on, Arguments&&... arguments) noexcept
        : awaited(on), op_(*this, std::forward<Arguments>(arguments)...) {}
    ~operation_awaiter() = default;

    struct embedded : Operation {
        template <class... Arguments>
        explicit embedded(operation_awaiter& of, Arguments&&... arguments) noexcept
            : Operation(std::forward<Arguments>(arguments)..., &embedded::completed), owner(of) {}
        static void completed(operation& op) noexcept {
            operation_awaiter& each = static_cast<embedded&>(op).owner;
            each.stop_watching();
            each.waiting_.resume();  // the last touch: the frame may be gone now
        }
        operation_awaiter& owner;
    };

    result<std::size_t> size_outcome() const noexcept {
        const std::int64_t raw = outcome_of(op_);
        if (raw < 0) return fail(outcome::to_error(raw));
        return static_cast<std::size_t>(raw);
    }
    result<void> void_outcome() const noexcept {
        const std::int64_t raw = outcome_of(op_);
        if (raw < 0) return fail(outcome::to_error(raw));
        return {};
    }

    embedded op_;
};

class [[nodiscard]] recv_awaiter : public operation_awaiter<recv_awaiter> {
 public:
    recv_awaiter(loop& on, handle from) noexcept : operation_awaiter(on, operation_kind::recv) {
        op_.target = from;
    }
    result<lease> await_resume() const noexcept {
        const std::int64_t raw = outcome_of(op_);
        if (raw < 0) return fail(outcome::to_error(raw));
        return lease(loop_->buffers(), mutable_bytes(op_.data, static_cast<std::size_t>(raw)));
    }
};

class [[nodiscard]] recv_into_awaiter : public operation_awaiter<recv_into_awaiter> {
 public:
    recv_into_awaiter(loop& on, handle from, mutable_bytes into) noexcept
        : operation_awaiter(on, operation_kind::recv_into) {
        op_.target = from;
        op_.data = into.data();
        op_.count = one_call(into);
    }
    result<std::size_t> await_resume() const noexcept { return size_outcome(); }
};

class [[nodiscard]] send_awaiter : public operation_awaiter<send_awaiter, send_operation> {
 public:
    send_awaiter(loop& on, handle to, bytes_view bytes) noexcept : operation_awaiter(on) {
        op_.set(to, bytes);
    }
    send_awaiter(loop& on, handle to, std::span<slice> pieces) noexcept : operation_awaiter(on) {
        op_.set(to, pieces.data(), static_cast<std::uint32_t>(pieces.size()));
    }
    result<std::size_t> await_resume() const noexcept { return size_outcome(); }
};

class [[nodiscard]] send_file_awaiter : public operation_awaiter<send_file_awaiter, send_file_operation> {
 public:
    send_file_awaiter(loop& on, handle to, int file, std::uint64_t offset, std::uint64_t count,
                      std::uint64_t* sent) noexcept
        : operation_awaiter(on), sent_(sent) {
        op_.set(to, file, offset, count);
    }
    result<std::size_t> await_resume() const noexcept {
        if (sent_ != nullptr) *sent_ = op_.progress;
        return size_outcome();
    }

 private:
    std::uint64_t* sent_;
};

/// readable, writable, close: nothing but a handle goes in, nothing but success comes out.
class [[nodiscard]] simple_awaiter : public operation_awaiter<simple_awaiter> {
 public:
    simple_awaiter(loop& on, operation_kind kind, handle target) noexcept : operation_awaiter(on, kind) {
        op_.target = target;
    }
    result<void> await_resume() const noexcept { return void_outcome(); }
};

/// co_await sleep_until(...): ends with success at the instant, or early with operation_canceled.
class [[nodiscard]] sleep_awaiter {
 public:
    sleep_awaiter(loop& on, instant until) noexcept : loop_(&on), until_(until) {}
    sleep_awaiter(const sleep_awaiter&) = delete;
    sleep_awaiter& operator=(const sleep_awaiter&) = delete;

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        waiting_ = waiting;
        loop_->arm(timer_, until_);
        if (stop_scope* scope = detail::scope_of(waiting.promise())) scope->add(entry_);
    }
    result<void> await_resume() const noexcept {
        if (stopped_) return fail_errno(ECANCELED);
        return {};
    }

 private:
    struct expiry : timer {
        explicit expiry(sleep_awaiter& of) noexcept
            : timer([](timer& self) noexcept {
                  sleep_awaiter& each = static_cast<expiry&>(self).owner;
                  if (each.entry_.linked()) each.entry_.unlink();
                  each.waiting_.resume();
              }),
              owner(of) {}
        sleep_awaiter& owner;
    };
    struct membership : stop_scope::entry {
        explicit membership(sleep_awaiter& of) noexcept
            : entry([](stop_scope::entry& self) noexcept {
                  // Resumes from the timer wheel, never from inside stop.
                  sleep_awaiter& each = static_cast<membership&>(self).owner;
                  each.stopped_ = true;
                  each.loop_->arm(each.timer_, instant::min());
              }),
              owner(of) {}
        sleep_awaiter& owner;
    };

    loop* loop_;
    instant until_;
    std::coroutine_handle<> waiting_;
    bool stopped_ = false;
    expiry timer_{*this};
    membership entry_{*this};
};

/// What is too long to be counted in nanoseconds (292 years) has no end but a stop.
template <class Duration>
sleep_awaiter sleep_until(loop& on, std::chrono::time_point<clock, Duration> until) noexcept {
    return {on, saturate(until)};
}
template <class Rep, class Period>
sleep_awaiter sleep_for(loop& on, std::chrono::duration<Rep, Period> span) noexcept {
    return {on, saturating_add(clock::now(), span)};
}

/// Runs `callable` on a worker thread; co_await gives its value or throws its exception. Throws
/// std::system_error when it was cancelled before it began, or the pool's queue was full. The callable is
/// taken by value: with GCC 12 give it a name first and move it in.
template <class Callable>
class [[nodiscard]] offload_awaiter : public operation_awaiter<offload_awaiter<Callable>, work_operation> {
    using base = operation_awaiter<offload_awaiter<Callable>, work_operation>;

 public:
    using value_type = std::invoke_result_t<Callable&>;

    offload_awaiter(loop& on, worker_pool& pool, Callable callable) noexcept
        : base(on, &offload_awaiter::run), pool_(&pool), callable_(std::move(callable)) {}

    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        this->begin(waiting);
        pool_->submit(*this->loop_, this->op_);
        this->watch(this->op_);
    }

    value_type await_resume() {
        if (this->op_.exception) std::rethrow_exception(this->op_.exception);
        const std::int64_t raw = this->outcome_of(this->op_);
        if (raw < 0) throw std::system_error(outcome::to_error(raw), "offload");
        if constexpr (!std::is_void_v<value_type>) return std::move(*value_);
    }

 private:
    static void run(work_operation& work) {
        auto& self = static_cast<offload_awaiter&>(static_cast<typename base::embedded&>(work).owner);
        if constexpr (std::is_void_v<value_type>) {
            std::invoke(self.callable_);
        } else {
            self.value_.emplace(std::invoke(self.callable_));
        }
    }

    worker_pool* pool_;
    Callable callable_;
    std::optional<std::conditional_t<std::is_void_v<value_type>, bool, value_type>> value_;
};

template <class Callable>
offload_awaiter<Callable> offload(loop& on, worker_pool& pool, Callable callable) {
    return offload_awaiter<Callable>(on, pool, std::move(callable));
}

template <class Awaiter>
concept bounded_awaiter = requires(Awaiter& each, instant deadline, stop_scope& scope) {
    each.set_deadline(deadline);
    each.set_scope(scope);
};

/// An awaiter of the same full expression, passed on. By value and with a constructor, because GCC 12 would
/// copy or move what a function returns by reference into the frame, and awaiters are pinned.
template <class Awaiter>
class [[nodiscard]] passed_on {
 public:
    explicit passed_on(Awaiter& awaiter) noexcept : awaiter_(&awaiter) {}
    void set_deadline(instant deadline) noexcept { awaiter_->set_deadline(deadline); }
    void set_scope(stop_scope& scope) noexcept { awaiter_->set_scope(scope); }
    bool await_ready() const noexcept { return awaiter_->await_ready(); }
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        return awaiter_->await_suspend(waiting);
    }
    decltype(auto) await_resume() { return awaiter_->await_resume(); }

 private:
    Awaiter* awaiter_;
};

/// co_await with_deadline(instant, stream.recv()): the operation ends by then, with timed_out if it must.
template <class Duration, bounded_awaiter Awaiter>
passed_on<Awaiter> with_deadline(std::chrono::time_point<clock, Duration> deadline,
                                 Awaiter&& awaiter) noexcept {
    awaiter.set_deadline(saturate(deadline));
    return passed_on<Awaiter>(awaiter);
}

/// co_await with_stop(scope, stream.recv()): ends early when `scope` is stopped.
template <bounded_awaiter Awaiter>
passed_on<Awaiter> with_stop(stop_scope& scope, Awaiter&& awaiter) noexcept {
    awaiter.set_scope(scope);
    return passed_on<Awaiter>(awaiter);
}
template <class T>
task<T> with_stop(stop_scope& scope, task<T> awaited_task) {
    return std::move(awaited_task).in(scope);
}

namespace detail {

struct scope_timer : timer {
    explicit scope_timer(stop_scope& of) noexcept
        : timer([](timer& self) noexcept {
              auto& each = static_cast<scope_timer&>(self);
              each.expired = true;
              each.scope.stop();
          }),
          scope(of) {}
    stop_scope& scope;
    bool expired = false;
};

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;

}  // namespace detail

/// The same for a whole task: at the deadline everything it awaits is cancelled, and the task has ended when
/// this returns. A result that is operation_canceled because of that becomes timed_out.
template <class Duration, class T>
task<T> with_deadline(loop& on, std::chrono::time_point<clock, Duration> deadline, task<T> limited) {
    stop_scope* const outer = co_await current_scope();
    stop_scope scope(outer);
    detail::scope_timer expiry(scope);
    struct disarm_at_end {
        loop& wheel;
        timer& armed;
        ~disarm_at_end() { wheel.disarm(armed); }
    };
    on.arm(expiry, deadline);
    const disarm_at_end guard{on, expiry};
    if constexpr (std::is_void_v<T>) {
        co_await std::move(limited).in(scope);
    } else {
        T value = co_await std::move(limited).in(scope);
        if constexpr (detail::is_result<T>) {
            if (!value && expiry.expired && value.error() == std::errc::operation_canceled) {
                value = fail_errno(ETIMEDOUT);
            }
        }
        co_return value;
    }
}

}  // namespace naru
