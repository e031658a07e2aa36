// Bounds on what is awaited: in time, by a scope, by a std::stop_token; and the shield against a stop.
#pragma once

#include <naru/coro/task.hpp>

#include <memory>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace naru {

namespace detail {

/// What may be given to with_deadline and the like: passed as a value that is used up.
template <class Awaitable>
constexpr void must_be_moved() {
    static_assert(!std::is_lvalue_reference_v<Awaitable>,
                  "naru: what is awaited is used up: pass it with std::move, or make it in the call");
    static_assert(std::is_lvalue_reference_v<Awaitable> || std::move_constructible<Awaitable>,
                  "naru: awaitables that are pinned cannot be passed on: pass the request or task");
}

/// Awaits what only the language's own protocol can await.
template <class Awaitable>
task<awaited_type<Awaitable&&>> foreign(Awaitable each) {
    co_return co_await std::move(each);
}

/// An awaiter with begin, for any awaitable.
template <class Awaitable>
decltype(auto) scoped_awaiter_of(Awaitable&& each) {
    if constexpr (scoped_awaiter<awaiter_type<Awaitable&&>>) {
        return awaiter_of(std::forward<Awaitable>(each));
    } else {
        return foreign<Awaitable>(std::forward<Awaitable>(each)).operator co_await();
    }
}
template <class Awaitable>
using scoped_awaiter_type = std::remove_cvref_t<decltype(scoped_awaiter_of(std::declval<Awaitable>()))>;

/// An awaiter within a scope of its own; `Bound` says when that is stopped, and what becomes of the result.
template <class Bound, class Awaitable>
class bounded_awaiter : public begins<bounded_awaiter<Bound, Awaitable>> {
    using inner_awaiter = scoped_awaiter_type<Awaitable>;

 public:
    using value_type = decltype(std::declval<inner_awaiter&>().await_resume());

    bounded_awaiter(const Bound& bound, Awaitable&& inner)
        : bound_(bound), inner_(scoped_awaiter_of<Awaitable>(std::move(inner))) {}
    bounded_awaiter(const bounded_awaiter&) = delete;
    bounded_awaiter& operator=(const bounded_awaiter&) = delete;

    bool await_ready() { return inner_.await_ready(); }
    auto begin(std::coroutine_handle<> waiting, stop_scope& outer) {
        bound_.begin(scope_, outer);
        return inner_.begin(waiting, scope_);
    }
    [[nodiscard]] value_type await_resume() {
        bound_.end(scope_);
        if constexpr (is_result<value_type>) {
            value_type value = inner_.await_resume();
            if (!value && value.error() == std::errc::operation_canceled && bound_.expired())
                return fail_errno(ETIMEDOUT);
            return value;
        } else {
            return inner_.await_resume();
        }
    }

 private:
    stop_scope scope_;
    typename Bound::active bound_;
    inner_awaiter inner_;
};

template <class Bound, class Awaitable>
class [[nodiscard]] bounded_request : public request<bounded_request<Bound, Awaitable>> {
 public:
    bounded_request(Bound bound, Awaitable&& inner) : bound_(bound), inner_(std::move(inner)) {}

    class awaiter : public bounded_awaiter<Bound, Awaitable> {
     public:
        explicit awaiter(bounded_request&& of)
            : bounded_awaiter<Bound, Awaitable>(of.bound_, std::move(of.inner_)) {}
    };

 private:
    Bound bound_;
    Awaitable inner_;
};

/// A moment, or a span from when it is awaited.
class moment {
 public:
    explicit moment(instant fixed) noexcept : until_(fixed) {}
    explicit moment(duration from_then) noexcept : span_(from_then), relative_(true) {}
    instant get() const noexcept { return relative_ ? saturating_add(clock::now(), span_) : until_; }

 private:
    instant until_ = never;
    duration span_{0};
    bool relative_ = false;
};

struct time_bound {
    moment end;

    class active : private timer {
     public:
        explicit active(const time_bound& of) noexcept
            : timer([](timer& self) noexcept {
                  auto& each = static_cast<active&>(self);
                  each.expired_ = true;
                  each.scope_->stop();
              }),
              end_(of.end) {}
        void begin(stop_scope& scope, stop_scope& outer) noexcept {
            scope_access::chain(scope, outer);
            watch(scope, outer);
        }
        void end(stop_scope& /*scope*/) noexcept {
            if (loop_ != nullptr) loop_->disarm(*this);
        }
        bool expired() const noexcept { return expired_; }

     protected:
        void watch(stop_scope& scope, stop_scope& outer) noexcept {
            scope_ = &scope;
            loop_ = &loop_of(outer);
            loop_->arm_precisely(*this, end_.get());
        }

     private:
        moment end_;
        stop_scope* scope_ = nullptr;
        loop* loop_ = nullptr;
        bool expired_ = false;
    };
};

struct shield_bound {
    moment end;

    struct active : time_bound::active {
        explicit active(const shield_bound& of) noexcept : time_bound::active(time_bound{of.end}) {}
        void begin(stop_scope& scope, stop_scope& outer) noexcept {
            scope_access::shield(scope, outer);
            watch(scope, outer);
        }
    };
};

struct scope_bound {
    explicit scope_bound(stop_scope& other) noexcept : also(&other) {}
    stop_scope* also;

    class active : stop_entry {
     public:
        explicit active(const scope_bound& of) noexcept
            : stop_entry([](stop_entry& self) noexcept { static_cast<active&>(self).scope_->stop(); }),
              also_(of.also) {}
        void begin(stop_scope& scope, stop_scope& outer) noexcept {
            scope_ = &scope;
            scope_access::chain(scope, outer);
            also_->add(*this);
        }
        void end(stop_scope& /*scope*/) noexcept {
            if (linked()) unlink();
        }
        bool expired() const noexcept { return false; }

     private:
        stop_scope* also_;
        stop_scope* scope_ = nullptr;
    };
};

}  // namespace detail

/// co_await with_deadline(2s, stream.receive()): what is awaited, an operation, a task, a sleep, a join or
/// any other awaitable, is stopped at the deadline, and has really ended when this returns. A result that is
/// operation_canceled because of that becomes timed_out; other values are passed on as they are. A duration
/// counts from when it is awaited.
template <class Duration, class Awaitable>
auto with_deadline(std::chrono::time_point<std::chrono::steady_clock, Duration> until, Awaitable&& bounded) {
    detail::must_be_moved<Awaitable>();
    return detail::bounded_request<detail::time_bound, std::remove_cvref_t<Awaitable>>(
        detail::time_bound{detail::moment(saturate(until))}, std::forward<Awaitable>(bounded));
}
template <class Rep, class Period, class Awaitable>
auto with_deadline(std::chrono::duration<Rep, Period> span, Awaitable&& bounded) {
    detail::must_be_moved<Awaitable>();
    return detail::bounded_request<detail::time_bound, std::remove_cvref_t<Awaitable>>(
        detail::time_bound{detail::moment(saturate(span))}, std::forward<Awaitable>(bounded));
}

/// co_await with_stop(scope, stream.receive()): stopped with `scope`, and with the scope that it runs in, as
/// everything is.
template <class Awaitable>
auto with_stop(stop_scope& scope, Awaitable&& bounded) {
    detail::must_be_moved<Awaitable>();
    return detail::bounded_request<detail::scope_bound, std::remove_cvref_t<Awaitable>>(
        detail::scope_bound(scope), std::forward<Awaitable>(bounded));
}

/// co_await shielded(2s, goodbye(stream)): is not stopped by the scope that it runs in, so that something can
/// be cleaned up there after a stop; only by its own deadline.
template <class Duration, class Awaitable>
auto shielded(std::chrono::time_point<std::chrono::steady_clock, Duration> until, Awaitable&& cleaning) {
    detail::must_be_moved<Awaitable>();
    return detail::bounded_request<detail::shield_bound, std::remove_cvref_t<Awaitable>>(
        detail::shield_bound{detail::moment(saturate(until))}, std::forward<Awaitable>(cleaning));
}
template <class Rep, class Period, class Awaitable>
auto shielded(std::chrono::duration<Rep, Period> span, Awaitable&& cleaning) {
    detail::must_be_moved<Awaitable>();
    return detail::bounded_request<detail::shield_bound, std::remove_cvref_t<Awaitable>>(
        detail::shield_bound{detail::moment(saturate(span))}, std::forward<Awaitable>(cleaning));
}

}  // namespace naru
