// Coroutines that wait for each other: what channel, mutex, semaphore and event are made of.
#pragma once

#include <naru/coro/request.hpp>

#include <coroutine>
#include <utility>

namespace naru::detail {

class wait_queue;

struct place_in_queue : list_node {};

/// One who waits. In its queue and in its scope until it is woken or stopped; then it resumes in the loop's
/// next tick, never from within who woke it.
class waiter : public begins<waiter>, private place_in_queue, private stop_entry, private posted {
 public:
    explicit waiter(wait_queue& of) noexcept
        : stop_entry([](stop_entry& self) noexcept { static_cast<waiter&>(self).stop(); }),
          posted([](posted& self) noexcept { static_cast<waiter&>(self).waiting_.resume(); }),
          queue_(&of) {}
    waiter(const waiter&) = delete;
    waiter& operator=(const waiter&) = delete;

    void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept;

 protected:
    ~waiter() = default;
    bool stopped() const noexcept { return stopped_; }

 private:
    friend class wait_queue;
    void stop() noexcept {
        stopped_ = true;
        place_in_queue::unlink();
        loop_->defer(*this);
    }
    void wake() noexcept {
        if (stop_entry::linked()) stop_entry::unlink();
        loop_->defer(*this);
    }

    wait_queue* queue_;
    loop* loop_ = nullptr;
    std::coroutine_handle<> waiting_;
    bool stopped_ = false;
};

/// First come, first served. Belongs to one loop: that of the first who waits.
class wait_queue {
 public:
    wait_queue() noexcept = default;
    ~wait_queue() {
        if (!waiters_.empty())
            fatal("bug: a channel, mutex, semaphore or event ended while coroutines wait for it");
    }
    wait_queue(const wait_queue&) = delete;
    wait_queue& operator=(const wait_queue&) = delete;

    bool empty() const noexcept { return waiters_.empty(); }
    waiter* front() noexcept {
        return empty() ? nullptr : &static_cast<waiter&>(static_cast<place_in_queue&>(*waiters_.front()));
    }
    /// Takes the first out and resumes it soon; nullptr if there is none.
    waiter* wake_one() noexcept {
        list_node* const node = waiters_.pop_front();
        if (node == nullptr) return nullptr;
        auto& each = static_cast<waiter&>(static_cast<place_in_queue&>(*node));
        each.wake();
        return &each;
    }
    void wake_all() noexcept {
        while (wake_one() != nullptr) {
        }
    }

 private:
    friend class waiter;
    void add(waiter& each, loop& on) noexcept {
        if (loop_ == nullptr) loop_ = &on;
        if (loop_ != &on)
            fatal("bug: a channel, mutex, semaphore or event was awaited on two loops; it belongs to one");
        waiters_.push_back(static_cast<place_in_queue&>(each));
    }

    list_head waiters_;
    loop* loop_ = nullptr;
};

inline void waiter::begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
    waiting_ = waiting;
    loop_ = &loop_of(in);
    queue_->add(*this, *loop_);
    in.add(*this);
}

}  // namespace naru::detail
