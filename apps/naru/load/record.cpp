// Record: what became of a request, and when.
#include <load/generator.hpp>

#include <algorithm>

namespace naru::load {

void generator::record(const flight& answered, unsigned status, instant now) noexcept {
    --in_flight_;
    // What the measured time has seen the end of, as the processor time in it is: also those that were sent
    // before it. Without them a server that takes a tenth of the time for an answer would lose a tenth of its
    // rate.
    const bool in_time = now >= window_start_ && now < window_end_;
    const bool is_expected = status >= options_.status_from && status <= options_.status_to;
    if (in_time) {
        note_answer(now);
        ++counts_.in_time;
        ++counts_.statuses[status / 100 - 1];
        ++second_requests_;
        if (!is_expected) ++second_errors_;
    }
    if (!is_measured(answered)) return;
    ++counts_.completed;
    if (!is_expected) {
        ++counts_.errors[static_cast<std::size_t>(failure::unexpected_status)];
        return;
    }
    record_latency(answered, now);
    if (!open_loop_) note_lag(tick_lag(now));
}

void generator::note_answer(instant now) noexcept {
    const instant since = std::max(quiet_since_, window_start_);
    if (now - since > counts_.longest_silence) {
        counts_.longest_silence = now - since;
        counts_.silence_began = since - window_start_;
    }
    quiet_since_ = now;
}

void generator::record_latency(const flight& ended, instant now) noexcept {
    const duration service = now - ended.sent;
    service_.record(service);
    if (open_loop_) {
        corrected_.record(now - ended.intended);
        second_.record(now - ended.intended);
    } else {
        second_.record(service);
    }
}

// A timeout is a latency, too: leaving it out would make a server look the better the longer it hangs.
void generator::record_failure(const flight& failed, failure kind, const char* what, instant now) noexcept {
    --in_flight_;
    if (!is_measured(failed)) return;
    ++counts_.failed;
    ++counts_.errors[static_cast<std::size_t>(kind)];
    if (counts_.first_problem.empty()) counts_.first_problem = what;
    if (now < window_end_) ++second_errors_;
    if (kind != failure::timed_out) return;
    ++counts_.timeouts_timed;
    record_latency(failed, now);
}

void generator::count_failure(failure kind, const char* what) noexcept {
    if (phase_ == phase::closing) return;
    ++counts_.errors[static_cast<std::size_t>(kind)];
    if (counts_.first_problem.empty()) counts_.first_problem = what;
    if (window_is_open_ && !window_is_over_) ++second_errors_;
}

// What has no answer at the end counts with the time it has waited so far.
void generator::record_unfinished(instant now) noexcept {
    for (const client& each : clients_) {
        if (each.is_idle_one()) continue;
        each.for_each_flight([&](const flight& open) {
            if (!is_measured(open)) return;
            ++counts_.unfinished;
            record_latency(open, now);
        });
    }
    while (open_loop_ && next_due_ < window_end_) {
        if (next_due_ >= window_start_) {
            ++counts_.unfinished;
            ++counts_.unsent;
            ++counts_.scheduled;
            corrected_.record(now - next_due_);
        }
        next_due_ = time_of(++next_index_);
    }
}

// Hands over the seconds that are past, and at the end what there is of the last one.
void generator::close_seconds(instant now, bool last) noexcept {
    constexpr duration length = std::chrono::seconds(1);
    while (now >= second_end_ || (last && now > second_end_ - length)) {
        timeline_.add(second_index_++, second_requests_, second_errors_, second_);
        second_.clear();
        second_requests_ = second_errors_ = 0;
        second_end_ += length;
    }
}

void generator::publish() noexcept {
    const instant now = loop_.now();
    if (now < publish_at_) return;
    publish_at_ = now + std::chrono::milliseconds(100);
    constexpr auto relaxed = std::memory_order_relaxed;
    live_.completed.store(counts_.completed, relaxed);
    live_.errors.store(counts_.errors_in_all(), relaxed);
    live_.connections.store(live_clients_ - connecting_, relaxed);
    live_.in_flight.store(in_flight_, relaxed);
    live_.backlog.store(open_loop_ && phase_ == phase::running ? backlog(now) : 0, relaxed);
}

}  // namespace naru::load
