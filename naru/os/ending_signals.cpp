#include <naru/os/ending_signals.hpp>

#include <atomic>
#include <csignal>

#include <pthread.h>

namespace naru {

struct ending_signals::state {
    sigset_t wanted;
    sigset_t before;
    pthread_t waiting = pthread_self();
    std::atomic<bool> over{false};
    bool blocked = true;

    void unblock() noexcept {
        if (!blocked) return;
        blocked = false;
        // One that has come together with that which ended the wait is taken, too.
        sigset_t pending;
        int taken = 0;
        while (sigpending(&pending) == 0 &&
               (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1)) {
            if (sigwait(&wanted, &taken) != 0) break;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }
};

ending_signals::ending_signals() : state_(std::make_unique<state>()) {
    sigemptyset(&state_->wanted);
    sigaddset(&state_->wanted, SIGINT);
    sigaddset(&state_->wanted, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &state_->wanted, &state_->before);
}

ending_signals::~ending_signals() { state_->unblock(); }

void ending_signals::wait() noexcept {
    int taken = 0;
    while (sigwait(&state_->wanted, &taken) != 0) {
    }
    state_->over = true;
}

void ending_signals::wake() noexcept {
    // Blocked there: it ends the wait, and no thread.
    if (!state_->over) pthread_kill(state_->waiting, SIGTERM);  // NOLINT(bugprone-bad-signal-to-kill-thread)
}

void ending_signals::end_at_the_next() noexcept { state_->unblock(); }

}  // namespace naru
