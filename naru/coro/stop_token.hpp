// From and to the standard library's way of asking for an end, which any thread may use.
#pragma once

#include <naru/coro/deadline.hpp>

#include <stop_token>
#include <utility>

namespace naru {

namespace detail {

/// Carries a stop from whatever thread it is asked for on to a scope on its loop.
class stop_watch;
stop_watch* watch_stop(std::stop_token token, stop_scope& scope, loop& home);
void let_go(stop_watch* watch) noexcept;  // on the loop's thread

struct token_bound {
    std::stop_token token;

    class active {
     public:
        explicit active(const token_bound& of) noexcept : token_(of.token) {}
        active(const active&) = delete;
        active& operator=(const active&) = delete;
        void begin(stop_scope& scope, stop_scope& outer) {
            scope_access::chain(scope, outer);
            watch_ = watch_stop(std::move(token_), scope, loop_of(outer));
        }
        void end(stop_scope& /*scope*/) noexcept {
            if (watch_ != nullptr) let_go(std::exchange(watch_, nullptr));
        }
        ~active() {
            if (watch_ != nullptr) let_go(watch_);
        }
        bool expired() const noexcept { return false; }

     private:
        std::stop_token token_;
        stop_watch* watch_ = nullptr;
    };
};

}  // namespace detail

/// co_await with_stop(token, stream.receive()): stopped when the token is, from whatever thread, and with the
/// scope that it runs in. The token's source may be gone before or after. Allocates. On Windows within 10 ms:
/// the token is looked at (coro/stop_token_windows.cpp says why).
template <class Awaitable>
auto with_stop(std::stop_token token, Awaitable&& bounded) {
    detail::must_be_moved<Awaitable>();
    return detail::bounded_request<detail::token_bound, std::remove_cvref_t<Awaitable>>(
        detail::token_bound{std::move(token)}, std::forward<Awaitable>(bounded));
}

/// A std::stop_token that is stopped with a scope: for threads that work for a coroutine. The scope must
/// outlive it; it belongs to the scope's thread, its tokens to any.
class stop_token_of : private stop_entry {
 public:
    explicit stop_token_of(stop_scope& scope)
        : stop_entry([](stop_entry& self) noexcept {
              (void)static_cast<stop_token_of&>(self).source_.request_stop();
          }) {
        scope.add(*this);
    }
    ~stop_token_of() {
        if (linked()) unlink();
    }
    std::stop_token token() const noexcept { return source_.get_token(); }

 private:
    std::stop_source source_;
};

}  // namespace naru
