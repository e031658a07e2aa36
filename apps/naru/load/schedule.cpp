// The schedule: when requests are sent. Open loop: each at its own time, whatever became of the ones before;
// closed loop: when a connection has its answer.
#include <load/generator.hpp>

#include <algorithm>

namespace naru::load {

// Of the schedule that all threads share.
instant generator::time_of_place(std::uint64_t place) const noexcept {
    return start_ + duration(static_cast<std::int64_t>(static_cast<double>(place) * interval_));
}

// The place of the first request that is not the warm-up's. All threads find the same, so that those from
// here on can be counted and not only timed: a time that is computed in another way may differ by a
// nanosecond, and the count by one.
std::uint64_t generator::first_measured() const noexcept {
    auto place = static_cast<std::uint64_t>(static_cast<double>(options_.warmup.count()) / interval_);
    while (place > 0 && time_of_place(place - 1) >= window_start_)
        --place;
    while (time_of_place(place) < window_start_)
        ++place;
    return place;
}

// Requests whose time has come and that no connection has taken.
std::uint64_t generator::backlog(instant now) const noexcept {
    const instant until = std::min(now, window_end_);
    if (until <= next_due_) return 0;
    const double spacing = interval_ * options_.threads;
    return static_cast<std::uint64_t>(static_cast<double>((until - next_due_).count()) / spacing) + 1;
}

void generator::bound_backlog(instant now) noexcept {
    const std::uint64_t behind = backlog(now);
    counts_.backlog_max = std::max(counts_.backlog_max, behind);
    while (behind > limits::backlog_requests && backlog(now) > limits::backlog_requests) {
        if (next_due_ >= window_start_) {
            ++counts_.overflowed;
            ++counts_.scheduled;
        }
        next_due_ = time_of(++next_index_);
    }
}

void generator::send_due(instant now) noexcept {
    while (is_due(now) && !spare_.empty()) {
        client& free = static_cast<client&>(*spare_.front());
        // It was free all the time, so what passed since then is the generator's own delay.
        assign(free, now, now - next_due_);
        free.unlink();
        if (free.room() > 0) spare_.push_back(free);
    }
    if (is_due(now)) bound_backlog(now);
}

void generator::assign(client& to, instant now, duration lag_of) noexcept {
    if (next_due_ >= window_start_) {
        ++counts_.scheduled;
        note_lag(lag_of);
    }
    to.ask(next_due_, now);
    to.flush();
    next_due_ = time_of(++next_index_);
}

// A connection has room for a request: it has been opened, or has its answer.
void generator::on_room(client& which, instant now) noexcept {
    if (phase_ != phase::running && phase_ != phase::draining) return;
    if (!open_loop_) {
        if (phase_ == phase::running && now < window_end_) fill(which, now);
        return;
    }
    // Its answer may have lain there while the generator was busy with others: that long at most.
    while (is_due(now) && which.room() > 0) {
        if (spare_.empty() && next_due_ >= window_start_) ++counts_.waited;
        assign(which, now, tick_lag(now));
    }
    if (which.room() == 0) {
        if (which.linked()) which.unlink();
    } else if (!which.linked()) {
        spare_.push_back(which);
    }
}

void generator::fill(client& which, instant now) noexcept {
    while (budget_ > 0 && which.room() > 0) {
        --budget_;
        which.ask(now, now);
    }
    which.flush();
}

}  // namespace naru::load
