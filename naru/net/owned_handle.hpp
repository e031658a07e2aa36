// A handle with one owner, for the classes that coroutines use.
#pragma once

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

    loop& home() const noexcept { return *loop_; }
    handle get() const noexcept { return handle_; }
    /// Whoever takes it has to close it.
    handle give() noexcept { return std::exchange(handle_, handle()); }

 private:
    loop* loop_ = nullptr;
    handle handle_;
};

}  // namespace naru
