// Awaiters: what is pinned in a coroutine's frame from co_await to its end. Made by requests (request.hpp).
//
// All awaiters of naru have `begin(waiting, scope)` beside what the language wants: it starts what is waited
// for within `scope`, and resumes `waiting` when that has ended. with_deadline, when_any and the like begin
// the awaiters they are given in scopes of their own.
#pragma once

#include <naru/coro/root.hpp>
#include <naru/loop/loop.hpp>

#include <concepts>
#include <coroutine>
#include <type_traits>
#include <utility>

namespace naru {

namespace detail {

/// What co_await does with an awaitable. Made where it stays: awaiters are not moved.
template <class Awaitable>
decltype(auto) awaiter_of(Awaitable&& awaitable) {
    if constexpr (requires { std::forward<Awaitable>(awaitable).operator co_await(); }) {
        return std::forward<Awaitable>(awaitable).operator co_await();
    } else if constexpr (requires { operator co_await(std::forward<Awaitable>(awaitable)); }) {
        return operator co_await(std::forward<Awaitable>(awaitable));
    } else {
        return std::forward<Awaitable>(awaitable);
    }
}
template <class Awaitable>
using awaiter_type = std::remove_cvref_t<decltype(awaiter_of(std::declval<Awaitable>()))>;

/// What co_await gives.
template <class Awaitable>
using awaited_type = decltype(std::declval<awaiter_type<Awaitable>&>().await_resume());

/// Awaiters that can be begun in a scope of somebody else's choosing.
template <class Awaiter>
concept scoped_awaiter =
    requires(Awaiter& each, std::coroutine_handle<> waiting, stop_scope& in) { each.begin(waiting, in); };

/// await_suspend by begin.
template <class Derived>
struct begins {
    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> waiting) {
        return static_cast<Derived&>(*this).begin(waiting, scope_of(waiting.promise()));
    }

 private:
    friend Derived;
    begins() noexcept = default;
};

}  // namespace detail

/// An operation, awaited: 104 bytes where the operation has 64. It is in its scope while it is pending; what
/// stops it cancels it, and it resumes when it has really ended.
template <class Operation = operation>
class operation_awaiter : public detail::begins<operation_awaiter<Operation>>,
                          protected Operation,
                          protected stop_entry {
 public:
    operation_awaiter(const operation_awaiter&) = delete;
    operation_awaiter& operator=(const operation_awaiter&) = delete;

    bool await_ready() const noexcept { return false; }
    void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
        begin_unstoppable(waiting, in);
        in.add(*this);
    }

 protected:
    void begin_unstoppable(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
        if (loop_ != &detail::loop_of(in))
            fatal("bug: what belongs to one loop was awaited on another: see on() and release()");
        waiting_ = waiting;
        loop_->submit(*this);
    }

    template <class... Arguments>
    explicit operation_awaiter(loop& on, Arguments&&... arguments) noexcept
        : Operation(std::forward<Arguments>(arguments)..., &operation_awaiter::completed),
          stop_entry(&operation_awaiter::cancel),
          loop_(&on) {}
    ~operation_awaiter() = default;

    naru::result<std::size_t> size_outcome() const noexcept {
        if (this->failed()) return fail(this->error());
        return static_cast<std::size_t>(Operation::result);
    }
    naru::result<void> void_outcome() const noexcept {
        if (this->failed()) return fail(this->error());
        return {};
    }

    loop* loop_;

 private:
    static void completed(operation& op) noexcept {
        auto& self = static_cast<operation_awaiter&>(static_cast<Operation&>(op));
        if (self.linked()) self.unlink();
        self.waiting_.resume();  // the last touch: the frame may be gone now
    }
    static void cancel(stop_entry& entry) noexcept {
        auto& self = static_cast<operation_awaiter&>(entry);
        self.loop_->cancel(self);
    }

    std::coroutine_handle<> waiting_;
};

}  // namespace naru
