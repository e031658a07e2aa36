#include <naru/os/ending_signals.hpp>
#include <naru/os/windows_api.hpp>

#include <atomic>

namespace naru {

namespace {

// The system calls the handler on a thread of its own: what it sets must be found without a lock.
std::atomic<HANDLE> asked{nullptr};

BOOL WINAPI on_request(DWORD /*what*/) {
    const HANDLE told = asked.load();
    return told != nullptr && SetEvent(told) != 0 ? TRUE : FALSE;
}

}  // namespace

struct ending_signals::state {
    HANDLE event = nullptr;
    bool set = false;

    void stop() noexcept {
        if (!set) return;
        set = false;
        asked = nullptr;
        SetConsoleCtrlHandler(&on_request, FALSE);
    }
};

ending_signals::ending_signals() : state_(std::make_unique<state>()) {
    state_->event = CreateEventW(nullptr, TRUE, FALSE, nullptr);
    asked = state_->event;
    state_->set = SetConsoleCtrlHandler(&on_request, TRUE) != 0;
}

ending_signals::~ending_signals() {
    state_->stop();
    if (state_->event != nullptr) CloseHandle(state_->event);
}

void ending_signals::wait() noexcept { WaitForSingleObject(state_->event, INFINITE); }
void ending_signals::wake() noexcept { SetEvent(state_->event); }
void ending_signals::end_at_the_next() noexcept { state_->stop(); }

}  // namespace naru
