#include <load/alarm.hpp>

#include <naru/os/windows_api.hpp>

#include <algorithm>
#include <atomic>

namespace naru::load {

namespace {

// CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, which mingw's headers leave out.
constexpr DWORD high_resolution = 2;

}  // namespace

// The timer is waited for by the system's pool of threads, which ends the loop's wait.
struct alarm::source {
    explicit source(loop& on) noexcept : owner(on) {}

    static void CALLBACK on_expiry(void* context, BOOLEAN /*timed_out*/) noexcept {
        auto& rung = *static_cast<source*>(context);
        rung.has_rung.store(true, std::memory_order_release);
        rung.owner.backend().wake();
    }

    loop& owner;
    HANDLE timer = nullptr;
    HANDLE wait = nullptr;
    std::atomic<bool> has_rung{false};
};

alarm::alarm(loop& on) noexcept : loop_(on) {}
alarm::~alarm() = default;

result<void> alarm::open() {
    auto made = std::make_unique<source>(loop_);
    // The fine one is Windows 10's from 1803 on; the other one is good to a tick of the system's clock.
    for (const DWORD flags : {high_resolution, DWORD{0}}) {
        made->timer = CreateWaitableTimerExW(nullptr, nullptr, flags, TIMER_ALL_ACCESS);
        if (made->timer != nullptr) break;
    }
    if (made->timer == nullptr) return fail_errno(windows::errno_of(GetLastError()));
    if (!RegisterWaitForSingleObject(&made->wait, made->timer, &source::on_expiry, made.get(), INFINITE,
                                     WT_EXECUTEINWAITTHREAD)) {
        const int error = windows::errno_of(GetLastError());
        CloseHandle(made->timer);
        return fail_errno(error);
    }
    source_ = std::move(made);
    return {};
}

void alarm::set(instant when) noexcept {
    if (source_ == nullptr) return;
    const bool has_rung = source_->has_rung.exchange(false, std::memory_order_acq_rel);
    if (when == set_for_ && !has_rung) return;
    set_for_ = when;
    // Negative: from now on, in units of 100 ns.
    LARGE_INTEGER due;
    due.QuadPart = -std::max<std::int64_t>((when - clock::now()).count() / 100, 1);
    SetWaitableTimer(source_->timer, &due, 0, nullptr, nullptr, FALSE);
}

void alarm::close() noexcept {
    if (source_ == nullptr || source_->timer == nullptr) return;
    UnregisterWaitEx(source_->wait, INVALID_HANDLE_VALUE);  // returns when no callback runs any more
    CloseHandle(std::exchange(source_->timer, nullptr));
}

}  // namespace naru::load
