// The verdict: whether a run's figures describe the server, or something else.
#include <load/limits.hpp>
#include <load/report.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace naru::load {

namespace {

// A generator busier than this is itself what the figures show.
constexpr double busy_max = 0.9;
// Waiting for a core, and losing cores to the hypervisor, beyond what a quiet machine shows.
constexpr double wait_max = 0.10;
constexpr double steal_max = 0.01;
// Standing still: as much of the time as the share of the requests that a p99 leaves out.
constexpr double paused_max = 0.01;
// The generator's own delay: what is below a millisecond, or small beside the latency, does not matter.
constexpr duration lag_allowed = std::chrono::milliseconds(1);
constexpr double lag_part = 0.1;
// Connections' time spent waiting for their end: less is not worth a word.
constexpr double awaited_max = 0.01;

double in_seconds(duration value) { return std::chrono::duration<double>(value).count(); }
double in_milliseconds(duration value) { return std::chrono::duration<double, std::milli>(value).count(); }

// With few connections a pause is in few latencies, and in the open loop it is in many that look like the
// server's.
void judge_pauses(const report& of, std::vector<reason>& reasons) {
    double share = 0;
    duration longest{0};
    for (const thread_effort& each : of.threads) {
        share = std::max(share, each.paused_share);
        longest = std::max(longest, each.longest_pause);
    }
    if (share <= paused_max) return;
    reasons.push_back(
        {"generator_paused",
         fmt::format(
             "the generator itself stood still for {:.1f}% of the time (more than {:.0f}%), at most for "
             "{:.0f} ms together: it was stopped, or had no core; stop what else runs, and repeat the run",
             share * 100, paused_max * 100, in_milliseconds(longest))});
}

void judge_generator(const report& of, std::vector<reason>& reasons) {
    double taken = 0;  // working or waiting for a core, or kept from looking for events
    double wait = 0;
    for (const thread_effort& each : of.threads) {
        taken = std::max({taken, each.away_share, each.cpu_share + std::max(each.wait_share, 0.0)});
        wait = std::max(wait, each.wait_share);
    }
    const double cpu = of.cpu_share();
    if (cpu > busy_max) {
        reasons.push_back(
            {"generator_saturated",
             fmt::format("a generator thread used {:.0f}% of a core (more than {:.0f}%), so the limit may be "
                         "the generator's: use more --threads and cores, or a lower --rate",
                         cpu * 100, busy_max * 100)});
    } else if (taken > busy_max) {
        reasons.push_back(
            {"generator_saturated",
             fmt::format(
                 "a generator thread was busy, waiting for a core or kept from its events for {:.0f}% of "
                 "the time (more than {:.0f}%), so the limit may be the generator's: leave it a core of "
                 "its own",
                 taken * 100, busy_max * 100)});
    }
    if (wait > wait_max) {
        reasons.push_back(
            {"generator_descheduled",
             fmt::format("a generator thread waited for a core for {:.0f}% of the time (more than {:.0f}%): "
                         "stop what else runs, or pin server and generator to cores of their own (taskset)",
                         wait * 100, wait_max * 100)});
    }
    judge_pauses(of, reasons);
    if (enough_for(of.lag.count(), 99)) {
        const duration late = of.lag.percentile(99);
        const duration whole = of.latency().percentile(99);
        if (late > lag_allowed &&
            static_cast<double>(late.count()) > lag_part * static_cast<double>(whole.count())) {
            reasons.push_back(
                {of.open_loop ? "schedule_missed" : "generator_late",
                 fmt::format(
                     "the generator itself held 1% of the requests up by {:.1f} ms or more, where their "
                     "latency is {:.1f} ms: use more --threads, fewer --connections or a lower --rate",
                     in_milliseconds(late), in_milliseconds(whole))});
        }
    }
}

void judge_machine(const report& of, std::vector<reason>& reasons) {
    if (of.machine.steal_share > steal_max) {
        reasons.push_back(
            {"clock_steal",
             fmt::format("the hypervisor took {:.1f}% of this machine's processor time (more than {:.0f}%): "
                         "repeat the run when the host is quiet",
                         of.machine.steal_share * 100, steal_max * 100)});
    }
    const std::int64_t dropped = std::max(of.machine.listen_overflows, of.machine.listen_drops);
    if (of.local_target && dropped > 0) {
        reasons.push_back(
            {"listen_queue_dropped",
             fmt::format(
                 "listen queues of this machine dropped {} connection attempts, which come again after a "
                 "second: raise the server's backlog and net.core.somaxconn, or use --ramp",
                 dropped)});
    }
    const std::uint64_t without_port = of.counts.errors[static_cast<std::size_t>(failure::no_port)];
    if (without_port > 0) {
        reasons.push_back(
            {"ports_exhausted",
             fmt::format("{} connections found no free local port (EADDRNOTAVAIL): spread them over more "
                         "addresses with --source, or widen net.ipv4.ip_local_port_range",
                         without_port)});
    }
}

// What the generator did not do because of a limit of its own.
void judge_limits(const report& of, std::vector<reason>& reasons) {
    const totals& counts = of.counts;
    if (counts.held_back > 0) {
        reasons.push_back(
            {"reconnects_limited",
             fmt::format(
                 "connections that had ended without a single response were opened again only after a pause, "
                 "{} times and for {:.1f} s in all: a thread opens {} of them in a second, so how many there "
                 "are is the generator's doing",
                 counts.held_back, in_seconds(counts.held_back_for), limits::fruitless_connections)});
    }
    const double waited = in_seconds(limits::finish) * static_cast<double>(counts.not_ended);
    const double whole = of.measured_seconds * static_cast<double>(of.connections_wanted);
    if (waited > awaited_max * whole) {
        reasons.push_back({"close_awaited", fmt::format("the server said that it would end connections "
                                                        "(Connection: close) and left {} of them open: "
                                                        "the generator waited {:g} s for each",
                                                        counts.not_ended, in_seconds(limits::finish))});
    }
}

std::string percent(double share) {
    return share < 10 ? fmt::format("{:.2f}%", share) : fmt::format("{:.0f}%", share);
}

void judge_errors(const report& of, std::vector<reason>& reasons) {
    const totals& counts = of.counts;
    if (counts.completed == 0) {
        reasons.push_back(
            {"no_answers", "not one request was answered, so there is nothing to measure: see the errors"});
    }
    const std::uint64_t unexpected = counts.errors[static_cast<std::size_t>(failure::unexpected_status)];
    const std::uint64_t bad = counts.errors_in_all() + counts.unanswered();
    const std::uint64_t all = counts.completed + bad - unexpected;
    const double share = all == 0 ? 0 : 100.0 * static_cast<double>(bad) / static_cast<double>(all);
    if (share <= of.errors_max) return;
    std::string text = fmt::format("{} of {} requests and connections failed ({}, more than {:g}%)", bad, all,
                                   percent(share), of.errors_max);
    if (counts.unanswered() > 0) {
        text += fmt::format(", {} of them without an answer when the run ended", counts.unanswered());
    }
    reasons.push_back({"errors", text + ": see the errors by kind"});
}

void judge_counts(const report& of, std::vector<reason>& reasons) {
    const totals& counts = of.counts;
    if (counts.overflowed > 0) {
        reasons.push_back(
            {"backlog_overflow",
             fmt::format(
                 "{} scheduled requests were dropped because {} were waiting for a connection already, "
                 "so the latencies are too good: lower --rate, or raise --connections",
                 counts.overflowed, counts.backlog_max)});
    }
    judge_errors(of, reasons);
    if (counts.idle_lost > 0 &&
        static_cast<double>(counts.idle_lost) * 100 > of.errors_max * static_cast<double>(of.idle_wanted)) {
        reasons.push_back({"idle_lost", fmt::format("{} of {} idle connections were ended by the server: its "
                                                    "keep-alive time is shorter than the run",
                                                    counts.idle_lost, of.idle_wanted)});
    }
    const std::uint64_t samples = of.latency().count();
    if (!enough_for(samples, 99)) {
        reasons.push_back(
            {"too_few_samples",
             fmt::format("{} latencies are too few to speak of p99, which takes 1,000: use a longer "
                         "--duration",
                         samples)});
    }
}

}  // namespace

std::string_view name_of(failure which) noexcept {
    constexpr std::array<std::string_view, failures> names{
        "refused",           "reset",        "timeout", "bad_response",
        "unexpected_status", "closed_early", "no_port", "other"};
    return names[static_cast<std::size_t>(which)];
}

void totals::merge(const totals& other) {
    completed += other.completed;
    in_time += other.in_time;
    failed += other.failed;
    timeouts_timed += other.timeouts_timed;
    behind_at_end += other.behind_at_end;
    if (other.longest_silence > longest_silence) {
        longest_silence = other.longest_silence;
        silence_began = other.silence_began;
    }
    unfinished += other.unfinished;
    unsent += other.unsent;
    overflowed += other.overflowed;
    scheduled += other.scheduled;
    waited += other.waited;
    backlog_max += other.backlog_max;
    bytes_received += other.bytes_received;
    for (std::size_t index = 0; index < errors.size(); ++index)
        errors[index] += other.errors[index];
    for (std::size_t index = 0; index < statuses.size(); ++index)
        statuses[index] += other.statuses[index];
    sent_again += other.sent_again;
    if (other.streams_allowed > 0 && (streams_allowed == 0 || other.streams_allowed < streams_allowed))
        streams_allowed = other.streams_allowed;
    opened += other.opened;
    reopened += other.reopened;
    not_opened += other.not_opened;
    held_back += other.held_back;
    held_back_for += other.held_back_for;
    close_ignored += other.close_ignored;
    not_ended += other.not_ended;
    idle_open += other.idle_open;
    idle_lost += other.idle_lost;
    if (first_problem.empty()) first_problem = other.first_problem;
}

std::uint64_t totals::errors_in_all() const noexcept {
    std::uint64_t sum = 0;
    for (const std::uint64_t each : errors)
        sum += each;
    return sum;
}

double report::requests_per_second() const noexcept {
    return measured_seconds > 0 ? static_cast<double>(counts.in_time) / measured_seconds : 0;
}

double report::cpu_share() const noexcept {
    double share = 0;
    for (const thread_effort& each : threads)
        share = std::max(share, each.cpu_share);
    return share;
}

double report::cpu_microseconds_per_request() const noexcept {
    double seconds_used = 0;
    for (const thread_effort& each : threads)
        seconds_used += each.cpu_share * measured_seconds;
    return counts.in_time == 0 ? 0 : seconds_used * 1e6 / static_cast<double>(counts.in_time);
}

double report::server_microseconds_per_request() const noexcept {
    if (!server || counts.in_time == 0) return 0;
    return std::chrono::duration<double, std::micro>(server->on_cpu).count() /
           static_cast<double>(counts.in_time);
}

std::vector<reason> judge(const report& of) {
    std::vector<reason> reasons;
    judge_generator(of, reasons);
    judge_machine(of, reasons);
    judge_limits(of, reasons);
    judge_counts(of, reasons);
    return reasons;
}

}  // namespace naru::load
