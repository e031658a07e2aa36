// A child of a group whose value is wanted.
#pragma once

#include <naru/coro/nursery.hpp>
#include <naru/coro/task.hpp>

#include <coroutine>
#include <optional>
#include <utility>

namespace naru {

class task_group;

namespace detail {

/// The frame of a child whose value is wanted: it lives until the value is taken or given up.
template <class T>
struct kept_child {
    struct promise_type;
    using frame = std::coroutine_handle<promise_type>;

    /// Whoever waits for the end.
    struct waiter : posted {
        using posted::posted;
    };

    struct promise_type : frame_memory {
        explicit promise_type(task_group& in, task<T>&) noexcept;
        nursery* home;
        std::optional<stop_scope> own;
        stop_scope* scope;
        ending<T> ended;
        waiter* waits = nullptr;
        bool held = true;  // there is a child<T>
        bool done = false;

        struct final_awaiter {
            bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(frame self) const noexcept {
                promise_type& promise = self.promise();
                nursery& counted_in = *promise.home;
                promise.done = true;
                promise.own.reset();
                if (promise.waits != nullptr) loop_of(counted_in.scope()).defer(*promise.waits);
                if (!promise.held) self.destroy();
                return counted_in.child_ended();
            }
            void await_resume() const noexcept {}
        };
        kept_child get_return_object() noexcept { return kept_child{frame::from_promise(*this)}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };

    frame made;
};

/// co_await own_promise<P>() gives a coroutine its promise.
template <class Promise>
struct own_promise {
    Promise* promise = nullptr;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<Promise> self) noexcept {
        promise = &self.promise();
        return false;
    }
    Promise& await_resume() const noexcept { return *promise; }
};

}  // namespace detail

/// A child whose value is wanted. Move-only; once it is dropped the child runs on, and its value is dropped.
template <class T>
class [[nodiscard]] child : public request<child<T>> {
    using kept = detail::kept_child<T>;

 public:
    explicit child(typename kept::frame running) noexcept : frame_(running) {}
    child(child&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    child& operator=(child&& other) noexcept {
        std::swap(frame_, other.frame_);
        return *this;
    }
    ~child() { drop(frame_); }

    /// Asks this child alone to end.
    void stop() noexcept {
        if (frame_ && frame_.promise().own) frame_.promise().own->stop();
    }

    /// Its value, when it has ended; throws what it has thrown. Stopping who waits stops the child.
    class awaiter : public detail::begins<awaiter>, private kept::waiter, private stop_entry {
     public:
        explicit awaiter(child&& of) noexcept
            : kept::waiter(&awaiter::wake),
              stop_entry(&awaiter::stop_child),
              frame_(std::exchange(of.frame_, nullptr)) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;
        ~awaiter() { drop(frame_); }

        bool await_ready() const noexcept {
            if (!frame_) fatal("bug: a child was awaited that had been awaited or moved from before");
            return frame_.promise().done;
        }
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            waiting_ = waiting;
            frame_.promise().waits = this;
            in.add(*this);
        }
        [[nodiscard]] T await_resume() { return frame_.promise().ended.take(); }

     private:
        static void wake(posted& self) noexcept {
            auto& each = static_cast<awaiter&>(static_cast<typename kept::waiter&>(self));
            if (each.linked()) each.unlink();
            each.waiting_.resume();
        }
        static void stop_child(stop_entry& self) noexcept {
            auto& promise = static_cast<awaiter&>(self).frame_.promise();
            if (promise.own) promise.own->stop();
        }
        typename kept::frame frame_;
        std::coroutine_handle<> waiting_;
    };

 private:
    static void drop(typename kept::frame frame) noexcept {
        if (!frame) return;
        if (frame.promise().done) {
            frame.destroy();
        } else {
            frame.promise().held = false;
        }
    }
    typename kept::frame frame_;
};

}  // namespace naru
