// Coroutines that run side by side and are waited for together: what groups, when_all and when_any are made
// of. A child frees itself before whoever waits for it goes on.
#pragma once

#include <naru/core/limits.hpp>
#include <naru/coro/ending.hpp>
#include <naru/coro/frame.hpp>
#include <naru/coro/root.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <utility>

namespace naru::detail {

/// Children in a scope, counted. Pinned; whoever made it awaits all_ended() before it goes.
class nursery {
 public:
    explicit nursery(stop_scope& parent) noexcept : scope_(&parent) {}
    ~nursery() {
        if (running_ != 0) fatal("bug: a group was left before its children had ended");
    }
    nursery(const nursery&) = delete;
    nursery& operator=(const nursery&) = delete;

    stop_scope& scope() noexcept { return scope_; }
    std::size_t running() const noexcept { return running_; }

    class all_ended_awaiter {
     public:
        explicit all_ended_awaiter(nursery& of) noexcept : nursery_(&of) {}
        bool await_ready() const noexcept { return nursery_->running_ == 0; }
        void await_suspend(std::coroutine_handle<> waiting) noexcept { nursery_->closing_ = waiting; }
        void await_resume() const noexcept {}

     private:
        nursery* nursery_;
    };
    /// When no child runs. Not ended by a stop: the children are in the scope, and end by it.
    all_ended_awaiter all_ended() noexcept { return all_ended_awaiter(*this); }

    void child_begins() noexcept { ++running_; }
    /// Whom to resume.
    std::coroutine_handle<> child_ended() noexcept {
        if (--running_ != 0) return std::noop_coroutine();
        while (list_node* node = joiners_.pop_front()) {
            auto& each = static_cast<joiner&>(*node);
            each.wake(each);
        }
        return closing_ ? std::exchange(closing_, nullptr) : std::noop_coroutine();
    }

 protected:
    /// Somebody else who waits until no child runs.
    struct joiner : list_node {
        explicit joiner(void (*function)(joiner&) noexcept) noexcept : wake(function) {}
        void (*wake)(joiner&) noexcept;
    };

    list_head joiners_;

 private:
    stop_scope scope_;
    std::size_t running_ = 0;
    std::coroutine_handle<> closing_;
};

/// A child's outer coroutine: counted in its nursery. Runs at once, within whoever makes it.
struct child_frame {
    struct promise_type : frame_memory {
        template <class... Arguments>
        explicit promise_type(nursery& in, Arguments&&...) noexcept : home(&in), scope(&in.scope()) {
            in.child_begins();
        }
        nursery* home;
        stop_scope* scope;

        struct final_awaiter {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                nursery& counted_in = *self.promise().home;
                self.destroy();
                return counted_in.child_ended();
            }
            void await_resume() const noexcept {}
        };
        child_frame get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }  // what runs in it catches everything
    };
};

/// Children that start within each other's start: how many.
[[gnu::visibility("default")]] inline thread_local unsigned nested_starts = 0;

/// Makes a child, and counts how deep in other children's starts it is made.
template <class Make>
void start_child(Make make) {
    struct counted {
        counted() noexcept { ++nested_starts; }
        ~counted() { --nested_starts; }
    };
    const counted here;
    make();
}

/// The first thing that a child awaits: past limits::nested_starts it begins in the loop's next tick.
class bounded_start : posted {
 public:
    bounded_start() noexcept
        : posted([](posted& self) noexcept { static_cast<bounded_start&>(self).waiting_.resume(); }) {}
    bool await_ready() const noexcept { return nested_starts <= limits::nested_starts; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) noexcept {
        waiting_ = waiting;
        loop_of(*waiting.promise().scope).defer(*this);
    }
    void await_resume() const noexcept {}

 private:
    std::coroutine_handle<> waiting_;
};

}  // namespace naru::detail
