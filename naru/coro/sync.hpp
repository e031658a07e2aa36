// Coroutines of one loop that take turns or wait for each other. None of this is for other threads; nothing
// allocates. All waits end early with operation_canceled when they are stopped.
#pragma once

#include <naru/coro/wait_queue.hpp>

#include <cstddef>
#include <utility>

namespace naru {

/// So many may hold a permit at a time; the rest wait in the order in which they came.
class async_semaphore {
 public:
    explicit async_semaphore(std::size_t permits) noexcept : free_(permits) {}

    /// A permit, given back at the end of its life. Move-only; must not outlive its semaphore.
    class permit {
     public:
        permit() noexcept = default;
        explicit permit(async_semaphore& of) noexcept : semaphore_(&of) {}
        permit(permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
        permit& operator=(permit&& other) noexcept {
            std::swap(semaphore_, other.semaphore_);
            return *this;
        }
        ~permit() { release(); }
        void release() noexcept {
            if (semaphore_ != nullptr) std::exchange(semaphore_, nullptr)->give_back();
        }
        explicit operator bool() const noexcept { return semaphore_ != nullptr; }

     private:
        async_semaphore* semaphore_ = nullptr;
    };

    class [[nodiscard]] acquire_request : public request<acquire_request> {
     public:
        explicit acquire_request(async_semaphore& of) noexcept : semaphore_(&of) {}
        class awaiter : public detail::waiter {
         public:
            explicit awaiter(acquire_request&& of) noexcept
                : waiter(of.semaphore_->waiting_), semaphore_(of.semaphore_) {}
            bool await_ready() noexcept { return semaphore_->take(); }
            [[nodiscard]] result<permit> await_resume() noexcept {
                if (stopped()) return fail_errno(ECANCELED);
                return permit(*semaphore_);
            }

         private:
            async_semaphore* semaphore_;
        };

     private:
        async_semaphore* semaphore_;
    };

    /// result<permit>.
    acquire_request acquire() noexcept { return acquire_request(*this); }
    /// A permit, or none (false) if somebody would have to wait.
    [[nodiscard]] permit try_acquire() noexcept { return take() ? permit(*this) : permit(); }
    std::size_t available() const noexcept { return free_; }

 private:
    bool take() noexcept {
        if (free_ == 0 || !waiting_.empty()) return false;
        --free_;
        return true;
    }
    void give_back() noexcept {
        if (waiting_.wake_one() == nullptr) ++free_;  // else the permit is the woken one's
    }

    std::size_t free_;
    detail::wait_queue waiting_;
};

/// One at a time.
class async_mutex {
 public:
    async_mutex() noexcept : one_(1) {}
    using guard = async_semaphore::permit;
    /// result<guard>.
    async_semaphore::acquire_request lock() noexcept { return one_.acquire(); }
    [[nodiscard]] guard try_lock() noexcept { return one_.try_acquire(); }

 private:
    async_semaphore one_;
};

/// A flag that can be waited for.
class async_event {
 public:
    async_event() noexcept = default;

    class [[nodiscard]] wait_request : public request<wait_request> {
     public:
        explicit wait_request(async_event& of) noexcept : event_(&of) {}
        class awaiter : public detail::waiter {
         public:
            explicit awaiter(wait_request&& of) noexcept : waiter(of.event_->waiting_), event_(of.event_) {}
            bool await_ready() const noexcept { return event_->set_; }
            [[nodiscard]] result<void> await_resume() const noexcept {
                if (stopped()) return fail_errno(ECANCELED);
                return {};
            }

         private:
            async_event* event_;
        };

     private:
        async_event* event_;
    };

    /// result<void>: when it is set; at once, if it is.
    wait_request wait() noexcept { return wait_request(*this); }
    /// All who wait go on.
    void set() noexcept {
        set_ = true;
        waiting_.wake_all();
    }
    void reset() noexcept { set_ = false; }
    bool is_set() const noexcept { return set_; }

 private:
    bool set_ = false;
    detail::wait_queue waiting_;
};

}  // namespace naru
