// What a reader should know of a run beside its verdict.
#include <load/limits.hpp>
#include <load/report.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace naru::load {

namespace {

// Of the requests that were due: fewer are not worth a word.
constexpr double worth_a_word = 0.01;
// A time without an answer is worth one if it is long by itself and beside what an answer takes.
constexpr duration silence_allowed = std::chrono::milliseconds(250);
constexpr int silence_in_medians = 10;

double seconds(duration value) { return std::chrono::duration<double>(value).count(); }

bool is_worth_a_word(std::uint64_t part, std::uint64_t whole) {
    return part > 0 && static_cast<double>(part) > worth_a_word * static_cast<double>(whole);
}

void remark_on_the_loop(const report& of, std::vector<std::string>& remarks) {
    const totals& counts = of.counts;
    if (!of.open_loop) {
        remarks.emplace_back(
            "closed loop: a connection asks again only when it has its answer, so a stall of the server "
            "delays requests instead of showing in their latency. These are service times; what a user waits "
            "is measured with --rate");
        return;
    }
    // What was under way at the end of the measured time and has been answered since is in order.
    if (is_worth_a_word(counts.behind_at_end + counts.unfinished, counts.scheduled)) {
        // Whose fault it was can be said only if nothing else was wrong.
        remarks.push_back(
            fmt::format("{} {:g} requests per second: of {}, {} waited for a connection when the measured "
                        "time ended, and {} never "
                        "had an answer; corrected latency grows with the length of the run",
                        judge(of).empty() ? "the target did not keep up with" : "this run did not reach",
                        of.rate, counts.scheduled, counts.behind_at_end, counts.unfinished));
    }
    // Without this a slow server and a generator that is late look alike in the corrected latency.
    if (is_worth_a_word(counts.waited, counts.scheduled)) {
        remarks.push_back(fmt::format(
            "{} of {} requests found every connection busy and waited for one, which is in their corrected "
            "latency and "
            "not the generator's delay: the target takes longer than {} connections allow for this rate",
            counts.waited, counts.scheduled, of.connections_wanted));
    }
}

// In a closed loop hardly anything is sent while a server stands still, so no percentile shows it.
void remark_on_silence(const report& of, std::vector<std::string>& remarks) {
    const duration silence = of.counts.longest_silence;
    if (silence < silence_allowed || silence < silence_in_medians * of.service.percentile(50)) return;
    for (const thread_effort& each : of.threads) {
        if (each.longest_pause > silence / 2) return;  // its own, and in the verdict
    }
    remarks.push_back(
        fmt::format("for {:.2f} s, from second {:.2f} on, not one answer came{}: percentiles hardly show "
                    "that, because little was "
                    "asked meanwhile",
                    seconds(silence), seconds(of.counts.silence_began),
                    of.threads.size() > 1 ? " on the connections of a thread" : ""));
}

void remark_on_connections(const report& of, std::vector<std::string>& remarks) {
    const totals& counts = of.counts;
    if (counts.not_opened > 0) {
        remarks.push_back(
            fmt::format("the run began without {} of its connections: for {:g} s not one came to be",
                        counts.not_opened, seconds(limits::opening_standstill)));
    }
    if (counts.close_ignored > 0) {
        remarks.push_back(
            fmt::format("{} connections were ended from this side: the server ignored Connection: close",
                        counts.close_ignored));
    }
    if (counts.streams_allowed > 0) {
        remarks.push_back(fmt::format("the server allowed no more than {} streams at once on a connection",
                                      counts.streams_allowed));
    }
    if (counts.sent_again > 0) {
        remarks.push_back(fmt::format(
            "{} requests were sent again: the server ended their connection with a response to an earlier "
            "one (Connection: close, or GOAWAY), or refused their stream; their latency begins with their "
            "first sending",
            counts.sent_again));
    }
}

// What this system does not tell, and would have made a run invalid.
std::string unknown_to(const report& of) {
    std::string out;
    const auto add = [&](bool known, std::string_view what) {
        if (!known) out.append(out.empty() ? "" : ", ").append(what);
    };
    add(std::all_of(of.threads.begin(), of.threads.end(),
                    [](const auto& each) { return each.wait_share >= 0; }),
        "whether the generator waited for a core");
    add(of.machine.steal_share >= 0, "what the hypervisor took");
    add(!of.local_target || of.machine.listen_drops >= 0,
        "whether listen queues dropped connection attempts");
    return out;
}

}  // namespace

std::vector<std::string> remarks_on(const report& of) {
    std::vector<std::string> remarks;
    const totals& counts = of.counts;
    remark_on_the_loop(of, remarks);
    remark_on_silence(of, remarks);
    if (counts.unfinished > 0) {
        remarks.push_back(
            fmt::format("{} requests had no answer when the run ended; they are counted with the time they "
                        "had waited, which is less than what they would have",
                        counts.unfinished));
    }
    if (of.requests_wanted && counts.requests() < *of.requests_wanted) {
        remarks.push_back(
            fmt::format("{} of {} requests were made: {}", counts.requests(), *of.requests_wanted,
                        of.interrupted ? "the run was interrupted" : "its time was over (--duration)"));
    }
    remark_on_connections(of, remarks);
    if (counts.timeouts_timed > 0) {
        remarks.push_back(
            fmt::format("{} timeouts are in the latencies with the time they waited", counts.timeouts_timed));
    }
    if (const std::string unknown = unknown_to(of); !unknown.empty())
        remarks.push_back("not known on this system, and not in the verdict: " + unknown);
    if (of.latency().saturated() > 0)
        remarks.push_back(fmt::format("{} latencies were longer than an hour", of.latency().saturated()));
    return remarks;
}

}  // namespace naru::load
