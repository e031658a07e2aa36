// Waiting for time to pass, and for one's next turn.
#pragma once

#include <naru/coro/request.hpp>

#include <cstdint>

namespace naru {

/// Ends with success at its instant, or early with operation_canceled.
class [[nodiscard]] sleep_request : public request<sleep_request> {
 public:
    explicit sleep_request(instant until) noexcept : until_(until) {}
    explicit sleep_request(duration span) noexcept : span_(span), relative_(true) {}

    class awaiter : public detail::begins<awaiter>, private timer, private stop_entry {
     public:
        explicit awaiter(sleep_request&& of) noexcept
            : timer(&awaiter::expired),
              stop_entry(&awaiter::stop),
              until_(of.relative_ ? saturating_add(clock::now(), of.span_) : of.until_) {}
        awaiter(const awaiter&) = delete;
        awaiter& operator=(const awaiter&) = delete;

        bool await_ready() const noexcept { return false; }
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            waiting_ = waiting;
            loop_ = &detail::loop_of(in);
            loop_->arm_precisely(*this, until_);
            in.add(*this);
        }
        [[nodiscard]] result<void> await_resume() const noexcept {
            if (stopped_) return fail_errno(ECANCELED);
            return {};
        }

     private:
        static void expired(timer& self) noexcept {
            auto& each = static_cast<awaiter&>(self);
            if (each.stop_entry::linked()) each.stop_entry::unlink();
            each.waiting_.resume();
        }
        static void stop(stop_entry& self) noexcept {
            auto& each = static_cast<awaiter&>(self);
            each.stopped_ = true;
            each.loop_->arm(each, instant::min());  // resumes from the wheel, never from inside stop
        }

        instant until_;
        loop* loop_ = nullptr;
        std::coroutine_handle<> waiting_;
        bool stopped_ = false;
    };

 private:
    instant until_ = never;
    duration span_{0};
    bool relative_ = false;
};

/// What is too long to be counted in nanoseconds (292 years) has no end but a stop.
template <class Duration>
sleep_request sleep_until(std::chrono::time_point<std::chrono::steady_clock, Duration> until) noexcept {
    return sleep_request(saturate(until));
}
/// From when it is awaited.
template <class Rep, class Period>
sleep_request sleep_for(std::chrono::duration<Rep, Period> span) noexcept {
    return sleep_request(saturate(span));
}

/// co_await yield(): lets everything else that is ready have its turn first.
class [[nodiscard]] yield_request : public request<yield_request> {
 public:
    yield_request() noexcept {}
    class awaiter : public detail::begins<awaiter>, private posted {
     public:
        explicit awaiter(yield_request&&) noexcept
            : posted([](posted& self) noexcept { static_cast<awaiter&>(self).waiting_.resume(); }) {}
        bool await_ready() const noexcept { return false; }
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            waiting_ = waiting;
            detail::loop_of(in).defer(*this);
        }
        void await_resume() const noexcept {}

     private:
        std::coroutine_handle<> waiting_;
    };
};

inline yield_request yield() noexcept { return {}; }

/// Beats at even distances, however long what is done in between takes: the beat does not drift.
class interval {
 public:
    /// The first beat is one distance after now. A distance of zero or less is taken for a nanosecond.
    explicit interval(duration distance) noexcept
        : distance_(distance > duration(0) ? distance : duration(1)),
          next_(saturating_add(clock::now(), distance_)) {}

    /// co_await next(): until the next beat; at once, if that has passed: a late user gets one beat for all
    /// it has missed. result<void>: operation_canceled when stopped.
    sleep_request next() noexcept {
        const instant now = clock::now();
        if (next_ < now) {
            missed_ += static_cast<std::uint64_t>((now - next_) / distance_);
            next_ += (now - next_) / distance_ * distance_;
        }
        const instant beat = next_;
        next_ = saturating_add(next_, distance_);
        return sleep_until(beat);
    }
    /// Beats that nobody waited for.
    std::uint64_t missed() const noexcept { return missed_; }

 private:
    duration distance_;
    instant next_;
    std::uint64_t missed_ = 0;
};

}  // namespace naru
