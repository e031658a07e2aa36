// From code that is no coroutine into coroutines.
#pragma once

#include <naru/coro/task.hpp>

#include <optional>

namespace naru {

namespace detail {

/// A coroutine that nobody awaits: runs at once, and frees itself before `at_end` is told.
struct detached {
    struct promise_type : frame_memory {
        template <class... Arguments>
        explicit promise_type(stop_scope& in, bool& at_end, Arguments&&...) noexcept
            : scope(&in), ended(&at_end) {}
        stop_scope* scope;
        bool* ended;

        struct final_awaiter {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                bool& told = *self.promise().ended;
                self.destroy();
                told = true;
            }
            void await_resume() const noexcept {}
        };
        detached get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }  // what runs in it catches everything
    };
};

template <class T>
detached run_detached(stop_scope& /*in*/, bool& /*ended*/, task<T> body, ending<T>& into) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(body);
            into.set();
        } else {
            into.set(co_await std::move(body));
        }
    } catch (...) {
        into.set_exception(std::current_exception());
    }
}

}  // namespace detail

/// A task that begins at once on a loop, for code that is no coroutine and runs the loop itself. Pinned; must
/// have ended before it is destroyed.
template <class T = void>
class started_task {
 public:
    started_task(loop& on, task<T> body) : root_(on) {
        detail::run_detached(root_.scope(), ended_, std::move(body), ending_);
    }
    ~started_task() {
        if (!ended_) fatal("bug: a started_task was destroyed while it runs: stop it, and run its loop on");
    }
    started_task(const started_task&) = delete;
    started_task& operator=(const started_task&) = delete;

    bool ended() const noexcept { return ended_; }
    void stop() noexcept { root_.scope().stop(); }
    /// Its value, once; throws its exception.
    T take() { return ending_.take(); }

 private:
    detail::root root_;
    detail::ending<T> ending_;
    bool ended_ = false;
};

/// Runs the loop on this thread until `main` has ended; returns its value or throws its exception. loop::stop
/// stops `main`: what it awaits is cancelled, and `run` returns when it has ended.
template <class T>
T run(loop& on, task<T> main) {
    started_task<T> running(on, std::move(main));
    while (!on.run_until([&] { return running.ended(); }))
        running.stop();
    return running.take();
}

}  // namespace naru
