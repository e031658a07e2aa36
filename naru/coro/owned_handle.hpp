// A handle with one owner, for the classes that coroutines use.
#pragma once

#include <naru/coro/request.hpp>
#include <naru/loop/loop.hpp>

#include <utility>

namespace naru {

/// Move-only; closes its handle at the end of its life. The loop must outlive it.
class owned_handle {
 public:
    owned_handle() noexcept = default;
    owned_handle(loop& on, handle taken) noexcept : loop_(&on), handle_(taken) {}
    owned_handle(owned_handle&& other) noexcept : loop_(other.loop_), handle_(other.give()) {}
    owned_handle& operator=(owned_handle&& other) noexcept {
        std::swap(loop_, other.loop_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~owned_handle() {
        if (handle_) loop_->close(handle_);
    }

    loop& home() const noexcept {
        if (loop_ == nullptr) fatal("bug: a stream or socket was used that never was opened");
        return *loop_;
    }
    handle get() const noexcept { return handle_; }
    /// Whoever takes it has to close it.
    handle give() noexcept { return std::exchange(handle_, handle()); }

 private:
    loop* loop_ = nullptr;
    handle handle_;
};

/// result<void>: cancels and joins what is in flight on the handle, then closes it. One that is never awaited
/// closes it, too. A close is not ended early by a stop.
class [[nodiscard]] close_request : public request<close_request> {
 public:
    explicit close_request(owned_handle closing) noexcept : closing_(std::move(closing)) {}

    class awaiter : public operation_awaiter<close_operation>, public detail::begins<awaiter> {
     public:
        explicit awaiter(close_request&& of) noexcept : operation_awaiter(of.closing_.home()) {
            set(of.closing_.give());
        }
        ~awaiter() {
            if (!waits_ && target) loop_->close(target);
        }
        using detail::begins<awaiter>::await_suspend;
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            waits_ = true;
            begin_unstoppable(waiting, in);
        }
        [[nodiscard]] naru::result<void> await_resume() const noexcept { return void_outcome(); }

     private:
        bool waits_ = false;
    };

 private:
    owned_handle closing_;
};

}  // namespace naru
