#include <load/alarm.hpp>

#include <algorithm>
#include <cerrno>

#include <sys/timerfd.h>

namespace naru::load {

struct alarm::source : readable_operation {
    source(alarm& of, handle attached, int number) noexcept
        : readable_operation([](operation& op) noexcept {
              auto& rung = static_cast<source&>(op);
              rung.arm({});
              rung.owner.set_for_ = never;
              if (!op.failed()) rung.owner.loop_.submit(op);
          }),
          owner(of),
          descriptor(number) {
        set(attached);
    }

    /// At an absolute time; zero disarms. Either way an expiry that nobody has read is taken back: without
    /// that the descriptor stays readable, and no wait of the loop sleeps.
    void arm(const itimerspec& at) const noexcept {
        (void)timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &at, nullptr);
    }

    alarm& owner;
    int descriptor;
};

alarm::alarm(loop& on) noexcept : loop_(on) {}
alarm::~alarm() = default;

result<void> alarm::open() {
    const int made = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (made < 0) return fail_errno(errno);
    const auto attached = loop_.attach(made, descriptor_kind::other);
    if (!attached) return fail(attached.error());
    source_ = std::make_unique<source>(*this, *attached, made);
    loop_.submit(*source_);
    return {};
}

void alarm::set(instant when) noexcept {
    if (source_ == nullptr || when == set_for_) return;
    set_for_ = when;
    const auto since = std::max<std::int64_t>(when.time_since_epoch().count(), 1);
    itimerspec at{};
    at.it_value.tv_sec = since / 1'000'000'000;
    at.it_value.tv_nsec = since % 1'000'000'000;
    source_->arm(at);
}

void alarm::close() noexcept {
    if (source_ == nullptr || !source_->target) return;
    loop_.close(source_->target);
    source_->target = {};
}

}  // namespace naru::load
