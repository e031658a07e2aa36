#include <naru/coro/stop_token.hpp>

#include <chrono>
#include <utility>

namespace naru::detail {

/// Looks at the token every 10 ms. A std::stop_callback would keep the loop for ever: its end waits for a
/// call under way by an atomic wait, and those of GCC's library lose wake-ups where the system has no futex
/// (between its last look at the value and its wait nothing is held; of 9 runs of 3,000 stops 5 hung under
/// wine on a busy machine, without a line of naru in them).
class stop_watch : private timer {
 public:
    stop_watch(std::stop_token token, stop_scope& scope, loop& home) noexcept
        : timer([](timer& self) noexcept { static_cast<stop_watch&>(self).look(); }),
          token_(std::move(token)),
          scope_(&scope),
          home_(&home) {
        if (token_.stop_possible()) home_->arm(*this, home_->now());
    }
    void let_go() noexcept {
        home_->disarm(*this);
        delete this;
    }

 private:
    static constexpr auto between_looks = std::chrono::milliseconds(10);

    void look() noexcept {
        if (token_.stop_requested()) {
            scope_->stop();
        } else if (token_.stop_possible()) {
            home_->arm(*this, home_->now() + between_looks);
        }
    }

    std::stop_token token_;
    stop_scope* scope_;
    loop* home_;
};

stop_watch* watch_stop(std::stop_token token, stop_scope& scope, loop& home) {
    return new stop_watch(std::move(token), scope, home);
}

void let_go(stop_watch* watch) noexcept { watch->let_go(); }

}  // namespace naru::detail
