// Coroutines that serve connections after an upgrade: the outermost of each, which nobody awaits.
#pragma once

#include <naru/coro/frame.hpp>
#include <naru/coro/scope.hpp>
#include <naru/http/exchange/upgraded_stream.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>

namespace naru::http::detail {

/// What those of one loop have in common.
struct upgrades {
    stop_scope* scope;
    std::size_t running = 0;
    std::function<void()> ended;                            ///< called when one has
    std::function<void(const std::exception_ptr&)> thrown;  ///< called with what comes out of a handler
};

/// Of a coroutine whose first parameter is `upgrades&`. It runs at once. Idle, a connection costs its frame
/// as well, so nothing should be in it but what is needed by then.
struct running_upgrade {
    struct promise_type : frame_memory {
        template <class... Arguments>
        explicit promise_type(upgrades& in, Arguments&... /*unused*/) noexcept : scope{&in} {
            ++in.running;
        }
        /// The scope that all of them run in, by way of what they have in common.
        struct scope_of_home {
            upgrades* home;
            stop_scope& operator*() const noexcept { return *home->scope; }
        } scope;

        struct final_awaiter {
            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                upgrades& others = *self.promise().scope.home;
                self.destroy();
                --others.running;
                others.ended();
            }
            void await_resume() const noexcept {}
        };
        running_upgrade get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        final_awaiter final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        // Its connection is closed with its frame.
        void unhandled_exception() const noexcept { scope.home->thrown(std::current_exception()); }
    };
};

/// Begins the coroutine of a connection. The stream is lent for the call: it is to be taken.
using upgrade_start = std::move_only_function<void(upgrades&, upgraded_stream&)>;

}  // namespace naru::http::detail
