#include <naru/load/alarm.hpp>

#include <algorithm>
#include <cerrno>

#include <sys/timerfd.h>

namespace naru::load {

alarm::ring_operation::ring_operation(alarm& of) noexcept
    : operation(operation_kind::readable,
                [](operation& op) noexcept {
                    alarm& rung = static_cast<ring_operation&>(op).owner;
                    rung.set_for_ = never;
                    if (!op.failed()) rung.watch();
                }),
      owner(of) {}

alarm::alarm(loop& on) noexcept : loop_(on), ring_(*this) {}

result<void> alarm::open() noexcept {
    const int made = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (made < 0) return fail_errno(errno);
    const auto attached = loop_.attach(made, descriptor_kind::other);
    if (!attached) return fail(attached.error());
    timer_ = *attached;
    descriptor_ = made;
    watch();
    return {};
}

void alarm::watch() noexcept {
    ring_.target = timer_;
    loop_.submit(ring_);
}

// Setting a timerfd again takes back an expiry that nobody has read, so it is never read.
void alarm::set(instant when) noexcept {
    if (when == set_for_) return;
    set_for_ = when;
    const auto since = std::max<std::int64_t>(when.time_since_epoch().count(), 1);
    itimerspec at{};
    at.it_value.tv_sec = since / 1'000'000'000;
    at.it_value.tv_nsec = since % 1'000'000'000;
    (void)timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &at, nullptr);
}

void alarm::close() noexcept {
    if (!timer_) return;
    loop_.close(timer_);
    timer_ = {};
}

}  // namespace naru::load
