// The verdict, on figures made up for it: each reason alone, and none.
#include <load/machine.hpp>
#include <load/report.hpp>
#include <load/target.hpp>

#include <gtest/gtest.h>

namespace naru::load {
namespace {

using namespace std::chrono_literals;

report good() {
    report made;
    made.local_target = true;
    made.measured_seconds = 10;
    made.counts.completed = made.counts.in_time = 100'000;
    for (int each = 0; each < 100'000; ++each) {
        made.service.record(200us);
        made.lag.record(20us);
    }
    made.threads.push_back({.cpu_share = 0.5, .away_share = 0.5, .wait_share = 0.01});
    made.machine = {.steal_share = 0, .listen_overflows = 0, .listen_drops = 0};
    return made;
}

std::string kinds(const report& of) {
    std::string out;
    for (const reason& each : judge(of)) {
        out += each.kind + " ";
        EXPECT_GT(each.text.size(), 30u);
    }
    return out;
}

std::uint64_t& errors(report& of, failure kind) { return of.counts.errors[static_cast<std::size_t>(kind)]; }

TEST(Verdict, a_good_run_is_valid) {
    EXPECT_EQ(kinds(good()), "");
    report unknown = good();
    unknown.machine = {};
    unknown.threads[0].wait_share = -1;
    EXPECT_EQ(kinds(unknown), "") << "what is not known is not held against a run";
}

TEST(Verdict, a_closed_loop_says_what_it_hides) {
    ASSERT_EQ(remarks_on(good()).size(), 1u);
    EXPECT_NE(remarks_on(good())[0].find("closed loop"), std::string::npos);
}

TEST(Verdict, what_is_not_known_is_said) {
    report unknown = good();
    unknown.local_target = true;
    unknown.machine = {};
    unknown.threads[0].wait_share = -1;
    ASSERT_EQ(remarks_on(unknown).size(), 2u);
    for (const char* each : {"not known", "waited for a core", "hypervisor", "listen queues"})
        EXPECT_NE(remarks_on(unknown)[1].find(each), std::string::npos) << each;
    unknown.machine.steal_share = 0;
    unknown.threads[0].wait_share = 0;
    unknown.local_target = false;  // its listen queues are nobody's here
    EXPECT_EQ(remarks_on(unknown).size(), 1u);
}

TEST(Verdict, each_reason) {
    report saturated = good();
    saturated.threads.push_back({.cpu_share = 0.97, .away_share = 0.9, .wait_share = 0});
    EXPECT_EQ(kinds(saturated), "generator_saturated ");
    report away = good();
    away.threads[0].away_share = 0.99;
    EXPECT_EQ(kinds(away), "generator_saturated ");
    report crowded = good();
    crowded.threads[0].cpu_share = 0.85;
    crowded.threads[0].wait_share = 0.08;
    EXPECT_EQ(kinds(crowded), "generator_saturated ") << "nothing to spare, though neither is much alone";
    report descheduled = good();
    descheduled.threads[0].wait_share = 0.3;
    EXPECT_EQ(kinds(descheduled), "generator_descheduled ");
    report paused = good();
    paused.threads[0].paused_share = 0.07;
    paused.threads[0].longest_pause = 700ms;
    EXPECT_EQ(kinds(paused), "generator_paused ");
    paused.threads[0].paused_share = 0.009;
    EXPECT_EQ(kinds(paused), "") << "less than p99 shows";
    report stolen = good();
    stolen.machine.steal_share = 0.05;
    EXPECT_EQ(kinds(stolen), "clock_steal ");
    report dropped = good();
    dropped.machine.listen_drops = 3;
    EXPECT_EQ(kinds(dropped), "listen_queue_dropped ");
    dropped.local_target = false;
    EXPECT_EQ(kinds(dropped), "") << "another machine's queues are not in our counters";
    report ports = good();
    errors(ports, failure::no_port) = 1;
    EXPECT_EQ(kinds(ports), "ports_exhausted ");
    report overflow = good();
    overflow.counts.overflowed = 1;
    EXPECT_EQ(kinds(overflow), "backlog_overflow ");
    report lost = good();
    lost.idle_wanted = 100;
    lost.counts.idle_lost = 2;
    EXPECT_EQ(kinds(lost), "idle_lost ");
}

TEST(Verdict, errors_above_the_threshold) {
    report few = good();
    errors(few, failure::unexpected_status) = 1'000;
    EXPECT_EQ(kinds(few), "") << "one percent is allowed";
    errors(few, failure::unexpected_status) = 1'001;
    EXPECT_EQ(kinds(few), "errors ");
    few.errors_max = 5;
    EXPECT_EQ(kinds(few), "");
    report refused = good();
    errors(refused, failure::refused) = 2'000;
    EXPECT_EQ(kinds(refused), "errors ");
}

TEST(Verdict, requests_without_an_answer_are_errors_and_those_never_sent_are_not) {
    report mute = good();
    mute.counts.unfinished = 2'000;
    EXPECT_EQ(kinds(mute), "errors ");
    EXPECT_NE(judge(mute)[0].text.find("2000 of 102000 requests and connections failed (1.96%"),
              std::string::npos)
        << judge(mute)[0].text;
    EXPECT_NE(judge(mute)[0].text.find("2000 of them without an answer"), std::string::npos);
    mute.counts.unsent = 2'000;
    EXPECT_EQ(kinds(mute), "") << "no connection was free for them: the target did not keep up";
    mute.counts.completed = mute.counts.in_time = 0;
    EXPECT_EQ(kinds(mute), "no_answers ");
    mute.counts.unsent = 0;
    EXPECT_EQ(kinds(mute), "no_answers errors ");
    EXPECT_NE(judge(mute)[1].text.find("(100%"), std::string::npos) << judge(mute)[1].text;
}

bool is_said(const report& of, std::string_view part) {
    for (const std::string& each : remarks_on(of)) {
        if (each.find(part) != std::string::npos) return true;
    }
    return false;
}

TEST(Verdict, what_is_answered_after_the_measured_time_was_kept_up_with) {
    report late = good();
    late.open_loop = true;
    late.rate = 150;
    late.counts.scheduled = late.counts.completed = 300;
    late.counts.in_time = 150;  // two seconds of a server that takes one for an answer
    EXPECT_FALSE(is_said(late, "keep up")) << remarks_on(late)[0];
    late.counts.behind_at_end = 10;
    EXPECT_TRUE(is_said(late, "150 requests per second: of 300, 10 waited for a connection"));
    late.rate = 0.3;
    EXPECT_TRUE(is_said(late, " 0.3 requests per second"));
}

TEST(Verdict, only_timeouts_of_requests_are_in_the_latencies) {
    report slow = good();
    errors(slow, failure::timed_out) = 5;
    EXPECT_FALSE(is_said(slow, "in the latencies")) << "they were connections'";
    slow.counts.timeouts_timed = 3;
    EXPECT_TRUE(is_said(slow, "3 timeouts are in the latencies"));
}

TEST(Verdict, a_time_without_an_answer_is_said) {
    report dead = good();
    dead.counts.longest_silence = 1500ms;
    dead.counts.silence_began = 2s;
    EXPECT_EQ(kinds(dead), "");
    EXPECT_TRUE(is_said(dead, "for 1.50 s, from second 2.00 on, not one answer came"));
    dead.threads[0].longest_pause = 1400ms;
    EXPECT_FALSE(is_said(dead, "not one answer")) << "the generator's own pause is in the verdict";
    report slow = good();
    slow.service.clear();
    for (int each = 0; each < 1'000; ++each)
        slow.service.record(400ms);
    slow.counts.longest_silence = 1500ms;
    EXPECT_FALSE(is_said(slow, "not one answer")) << "answers take that long";
}

TEST(Verdict, limits_of_the_generators_own) {
    report held = good();
    held.counts.held_back = 1;
    EXPECT_EQ(kinds(held), "reconnects_limited ");
    report left = good();
    left.connections_wanted = 64;
    left.counts.not_ended = 6;
    EXPECT_EQ(kinds(left), "") << "6 s of 640";
    left.counts.not_ended = 7;
    EXPECT_EQ(kinds(left), "close_awaited ");
}

TEST(Verdict, too_few_samples) {
    report short_one = good();
    short_one.service.clear();
    short_one.lag.clear();
    for (int each = 0; each < 999; ++each)
        short_one.service.record(1ms);
    EXPECT_EQ(kinds(short_one), "too_few_samples ");
}

TEST(Verdict, the_generators_own_delay_counts_beside_the_latency) {
    report late = good();
    for (int each = 0; each < 2'000; ++each)
        late.lag.record(5ms);
    EXPECT_EQ(kinds(late), "generator_late ") << "5 ms where the latency is 0.2";
    for (int each = 0; each < 5'000; ++each)
        late.service.record(200ms);
    EXPECT_EQ(kinds(late), "") << "5 ms beside 200";
    late.open_loop = true;
    for (int each = 0; each < 100'000; ++each)
        late.corrected.record(6ms);
    EXPECT_EQ(kinds(late), "schedule_missed ");
}

TEST(Verdict, a_server_that_does_not_keep_up_is_a_finding_and_not_an_error) {
    report slow = good();
    slow.open_loop = true;
    slow.rate = 20'000;
    slow.counts.scheduled = 200'000;
    slow.counts.unfinished = slow.counts.unsent = 100'000;
    for (int each = 0; each < 200'000; ++each)
        slow.corrected.record(3s);
    EXPECT_EQ(kinds(slow), "");
    ASSERT_EQ(remarks_on(slow).size(), 2u);
    EXPECT_NE(remarks_on(slow)[0].find("the target did not keep up"), std::string::npos);
    slow.threads[0].cpu_share = 0.99;
    EXPECT_NE(remarks_on(slow)[0].find("this run did not reach"), std::string::npos)
        << "perhaps it was the generator that did not keep up";
}

TEST(Machine, reads_the_listen_counters_by_name) {
    machine_counters read;
    parse_netstat(
        "TcpExt: SyncookiesSent ListenOverflows X ListenDrops\nTcpExt: 1 22 3 44\nIpExt: A\nIpExt: 1\n",
        read);
    EXPECT_EQ(read.listen_overflows, 22u);
    EXPECT_EQ(read.listen_drops, 44u);
    machine_counters none;
    parse_netstat("", none);
    parse_netstat("TcpExt: A B\n", none);
    EXPECT_FALSE(none.listen_drops);
}

TEST(Machine, reads_the_stolen_time_of_all_cores) {
    machine_counters read;
    parse_stat("cpu  10 20 30 40 50 60 70 80 5 6\ncpu0 1 2 3 4 5 6 7 8 9 10\n", read);
    EXPECT_EQ(read.steal_ticks, 80u);
    EXPECT_EQ(read.all_ticks, 360u);
    machine_counters none;
    parse_stat("cpu 1 2\n", none);
    EXPECT_FALSE(none.all_ticks);
}

TEST(Machine, what_is_there_is_read) {
    const machine_counters now = read_machine_counters();
#if defined(_WIN32)
    EXPECT_FALSE(now.all_ticks) << "of no use without the stolen ones, which Windows does not tell";
#else
    EXPECT_TRUE(now.all_ticks);
#endif
    const thread_counters before = read_thread_counters();
    EXPECT_GE(before.on_cpu, 0ns);
    EXPECT_TRUE(is_loopback(*address::parse("127.3.2.1:80")));
    EXPECT_TRUE(is_loopback(*address::parse("[::1]:80")));
    EXPECT_FALSE(is_loopback(*address::parse("192.0.2.1:80")));
    EXPECT_TRUE(is_local(*address::parse("127.0.0.1:80")));
    EXPECT_FALSE(is_local(*address::parse("192.0.2.1:80")));
}

}  // namespace
}  // namespace naru::load
