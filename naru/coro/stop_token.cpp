#include <naru/coro/stop_token.hpp>

namespace naru::detail {

stop_message::stop_message(stop_scope& scope, loop& home) noexcept
    : posted([](posted& self) noexcept {
          auto& message = static_cast<stop_message&>(self);
          if (message.scope_ != nullptr) {
              message.sent_.store(false, std::memory_order_relaxed);  // read: its owner frees it
              message.scope_->stop();
          } else {
              delete &message;
          }
      }),
      scope_(&scope),
      home_(&home) {}

void stop_message::send() noexcept {
    sent_.store(true, std::memory_order_relaxed);
    home_->post(*this);
}

void stop_message::let_go(stop_message* message) noexcept {
    if (message->sent_.load(std::memory_order_relaxed)) {
        message->scope_ = nullptr;  // it is in the loop's queue
    } else {
        delete message;
    }
}

void token_bound::active::begin(stop_scope& scope, stop_scope& outer) {
    scope_access::chain(scope, outer);
    message_ = new stop_message(scope, loop_of(outer));
    callback_.emplace(std::move(token_), sends{message_});
}

void token_bound::active::end(stop_scope& /*scope*/) noexcept { let_go(); }

// The callback's end waits for a call of it under way: after that nobody else has the message.
void token_bound::active::let_go() noexcept {
    callback_.reset();
    if (message_ != nullptr) stop_message::let_go(std::exchange(message_, nullptr));
}

}  // namespace naru::detail
