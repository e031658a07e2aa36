// What all coroutines that one `run` has started have in common: their loop, their outermost scope, and a
// watch for the case that their leases leave no buffer to receive into.
#pragma once

#include <naru/coro/scope.hpp>
#include <naru/loop/loop.hpp>

#include <coroutine>
#include <cstdint>

namespace naru::detail {

class root {
 public:
    explicit root(loop& home) noexcept : home_(&home) { scope_.root_ = this; }
    ~root() { home_->disarm(watch_); }
    root(const root&) = delete;
    root& operator=(const root&) = delete;

    loop& home() const noexcept { return *home_; }
    stop_scope& scope() noexcept { return scope_; }

    /// A receive begins: if leases hold many buffers, somebody should look whether it is ever served.
    void receive_begins() noexcept {
        if (home_->buffers().scarce() && !watch_.armed()) watch();
    }

 private:
    struct lease_watch : timer {
        explicit lease_watch(root& of) noexcept
            : timer([](timer& self) noexcept { static_cast<lease_watch&>(self).owner.look(); }), owner(of) {}
        root& owner;
    };
    void watch() noexcept;
    void look() noexcept;
    void fail_starved() noexcept;

    loop* home_;
    stop_scope scope_;
    lease_watch watch_{*this};
    std::uint64_t given_back_ = 0;  // when the watch was set
    bool reported_ = false;
};

inline root& root_of(const stop_scope& scope) noexcept { return scope_access::root_of(scope); }
inline loop& loop_of(const stop_scope& scope) noexcept { return root_of(scope).home(); }

/// The scope that a coroutine runs in.
template <class Promise>
stop_scope& scope_of(Promise& promise) noexcept {
    static_assert(
        requires { promise.scope; }, "naru: this can be awaited only in a coroutine that returns naru::task");
    return *promise.scope;
}

}  // namespace naru::detail
