// From and to the standard library's way of asking for an end, which any thread may use.
#pragma once

#include <naru/coro/deadline.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

namespace naru {

namespace detail {

/// Carries a stop from whatever thread it is asked for on to a scope on its loop. Kept by that scope's owner
/// until it lets go; it frees itself when the message has been read, if one is under way then.
class stop_message : private posted {
 public:
    stop_message(stop_scope& scope, loop& home) noexcept;
    /// Any thread; once.
    void send() noexcept;
    /// On the loop's thread; nobody calls send any more.
    static void let_go(stop_message* message) noexcept;

 private:
    stop_scope* scope_;  // null when its owner has let go
    loop* home_;
    std::atomic<bool> sent_{false};
};

struct token_bound {
    std::stop_token token;

    class active {
     public:
        explicit active(const token_bound& of) noexcept : token_(of.token) {}
        void begin(stop_scope& scope, stop_scope& outer);
        void end(stop_scope& scope) noexcept;
        ~active() { let_go(); }
        bool expired() const noexcept { return false; }

     private:
        struct sends {
            stop_message* message;
            void operator()() const noexcept { message->send(); }
        };
        void let_go() noexcept;

        std::stop_token token_;
        stop_message* message_ = nullptr;
        std::optional<std::stop_callback<sends>> callback_;
    };
};

}  // namespace detail

/// co_await with_stop(token, stream.receive()): stopped when the token is, from whatever thread, and with the
/// scope that it runs in. The token's source may be gone before or after. Allocates.
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
