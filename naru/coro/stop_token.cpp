#include <naru/coro/stop_token.hpp>

#include <atomic>
#include <optional>
#include <utility>

namespace naru::detail {

/// Kept by the scope's owner until it lets go; it frees itself when the message has been read, if one is
/// under way then.
class stop_watch : private posted {
 public:
    stop_watch(std::stop_token token, stop_scope& scope, loop& home)
        : posted([](posted& self) noexcept { static_cast<stop_watch&>(self).read(); }),
          scope_(&scope),
          home_(&home),
          callback_(std::in_place, std::move(token), sends{this}) {}

    /// On the loop's thread.
    void let_go() noexcept {
        callback_.reset();  // waits for a call of it under way: after that nobody else has this
        if (sent_.load(std::memory_order_relaxed)) {
            scope_ = nullptr;  // it is in the loop's queue
        } else {
            delete this;
        }
    }

 private:
    struct sends {
        stop_watch* watch;
        void operator()() const noexcept {
            watch->sent_.store(true, std::memory_order_relaxed);
            watch->home_->post(*watch);
        }
    };

    void read() noexcept {
        if (scope_ == nullptr) {
            delete this;
        } else {
            sent_.store(false, std::memory_order_relaxed);  // read: its owner frees it
            scope_->stop();
        }
    }

    stop_scope* scope_;  // null when its owner has let go
    loop* home_;
    std::atomic<bool> sent_{false};
    std::optional<std::stop_callback<sends>> callback_;
};

stop_watch* watch_stop(std::stop_token token, stop_scope& scope, loop& home) {
    return new stop_watch(std::move(token), scope, home);
}

void let_go(stop_watch* watch) noexcept { watch->let_go(); }

}  // namespace naru::detail
