// Requests: what a function that waits returns. Small, movable, with all that it needs; nothing has begun.
// `co_await stream.receive()` awaits one where it is made; one with a name is awaited once, by
// `co_await std::move(request)`, and may be given to with_deadline, when_any and the like instead.
#pragma once

#include <naru/coro/awaiter.hpp>

namespace naru {

namespace detail {

template <class>
inline constexpr bool never_true = false;

}  // namespace detail

/// The base of requests. `Derived::awaiter` is made from the request, in the frame of who awaits it.
template <class Derived>
struct request {
    auto operator co_await() && { return typename Derived::awaiter(static_cast<Derived&&>(*this)); }

    template <class Awaited = Derived>
    auto operator co_await() & {
        static_assert(detail::never_true<Awaited>,
                      "naru: a request is awaited once and used up: co_await std::move(request)");
        return typename Awaited::awaiter(static_cast<Awaited&&>(*this));
    }

 private:
    friend Derived;
    request() noexcept = default;
};

}  // namespace naru
