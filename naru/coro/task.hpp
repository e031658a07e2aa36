// task<T>: a coroutine that starts when it is awaited or spawned, and hands its value, or its exception, to
// whoever waits for it.
//
// GCC 12 destroys some temporaries twice when they share a full expression with co_await: lambdas with
// captures that need a destructor, and aggregates with such members. Give them a name first and move them in.
#pragma once

#include <naru/coro/awaiter.hpp>
#include <naru/coro/ending.hpp>
#include <naru/coro/frame.hpp>
#include <naru/coro/request.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <type_traits>
#include <utility>

namespace naru {

template <class T = void>
class task;

namespace detail {

struct task_promise_base : frame_memory {
    std::coroutine_handle<> continuation;
    stop_scope* scope = nullptr;

    /// The frame, with the parameters in it, is gone before whoever waited goes on.
    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) noexcept {
            const std::coroutine_handle<> next = ended.promise().continuation;
            ended.destroy();
            return next;
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
};

template <class T>
struct task_promise : task_promise_base {
    ending<T>* into = nullptr;

    task<T> get_return_object() noexcept;
    /// The default is for `co_return {}`.
    template <class U = T>
        requires std::constructible_from<T, U>
    void return_value(U&& returned) {
        into->set(std::forward<U>(returned));
    }
    void unhandled_exception() noexcept { into->set_exception(std::current_exception()); }
};

template <>
struct task_promise<void> : task_promise_base {
    ending<void>* into = nullptr;

    task<void> get_return_object() noexcept;
    void return_void() const { into->set(); }
    void unhandled_exception() const noexcept { into->set_exception(std::current_exception()); }
};

template <class T>
class task_awaiter : public begins<task_awaiter<T>> {
 public:
    explicit task_awaiter(std::coroutine_handle<task_promise<T>> frame) noexcept : frame_(frame) {}
    task_awaiter(const task_awaiter&) = delete;
    task_awaiter& operator=(const task_awaiter&) = delete;
    ~task_awaiter() {
        if (frame_) frame_.destroy();  // never begun
    }

    bool await_ready() const noexcept {
        if (!frame_) fatal("bug: a task was awaited that had been awaited, spawned or moved from before");
        return false;
    }
    std::coroutine_handle<> begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
        task_promise<T>& promise = frame_.promise();
        promise.continuation = waiting;
        promise.scope = &in;
        promise.into = &ended_;
        return std::exchange(frame_, nullptr);  // it frees itself
    }
    [[nodiscard]] T await_resume() { return ended_.take(); }

 private:
    std::coroutine_handle<task_promise<T>> frame_;
    ending<T> ended_;
};

}  // namespace detail

/// Move-only; owns the coroutine's frame until it is begun, which happens once: by co_await, by a group's
/// spawn, or by run.
template <class T>
class [[nodiscard]] task {
 public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

    task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    task& operator=(task&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~task() {
        if (frame_) frame_.destroy();
    }

    detail::task_awaiter<T> operator co_await() && noexcept {
        return detail::task_awaiter<T>(std::exchange(frame_, nullptr));
    }
    template <class Awaited = T>
    detail::task_awaiter<Awaited> operator co_await() & {
        static_assert(detail::never_true<Awaited>,
                      "naru: a task is awaited once and used up: co_await std::move(task)");
        return std::move(*this).operator co_await();
    }

 private:
    friend promise_type;
    explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    std::coroutine_handle<promise_type> frame_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<task_promise<T>>::from_promise(*this));
}

inline task<void> task_promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<task_promise<void>>::from_promise(*this));
}

template <class Callable, class... Arguments>
concept makes_task = requires(Callable& callable, Arguments&&... arguments) {
    typename std::invoke_result_t<Callable&, Arguments...>::promise_type;
};

/// GCC 12 destroys a temporary callable twice when its call is awaited (fixed in 13).
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
template <class Callable>
inline constexpr bool survives_awaiting =
    std::is_lvalue_reference_v<Callable> || std::is_trivially_destructible_v<std::remove_cvref_t<Callable>>;
#else
template <class>
inline constexpr bool survives_awaiting = true;
#endif

}  // namespace detail

/// co_await current_scope() gives the stop_scope that the coroutine runs in, by pointer: never null.
struct [[nodiscard]] current_scope {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        scope_ = &detail::scope_of(self.promise());
        return false;
    }
    [[nodiscard]] stop_scope* await_resume() const noexcept { return scope_; }

 private:
    stop_scope* scope_ = nullptr;
};

/// co_await current_loop() gives the loop that the coroutine runs on, by pointer: never null.
struct [[nodiscard]] current_loop {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        loop_ = &detail::loop_of(detail::scope_of(self.promise()));
        return false;
    }
    [[nodiscard]] loop* await_resume() const noexcept { return loop_; }

 private:
    loop* loop_ = nullptr;
};

}  // namespace naru
