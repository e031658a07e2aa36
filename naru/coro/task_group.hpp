// Tasks that run side by side and end together: no frame is ever left behind with an operation pending.
#pragma once

#include <naru/coro/task.hpp>

#include <cstddef>
#include <exception>
#include <utility>

namespace naru {

/// Spawn, then join. The group must be joined (or empty) before it is destroyed. Belongs to one loop's
/// thread.
class task_group {
 public:
    /// Tasks are stopped with `parent`, if there is one.
    explicit task_group(stop_scope* parent = nullptr) noexcept : scope_(parent) {}
    ~task_group() { NARU_ASSERT(running_ == 0); }
    task_group(const task_group&) = delete;
    task_group& operator=(const task_group&) = delete;

    /// Starts `each` at once; it runs until it first waits. Its value is dropped, its exception is rethrown
    /// by join (the first one; it also stops the others).
    template <class T>
    void spawn(task<T> each) {
        ++running_;
        run(std::move(each));
    }

    /// Asks all tasks to end.
    void stop() noexcept { scope_.stop(); }

    std::size_t running() const noexcept { return running_; }
    stop_scope& scope() noexcept { return scope_; }

    /// co_await join(): when every task has ended. If the waiting coroutine is stopped, so are they.
    class [[nodiscard]] join_awaiter {
     public:
        explicit join_awaiter(task_group& of) noexcept : group_(of) {}
        join_awaiter(const join_awaiter&) = delete;
        join_awaiter& operator=(const join_awaiter&) = delete;
        bool await_ready() const noexcept { return group_.running_ == 0; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
            group_.waiting_ = waiting;
            // Stopping cancels operations; none of them completes inside, so nothing resumes from here.
            if (stop_scope* scope = detail::scope_of(waiting.promise())) scope->add(entry_);
        }
        void await_resume() {
            if (entry_.linked()) entry_.unlink();
            if (group_.exception_) std::rethrow_exception(std::exchange(group_.exception_, nullptr));
        }

     private:
        struct membership : stop_scope::entry {
            explicit membership(task_group& of) noexcept
                : entry(
                      [](stop_scope::entry& self) noexcept { static_cast<membership&>(self).group.stop(); }),
                  group(of) {}
            task_group& group;
        };
        task_group& group_;
        membership entry_{group_};
    };
    join_awaiter join() noexcept { return join_awaiter(*this); }

 private:
    template <class T>
    detail::detached run(task<T> each) {
        try {
            co_await std::move(each).in(scope_);
        } catch (...) {
            if (!exception_) exception_ = std::current_exception();
            scope_.stop();
        }
        if (--running_ == 0 && waiting_) std::exchange(waiting_, nullptr).resume();
    }

    stop_scope scope_;
    std::size_t running_ = 0;
    std::coroutine_handle<> waiting_;
    std::exception_ptr exception_;
};

}  // namespace naru
