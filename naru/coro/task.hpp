// task<T>: a coroutine that starts when it is awaited and hands its value, or its exception, to the awaiter.
//
// GCC 12 destroys some temporaries twice when they share a full expression with co_await: lambdas with
// captures that need a destructor, and aggregates with such members. Give them a name first and move them in.
#pragma once

#include <naru/coro/stop_scope.hpp>
#include <naru/loop/loop.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace naru {

template <class T = void>
class task;

namespace detail {

struct task_promise_base {
    std::coroutine_handle<> continuation;
    stop_scope* scope = nullptr;  ///< inherited from the awaiting task unless set before
    std::exception_ptr exception;

    struct final_awaiter {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ending) noexcept {
            return ending.promise().continuation;
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { exception = std::current_exception(); }
};

template <class T>
struct task_promise : task_promise_base {
    std::optional<T> value;

    task<T> get_return_object() noexcept;
    template <class U>
    void return_value(U&& returned) {
        value.emplace(std::forward<U>(returned));
    }
    T take() {
        if (exception) std::rethrow_exception(exception);
        return std::move(*value);
    }
};

template <>
struct task_promise<void> : task_promise_base {
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const {
        if (exception) std::rethrow_exception(exception);
    }
};

/// The scope that a coroutine with this promise runs in, if it knows of scopes.
template <class Promise>
stop_scope* scope_of(Promise& promise) noexcept {
    if constexpr (requires { promise.scope; }) {
        return promise.scope;
    } else {
        return nullptr;
    }
}

}  // namespace detail

/// Move-only; owns the coroutine's frame. A frame that has been started must run to its end before the task
/// is destroyed: that is what awaiting it does, and what task_group sees to.
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

    /// Runs the task in `scope` rather than in that of whoever awaits it.
    task&& in(stop_scope& scope) && noexcept {
        frame_.promise().scope = &scope;
        return std::move(*this);
    }

    struct awaiter {
        std::coroutine_handle<promise_type> frame;
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
            promise_type& promise = frame.promise();
            promise.continuation = waiting;
            if (promise.scope == nullptr) promise.scope = detail::scope_of(waiting.promise());
            return frame;
        }
        T await_resume() { return frame.promise().take(); }
    };
    awaiter operator co_await() && noexcept { return awaiter{frame_}; }

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

/// A coroutine nobody awaits: runs at once, frees itself at its end.
struct detached {
    struct promise_type {
        stop_scope* scope = nullptr;
        detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }  // the bodies below catch everything
    };
};

}  // namespace detail

/// co_await current_scope() gives the stop_scope* the coroutine runs in, or nullptr.
struct current_scope {
    stop_scope* scope = nullptr;
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        scope = detail::scope_of(self.promise());
        return false;
    }
    stop_scope* await_resume() const noexcept { return scope; }
};

namespace detail {

/// co_await enter_scope{...}: a coroutine that nobody awaits runs in that scope from here on.
struct enter_scope {
    stop_scope& scope;
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        self.promise().scope = &scope;
        return false;
    }
    void await_resume() const noexcept {}
};

template <class T>
struct run_state {
    stop_scope scope;
    std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> value;
    std::exception_ptr exception;
    bool done = false;
};

template <class T>
detached run_detached(task<T> main, run_state<T>& state) {
    co_await enter_scope{state.scope};
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(main);
        } else {
            state.value.emplace(co_await std::move(main));
        }
    } catch (...) {
        state.exception = std::current_exception();
    }
    state.done = true;
}

}  // namespace detail

/// Runs the loop on this thread until `main` has ended; returns its value or throws its exception. loop::stop
/// asks `main` to end: what it awaits is cancelled, and ends with operation_canceled. This returns when it
/// has ended, not before, because no frame may be left behind; a task that awaits again after that, in a
/// scope of its own, goes on for as long as it does.
template <class T>
T run(loop& on, task<T> main) {
    detail::run_state<T> state;
    detail::run_detached(std::move(main), state);
    while (!on.run_until([&state] { return state.done; }))
        state.scope.stop();
    if (state.exception) std::rethrow_exception(state.exception);
    if constexpr (!std::is_void_v<T>) return std::move(*state.value);
}

}  // namespace naru
