#include <load/generator.hpp>

#include <algorithm>
#include <limits>

namespace naru::load {

namespace {

constexpr duration beat_while_opening = std::chrono::milliseconds(5);
constexpr duration beat = std::chrono::milliseconds(50);
// While requests are under way, a stop is in their latencies: when it began is known to this. A loop that is
// busy has a tick more often in any case.
constexpr duration fine_beat = std::chrono::milliseconds(1);

// A gap that is not worth sleeping through: on a virtual machine, setting a timer, falling asleep and waking
// up took 15 microseconds of the core, and the thread ran again 40 microseconds late, when a whole request
// took
// 40. What is spent in this way is not counted as work.
constexpr duration spin_limit = std::chrono::microseconds(250);

// The share of `whole` that thread `index` gets.
template <class Number>
Number part(Number whole, unsigned index, unsigned threads) {
    return whole / threads + (index < whole % threads ? 1 : 0);
}

double seconds_of(duration value) { return std::chrono::duration<double>(value).count(); }

}  // namespace

generator::metronome::metronome(generator& of) noexcept
    : timer([](timer& expired) noexcept { static_cast<metronome&>(expired).owner.keep_time(clock::now()); }),
      owner(of) {}

generator::generator(const run_options& options, unsigned index, std::unique_ptr<backend> completions,
                     timeline& seconds, std::function<void()> on_ready)
    : options_(options),
      index_(index),
      timeline_(seconds),
      on_ready_(std::move(on_ready)),
      loop_(std::move(completions)),
      alarm_(loop_),
      metronome_(*this),
      open_loop_(options.rate.has_value()),
      budget_(std::numeric_limits<std::uint64_t>::max()) {
    const std::uint32_t active = part(options.connections, index, options.threads);
    const std::uint32_t idle = part(options.idle, index, options.threads);
    flights_.resize(std::size_t{active} * options.pipeline + idle);
    is_settled_.resize(std::size_t{active} + idle);
    // The idle ones first: they are there when the requests begin.
    flight* flights = flights_.data();
    for (std::uint32_t each = 0; each < idle; ++each)
        clients_.emplace_back(*this, each, true, flights++);
    for (std::uint32_t each = 0; each < active; ++each, flights += options.pipeline)
        clients_.emplace_back(*this, idle + each, false, flights);
    batch_ = static_cast<unsigned>(
        std::clamp<std::size_t>(limits::batch_bytes / options.request.size(), 1, options.pipeline));
    for (unsigned copies = 0; copies < batch_; ++copies)
        request_batch_ += options.request;
    if (open_loop_) {
        interval_ = 1e9 / *options.rate;
    } else if (options.requests) {
        budget_ = part(*options.requests, index, options.threads);
    }
}

std::string_view generator::request_text(unsigned count) const noexcept {
    return std::string_view(request_batch_).substr(0, count * options_.request.size());
}

const address* generator::source_of(std::uint32_t client_index) const noexcept {
    if (options_.sources.empty()) return nullptr;
    const std::uint64_t place = std::uint64_t{client_index} * options_.threads + index_;
    return &options_.sources[place % options_.sources.size()];
}

void generator::run() {
    opening_began_ = last_opened_ = clock::now();
    if (open_loop_) {
        if (const auto opened = alarm_.open(); !opened)
            count_failure(failure::other, "no descriptor for a timer");
    }
    keep_time(opening_began_);
    bool waits_next = false;
    // Asked twice in a tick: after what has happened, and before it would wait.
    loop_.run_until([&] {
        waits_next ? before_wait() : on_tick();
        waits_next = !waits_next;
        return phase_ == phase::closing && live_clients_ == 0 && loop_.in_flight() == 0;
    });
    loop_.disarm(metronome_);
    loop_.disarm(no_sleep_);
}

// Sees to it that there is a tick when something is due, even if nothing happens.
void generator::keep_time(instant now) noexcept {
    note_pause(now);
    beats_finely_ = waits_for_answers();
    instant next = now + (phase_ == phase::opening ? beat_while_opening : beats_finely_ ? fine_beat : beat);
    for (const instant each : {start_, window_start_, window_end_, drain_end_, second_end_}) {
        if (each > now) next = std::min(next, each);
    }
    beat_due_ = next;
    if (phase_ != phase::closing) loop_.arm(metronome_, next);
}

// A beat that is late by more than a usual one takes: the thread did not run (it was stopped, or had no
// core), or did something else all the time. The few requests that a few connections had under way say
// nothing of it.
void generator::note_pause(instant now) noexcept {
    if (window_start_ == never || window_is_over_) return;
    const instant until = std::min(now, window_end_);
    if (until - std::max(beat_due_, window_start_) <= beat) return;
    // A schedule knows better than the beat since when: there was something to do.
    const duration late = until - std::max(std::min(beat_due_, expected_), window_start_);
    paused_ += late;
    effort_.longest_pause = std::max(effort_.longest_pause, late);
}

void generator::before_wait() noexcept {
    if (open_loop_) {
        if (phase_ == phase::ready && start_ != never) alarm_.set(start_);
        if (phase_ == phase::running && !spare_.empty() && next_due_ < window_end_) wake_for(next_due_);
    }
    if (waits_for_answers() != beats_finely_) keep_time(loop_.now());
    last_work_ = clock::now() - loop_.now();
    away_ += last_work_;
    expected_ = last_work_ > beat                                           ? loop_.now()
                : open_loop_ && phase_ == phase::running && !spare_.empty() ? next_due_
                                                                            : never;
}

void generator::wake_for(instant due) noexcept {
    if (due - loop_.now() > spin_limit) {
        alarm_.set(due);
    } else {
        loop_.arm(no_sleep_, instant::min());
        spins_ = true;
    }
}

// Time in which nothing was found, and nothing was done, is not work: a generator that has it to spare is not
// saturated.
void generator::count_spinning() noexcept {
    const instant now = loop_.now();
    if (spins_ && !was_active_ && !active_) spun_ += now - last_tick_;
    was_active_ = active_;
    active_ = spins_ = false;
    last_tick_ = now;
}

void generator::on_tick() {
    if (options_.every_tick) options_.every_tick(index_);
    const instant now = open_loop_ || phase_ != phase::running ? clock::now() : loop_.now();
    while (!waiting_.empty() && connecting_ < limits::connects_in_flight)
        static_cast<client&>(*waiting_.pop_front()).open();
    if (next_to_open_ < clients_.size() && phase_ != phase::closing) open_more(now);
    switch (phase_) {
        case phase::opening:
            look_whether_all_are_there(now);
            break;
        case phase::ready:
            if (now >= start_) start_requests(now);
            break;
        case phase::running:
            if (!window_is_open_ && now >= window_start_) open_window();
            close_seconds(std::min(now, window_end_), false);
            if (open_loop_) send_due(now);
            if (now >= window_end_ || (budget_ == 0 && in_flight_ == 0)) begin_drain(now);
            break;
        case phase::draining:
            if (open_loop_) send_due(now);
            if ((in_flight_ == 0 && (!open_loop_ || next_due_ >= window_end_)) || now >= drain_end_)
                begin_close(now);
            break;
        case phase::closing:
            break;
    }
    if (open_loop_) count_spinning();
    publish();
}

void generator::open_more(instant now) noexcept {
    while (next_to_open_ < clients_.size() && connecting_ < limits::connects_in_flight) {
        if (options_.ramp > 0) {
            const double place = static_cast<double>(next_to_open_ * options_.threads + index_);
            if (seconds_of(now - opening_began_) * options_.ramp < place) break;
        }
        clients_[next_to_open_++].open();
    }
    if (connecting_ == 0) last_opened_ = now;  // the ramp lets it wait
}

// Or whether nothing comes any more: a target that lets connection attempts run into their timeout would hold
// the run up for that long with each of them.
void generator::look_whether_all_are_there(instant now) noexcept {
    const bool stands_still = now - last_opened_ >= limits::opening_standstill;
    if (settled_ < clients_.size() && !stands_still) return;
    counts_.not_opened = clients_.size() - settled_;
    opening_seconds_ = seconds_of(now - opening_began_);
    phase_ = phase::ready;
    told_ready_ = true;
    on_ready_();
}

void generator::settle(client& which) noexcept {
    if (is_settled_[which.index()]) return;
    is_settled_[which.index()] = true;
    ++settled_;
}

void generator::on_connected(client& which) noexcept {
    --connecting_;
    ++counts_.opened;
    last_opened_ = loop_.now();
    if (is_settled_[which.index()]) ++counts_.reopened;
    const instant now = clock::now();
    if (!which.is_idle_one()) {
        settle(which);
        on_room(which, now);
    } else if (options_.idle_asks && which.room() > 0) {
        which.ask(now, now);
        which.flush();
    } else {
        settle(which);
    }
}

void generator::on_idle_answered(client& which) noexcept { settle(which); }

void generator::on_closed(client& which) noexcept {
    --live_clients_;
    if (phase_ == phase::closing || which.is_lost()) return;
    const instant now = loop_.now();
    const instant turn = which.has_carried() ? now : turn_to_open(now);
    if (turn <= now) {
        waiting_.push_back(which);
        return;
    }
    if (window_is_open_ && !window_is_over_) {
        ++counts_.held_back;
        counts_.held_back_for += turn - now;
    }
    which.wait_to_open(turn - now);
}

// Evenly spaced, with a burst after a quiet time.
instant generator::turn_to_open(instant now) noexcept {
    constexpr duration spacing = duration(std::chrono::seconds(1)) / limits::fruitless_connections;
    const instant turn = std::max(fruitless_turn_, now - limits::fruitless_burst);
    fruitless_turn_ = turn + spacing;
    return turn;
}

void generator::on_pause_over(client& which) noexcept { waiting_.push_back(which); }

void generator::begin(instant start) {
    loop_.post([this, start] {
        if (phase_ == phase::closing) return;
        start_ = start;
        window_start_ = saturating_add(start, options_.warmup);
        window_end_ = saturating_add(window_start_, options_.run_time);
        if (open_loop_ && options_.requests) {
            const double length = static_cast<double>(*options_.requests) * interval_;
            if (length < static_cast<double>(options_.run_time.count()))
                window_end_ = std::min(window_end_, time_of_place(first_measured() + *options_.requests));
        }
        if (open_loop_) next_due_ = time_of(0);
        keep_time(clock::now());
    });
}

void generator::stop() {
    loop_.post([this] {
        const instant now = clock::now();
        if (phase_ == phase::opening || phase_ == phase::ready) {
            begin_close(now);
        } else if (phase_ == phase::running) {
            window_end_ = std::min(window_end_, now);
        } else if (phase_ == phase::draining) {
            drain_end_ = now;
        }
    });
}

void generator::start_requests(instant now) noexcept {
    phase_ = phase::running;
    if (now >= window_start_) open_window();
    for (client& each : clients_) {
        if (each.is_idle_one() || !each.is_open()) continue;
        if (!open_loop_) {
            on_room(each, now);
        } else if (each.room() > 0) {
            spare_.push_back(each);
        }
    }
    if (open_loop_) send_due(now);
}

void generator::open_window() noexcept {
    window_is_open_ = true;
    second_end_ = window_start_ + std::chrono::seconds(1);
    counters_at_start_ = read_thread_counters();
    away_ = spun_ = duration(0);
    bytes_at_start_ = bytes_;
}

void generator::begin_drain(instant now) noexcept {
    phase_ = phase::draining;
    window_end_ = std::min(window_end_, now);
    drain_end_ = now + limits::drain;
    if (!window_is_open_) return;
    window_is_over_ = true;
    close_seconds(window_end_, true);
    if (open_loop_) counts_.behind_at_end = backlog(window_end_);
    if (in_flight_ > 0 || !open_loop_) note_answer(window_end_);
    measured_seconds_ = seconds_of(window_end_ - window_start_);
    counts_.bytes_received = bytes_ - bytes_at_start_;
    const thread_counters counters = read_thread_counters();
    const double whole = std::max(seconds_of(now - window_start_), 1e-9);
    effort_.spin_share = seconds_of(spun_) / whole;
    effort_.cpu_share =
        std::max(0.0, seconds_of(counters.on_cpu - counters_at_start_.on_cpu - spun_) / whole);
    effort_.away_share = seconds_of(away_) / whole;
    effort_.paused_share = seconds_of(paused_) / whole;
    if (counters.waiting_cpu && counters_at_start_.waiting_cpu)
        effort_.wait_share = seconds_of(*counters.waiting_cpu - *counters_at_start_.waiting_cpu) / whole;
}

void generator::begin_close(instant now) noexcept {
    if (window_is_open_) record_unfinished(now);
    phase_ = phase::closing;
    loop_.disarm(metronome_);
    for (client& each : clients_) {
        if (each.is_idle_one() && each.is_open() && (!options_.idle_upgrade || each.has_carried()))
            ++counts_.idle_open;
        each.stop();
    }
    alarm_.close();
    if (!told_ready_) on_ready_();
    told_ready_ = true;
}

}  // namespace naru::load
