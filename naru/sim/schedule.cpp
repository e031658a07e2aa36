// What happens next in a world: events, the turns of loops, and the passing of time.
#include <naru/loop/loop.hpp>
#include <naru/sim/backend.hpp>
#include <naru/sim/world.hpp>

#include <algorithm>
#include <functional>
#include <utility>

namespace naru::sim {

void world::at(instant when, std::move_only_function<void()> what) {
    events_.push_back({std::max(when, now_), events_made_++, std::move(what)});
    std::ranges::push_heap(events_, std::greater());
}

void world::run_due_events() {
    while (!events_.empty() && events_.front().when <= now_) {
        std::ranges::pop_heap(events_, std::greater());
        auto due = std::move(events_.back().what);
        events_.pop_back();
        ++events_run_;
        due();
    }
}

void world::enter(backend& arriving) { backends_.push_back(&arriving); }

void world::leave(backend& leaving) noexcept {
    std::erase(backends_, &leaving);
    turn_ = 0;
}

// The loops have their turns in the order in which they were made, each as soon as it has something to do.
// Those whose tick is under way further out on this stack wait for who is inside it.
bool world::run_a_loop(const backend* but_not) {
    for (std::size_t tried = 0; tried < backends_.size(); ++tried) {
        turn_ = (turn_ + 1) % backends_.size();
        backend* const each = backends_[turn_];
        loop* const its = each->its_loop();
        if (each == but_not || its == nullptr || its->is_running()) continue;
        if (!each->has_news() && its->next_due() > now_) continue;
        const visit there(each->on());
        its->run_for_one_tick(duration::zero());
        return true;
    }
    return false;
}

bool world::advance(backend* waiting, instant until) {
    run_due_events();
    if (waiting != nullptr && waiting->has_news()) return true;
    if (run_a_loop(waiting)) return true;
    instant next = until;
    if (!events_.empty()) next = std::min(next, events_.front().when);
    for (const backend* each : backends_) {
        if (each == waiting || each->its_loop() == nullptr || each->its_loop()->is_running()) continue;
        next = std::min({next, each->its_loop()->next_due(), each->next_late()});
    }
    if (waiting != nullptr) next = std::min(next, waiting->next_late());
    if (options_.outside && options_.outside()) return wait_outside(waiting, next);
    if (next == never) return false;
    now_ = std::max(now_, next);
    return true;
}

void world::wake_outside_wait() noexcept {
    if (!options_.outside) return;
    {
        const std::lock_guard lock(outside_mutex_);
        outside_woken_ = true;
    }
    outside_wake_.notify_all();
}

// As long as it takes outside, or until somebody there wakes a loop. In short pieces: who is outside may go
// without a word.
bool world::wait_outside(const backend* waiting, instant until) {
    constexpr std::chrono::milliseconds piece(5);
    const auto begun = std::chrono::steady_clock::now();
    const duration left = until == never ? duration(piece) : std::min<duration>(until - now_, piece);
    {
        std::unique_lock lock(outside_mutex_);
        if (waiting == nullptr || !waiting->is_woken())
            outside_wake_.wait_for(lock, left, [this] { return outside_woken_; });
        outside_woken_ = false;
    }
    const duration passed = std::chrono::steady_clock::now() - begun;
    now_ = std::min(std::max(until, now_), saturating_add(now_, passed));
    return true;
}

}  // namespace naru::sim
