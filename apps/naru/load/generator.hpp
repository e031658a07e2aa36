// One thread of the load generator: a loop, its share of the connections, and its own counts.
#pragma once

#include <load/alarm.hpp>
#include <load/client.hpp>
#include <load/limits.hpp>
#include <load/machine.hpp>
#include <load/options.hpp>
#include <load/timeline.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace naru::load {

/// Written by a generator ten times a second, for whoever watches. Any thread may read it.
struct live_counts {
    std::atomic<std::uint64_t> completed{0};
    std::atomic<std::uint64_t> errors{0};
    std::atomic<std::uint64_t> connections{0};
    std::atomic<std::uint64_t> in_flight{0};
    std::atomic<std::uint64_t> backlog{0};
};

class generator {
 public:
    /// `index`: of this thread, below options.threads. `on_ready` is called once, on the generator's thread,
    /// when every connection has been opened or has failed to.
    generator(const run_options& options, unsigned index, std::unique_ptr<backend> completions,
              timeline& seconds, std::function<void()> on_ready);
    generator(const generator&) = delete;
    generator& operator=(const generator&) = delete;

    /// The thread's body: opens the connections, waits for begin, and returns when all has ended.
    void run();

    /// Starts the requests at `start`, the same instant for all threads. Thread-safe; any time.
    void begin(instant start);
    /// Ends the measurement now. Thread-safe.
    void stop();

    const live_counts& live() const noexcept { return live_; }

    // After run has returned.
    const totals& counts() const noexcept { return counts_; }
    const histogram& service() const noexcept { return service_; }
    const histogram& corrected() const noexcept { return corrected_; }
    const histogram& lag() const noexcept { return lag_; }
    const thread_effort& effort() const noexcept { return effort_; }
    double opening_seconds() const noexcept { return opening_seconds_; }
    double measured_seconds() const noexcept { return measured_seconds_; }

    // For its clients.
    const run_options& options() const noexcept { return options_; }
    naru::loop& loop() noexcept { return loop_; }
    tls_beginnings& tls() noexcept { return tls_; }
    http::remembered_head& last_head() noexcept { return last_head_; }
    upgrade_reader& upgrades() noexcept { return upgrades_; }
    /// `count` copies of the request, one behind the other; at most batch().
    std::string_view request_text(unsigned count) const noexcept;
    unsigned batch() const noexcept { return batch_; }
    const address* source_of(std::uint32_t client_index) const noexcept;

    void on_connecting() noexcept {
        ++connecting_;
        ++live_clients_;
    }
    void on_connected(client& which) noexcept;
    void on_connect_failed() noexcept { --connecting_; }
    void on_idle_answered(client& which) noexcept;
    void on_idle_lost() noexcept { ++counts_.idle_lost; }
    void on_room(client& which, instant now) noexcept;
    void on_closed(client& which) noexcept;
    void on_close_ignored() noexcept { ++counts_.close_ignored; }
    void on_not_ended() noexcept { ++counts_.not_ended; }
    void on_pause_over(client& which) noexcept;
    void on_bytes(std::size_t size) noexcept {
        bytes_ += size;
        active_ = true;
    }
    void on_sent(instant now) noexcept {
        if (in_flight_++ == 0 && open_loop_) quiet_since_ = now;
        active_ = true;
    }
    void on_streams_allowed(unsigned most) noexcept {
        if (counts_.streams_allowed == 0 || most < counts_.streams_allowed) counts_.streams_allowed = most;
    }
    void on_sent_again(unsigned requests) noexcept { counts_.sent_again += requests; }
    void settle(client& which) noexcept;

    // record.cpp
    void record(const flight& answered, unsigned status, instant now) noexcept;
    void record_failure(const flight& failed, failure kind, const char* what, instant now) noexcept;
    void count_failure(failure kind, const char* what) noexcept;

 private:
    enum class phase : std::uint8_t { opening, ready, running, draining, closing };

    /// A timer that is due at once: the wait that comes next looks for events and does not sleep.
    struct no_sleep : timer {
        no_sleep() noexcept : timer([](timer&) noexcept {}) {}
    };
    struct metronome : timer {
        explicit metronome(generator& of) noexcept;
        generator& owner;
    };

    // generator.cpp
    void on_tick();
    void before_wait() noexcept;
    void wake_for(instant due) noexcept;
    void count_spinning() noexcept;
    void open_more(instant now) noexcept;
    void look_whether_all_are_there(instant now) noexcept;
    instant turn_to_open(instant now) noexcept;
    void start_requests(instant now) noexcept;
    void open_window() noexcept;
    void begin_drain(instant now) noexcept;
    void begin_close(instant now) noexcept;
    bool waits_for_answers() const noexcept { return in_flight_ > 0 && window_is_open_ && !window_is_over_; }
    void keep_time(instant now) noexcept;
    void note_pause(instant now) noexcept;
    void publish() noexcept;
    void when_ready() noexcept;

    // schedule.cpp
    instant time_of_place(std::uint64_t place) const noexcept;
    instant time_of(std::uint64_t index) const noexcept {
        return time_of_place(index * options_.threads + index_);
    }
    std::uint64_t first_measured() const noexcept;
    bool is_due(instant now) const noexcept { return next_due_ <= now && next_due_ < window_end_; }
    void send_due(instant now) noexcept;
    void assign(client& to, instant now, duration lag_of) noexcept;
    std::uint64_t backlog(instant now) const noexcept;
    void bound_backlog(instant now) noexcept;
    void fill(client& which, instant now) noexcept;

    // record.cpp
    bool is_measured(const flight& each) const noexcept {
        return each.intended >= window_start_ && each.intended < window_end_;
    }
    void note_answer(instant now) noexcept;
    void record_latency(const flight& ended, instant now) noexcept;
    void record_unfinished(instant now) noexcept;
    void close_seconds(instant now, bool last) noexcept;
    void note_lag(duration value) noexcept { lag_.record(value); }
    duration tick_lag(instant now) const noexcept { return last_work_ + (now - loop_.now()); }

    const run_options& options_;
    const unsigned index_;
    timeline& timeline_;
    std::function<void()> on_ready_;
    naru::loop loop_;
    alarm alarm_;
    metronome metronome_;
    no_sleep no_sleep_;
    std::vector<flight> flights_;
    std::deque<client> clients_;
    std::string request_batch_;
    unsigned batch_ = 1;
    http::remembered_head last_head_;
    upgrade_reader upgrades_;

    // Connections.
    phase phase_ = phase::opening;
    list_head waiting_;  // to be opened when fewer are connecting
    std::size_t next_to_open_ = 0;
    std::size_t settled_ = 0;  // connections that have been opened once, or have failed once
    std::vector<bool> is_settled_;
    unsigned connecting_ = 0;
    std::size_t live_clients_ = 0;  // not closed
    instant opening_began_;
    instant last_opened_;     // or opening_began_
    instant fruitless_turn_;  // when the next connection may be opened in place of one that carried nothing
    double opening_seconds_ = 0;
    bool told_ready_ = false;

    // Requests.
    const bool open_loop_;
    list_head spare_;  // open loop: connections with room, the longest free first
    std::uint64_t in_flight_ = 0;
    std::uint64_t budget_;  // closed loop: requests left to send
    double interval_ = 0;   // open loop: nanoseconds between two requests of all threads
    std::uint64_t next_index_ = 0;
    instant next_due_ = never;
    instant start_ = never;
    instant window_start_ = never;
    instant window_end_ = never;
    instant drain_end_ = never;
    bool window_is_open_ = false;
    bool window_is_over_ = false;

    tls_beginnings tls_;

    // Measurement.
    totals counts_;
    std::uint64_t bytes_ = 0;
    std::uint64_t bytes_at_start_ = 0;
    histogram service_;
    histogram corrected_;
    histogram lag_;
    histogram second_;
    std::uint64_t second_requests_ = 0;
    std::uint64_t second_errors_ = 0;
    std::size_t second_index_ = 0;
    instant second_end_ = never;
    duration last_work_{0};  // between the last two waits
    duration away_{0};
    duration spun_{0};
    duration paused_{0};  // of beats that came late
    instant last_tick_{};
    instant beat_due_ = never;  // when the metronome is to strike next
    bool beats_finely_ = false;
    instant expected_ = never;  // when the last wait was to end at the latest, as far as the schedule tells
    instant quiet_since_{};     // the last answer; open loop: or since when requests are under way
    bool active_ = false;       // something was sent or received in this tick
    bool was_active_ = false;   // or in the last one
    bool spins_ = false;        // the last wait did not sleep
    thread_counters counters_at_start_;
    thread_effort effort_;
    double measured_seconds_ = 0;
    live_counts live_;
    instant publish_at_{};
};

template <class Visit>
void client::for_each_flight(Visit visit) const {
    const unsigned depth = generator_.options().pipeline;
    for (unsigned each = 0; each < in_flight_; ++each)
        visit(flights_[(first_ + each) % depth]);
}

}  // namespace naru::load
