// What is going to be measured, and what becomes of it in the report.
#include <lab/held.hpp>
#include <lab/plan.hpp>
#include <lab/process.hpp>
#include <lab/report.hpp>
#include <load/process_tree.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include <csignal>

#include <unistd.h>

namespace naru::lab {
namespace {

using namespace std::chrono_literals;

workplace somewhere() {
    workplace at;
    at.descriptors = 20'000;
    return at;
}

std::vector<subject> usual_subjects() {
    std::vector<subject> all;
    for (const char* each : {"threads", "select", "poll", "epoll-level", "epoll", "epoll-oneshot",
                             "io_uring-single", "io_uring", "io_uring-sqpoll"})
        all.push_back({each, subject::kind::model, ""});
    for (const char* each : {"one-byte-level", "drain-level", "one-byte-edge", "drain-edge"})
        all.push_back({each, subject::kind::reading, ""});
    for (const char* each : {"nginx", "apache-prefork"})
        all.push_back({each, subject::kind::server, ""});
    for (const std::string_view each : {held_subject, alone_subject})
        all.push_back({std::string(each), subject::kind::holder, ""});
    return all;
}

double expected_minutes(const std::vector<cell>& plan) {
    double seconds = 0;
    for (const cell& each : plan)
        seconds += each.expected_seconds();
    return seconds / 60;
}

TEST(LabPlan, NamesEveryCellOnce) {
    const auto plan = make_plan({}, usual_subjects(), somewhere());
    std::set<std::string> keys;
    for (const cell& each : plan)
        EXPECT_TRUE(keys.insert(each.key()).second) << each.key();
    EXPECT_GT(keys.size(), 200u);
}

TEST(LabPlan, AsksNobodyForMoreThanItCanHold) {
    for (const cell& each : make_plan({}, usual_subjects(), somewhere())) {
        const std::uint32_t most = each.subject == "select" ? 1'024 : 19'999;
        EXPECT_LE(each.load.connections + each.load.idle, most) << each.key();
    }
}

TEST(LabPlan, LetsTheSubjectsTakeTurns) {
    const auto plan = make_plan({}, usual_subjects(), somewhere());
    std::map<std::pair<std::string, double>, std::vector<std::string>> first_of_rounds;
    for (std::size_t index = 0; index < plan.size(); ++index) {
        const cell& each = plan[index];
        const bool begins = index == 0 || plan[index - 1].round != each.round ||
                            plan[index - 1].x != each.x || plan[index - 1].scenario != each.scenario;
        if (begins) first_of_rounds[{each.scenario, each.x}].push_back(each.subject);
    }
    const auto& churn = first_of_rounds.at({"churn", 0});
    EXPECT_EQ(churn.size(), 4u);  // one piece a round: rounds are not torn apart
    EXPECT_EQ(std::set<std::string>(churn.begin(), churn.end()).size(), 4u);
}

TEST(LabPlan, StaysWithinItsTime) {
    settings quick;
    quick.quick = true;
    EXPECT_LT(expected_minutes(make_plan(quick, usual_subjects(), somewhere())), 1.5);
    EXPECT_LT(expected_minutes(make_plan({}, usual_subjects(), somewhere())), 15);
}

TEST(LabPlan, MeasuresOnlyWhatIsAskedFor) {
    settings chosen;
    chosen.models = {"epoll", "poll"};
    chosen.scenarios = {"churn", "connections"};
    chosen.connections = 200;
    for (const cell& each : make_plan(chosen, usual_subjects(), somewhere())) {
        EXPECT_TRUE(each.subject == "epoll" || each.subject == "poll");
        EXPECT_TRUE(each.scenario == "churn" || each.scenario == "connections");
        EXPECT_LE(each.load.connections + each.load.idle, 200u);
    }
}

TEST(LabPlan, PreparesServersForAllConnectionsOfAb) {
    if (find_program("ab").empty()) GTEST_SKIP() << "ab is not installed (apache2-utils)";
    settings chosen;
    chosen.scenarios = {"ab"};
    const auto plan = make_plan(chosen, usual_subjects(), somewhere());
    EXPECT_FALSE(plan.empty());
    for (const cell& each : plan)
        EXPECT_EQ(each.load.connections, 1'000u) << each.key();
    settings quick;
    quick.quick = true;
    for (const cell& each : make_plan(quick, usual_subjects(), somewhere())) {
        EXPECT_NE(each.scenario, "ab");
        EXPECT_NE(each.subject, "apache-prefork");
    }
}

TEST(LabPlan, HoldsConnectionsOnlyWhenAskedTo) {
    for (const cell& each : make_plan({}, usual_subjects(), somewhere()))
        EXPECT_NE(each.scenario, "held");
    settings chosen;
    chosen.scenarios = {"held"};
    const auto plan = make_plan(chosen, usual_subjects(), somewhere());
    ASSERT_EQ(plan.size(), 3u);  // alone, beside the idle ones, and alone again
    EXPECT_EQ(plan[0].subject, alone_subject);
    EXPECT_EQ(plan[1].subject, held_subject);
    EXPECT_EQ(plan[2].subject, alone_subject);
    EXPECT_EQ(plan[1].load.runs, plan[0].load.runs + plan[2].load.runs);
    EXPECT_LT(expected_minutes(plan), 5);
    for (const cell& each : plan) {
        EXPECT_EQ(each.load.connections, 100u);
        EXPECT_EQ(each.load.idle, each.subject == held_subject ? 1'000'000u : 0u);
        // The same server for both: threads enough for the whole million under the limit of descriptors.
        EXPECT_GE(each.load.server_threads * somewhere().descriptors, 1'050'000u);
    }
}

TEST(LabPlan, SaysWhatAMillionConnectionsLack) {
    workplace at = somewhere();
    at.memory_bytes = std::uint64_t{1} << 30;
    EXPECT_NE(lacking_for(1'000'000, at).find("11718 MiB of memory"), std::string::npos);
    at.memory_bytes = std::uint64_t{64} << 30;
    at.descriptors = 1'024;
    EXPECT_NE(lacking_for(1'000'000, at).find("limit of descriptors"), std::string::npos);
}

/// Results in which every cell has the figures that `fill` gives it.
template <class Fill>
results measured(const settings& chosen, Fill fill) {
    std::vector<subject> subjects = usual_subjects();
    results all(make_plan(chosen, subjects, somewhere()), subjects);
    for (const cell& each : all.plan()) {
        sample made;
        made.key = each.key();
        made.cpu_microseconds = 10;
        made.cpu_share = 0.05;
        made.p50_microseconds = 400;
        made.p99_microseconds = 900;
        made.requests_per_second = 5'000;
        made.user_bytes = 1e6 + 200 * each.x;
        made.kernel_bytes = 1e6 + 3'000 * each.x;
        fill(each, made);
        all.add(made);
    }
    return all;
}

report_frame framed(const settings& chosen) {
    report_frame frame;
    frame.chosen = chosen;
    frame.at = somewhere();
    return frame;
}

const claim& about(const std::vector<claim>& all, std::string_view words) {
    return *std::find_if(all.begin(), all.end(),
                         [&](const claim& each) { return each.sentence.find(words) != std::string::npos; });
}

TEST(LabClaims, HoldWhenTheFiguresSaySo) {
    const settings chosen;
    const auto all = measured(chosen, [](const cell& at, sample& made) {
        if (at.subject == "poll" && at.x >= 10'000) made.cpu_share = 0.6, made.cpu_microseconds = 120;
        if (at.subject == "select" && at.x >= 1'000) made.cpu_microseconds = 21;
        if (at.subject == "one-byte-level") made.cpu_microseconds = 60;
        if (at.subject == "io_uring") made.cpu_microseconds = 0.9;
        if (at.subject == "apache-prefork") made.cpu_microseconds = 170, made.user_bytes *= 166;
    });
    const auto claims = make_claims(all, framed(chosen));
    EXPECT_EQ(about(claims, "poll burns").found, claim::outcome::holds);
    EXPECT_EQ(about(claims, "epoll takes 5%").found, claim::outcome::holds);
    EXPECT_EQ(about(claims, "half of select's").found, claim::outcome::holds);
    EXPECT_EQ(about(claims, "one byte at a time").found, claim::outcome::holds);
    EXPECT_EQ(about(claims, "ten times").found, claim::outcome::holds);
    EXPECT_EQ(about(claims, "17 times").found, claim::outcome::holds);
    EXPECT_EQ(about(claims, "166th").found, claim::outcome::holds);
}

TEST(LabClaims, DoNotHoldWhenTheFiguresSaySo) {
    const settings chosen;
    const auto all = measured(chosen, [](const cell&, sample&) {});
    const auto claims = make_claims(all, framed(chosen));
    EXPECT_EQ(about(claims, "dies at").found, claim::outcome::does_not_hold);
    EXPECT_EQ(about(claims, "poll burns").found, claim::outcome::does_not_hold);
    EXPECT_EQ(about(claims, "half of select's").found, claim::outcome::does_not_hold);
    EXPECT_EQ(about(claims, "one byte at a time").found, claim::outcome::does_not_hold);
    EXPECT_EQ(about(claims, "ten times").found, claim::outcome::does_not_hold);
    EXPECT_EQ(about(claims, "166th").found, claim::outcome::does_not_hold);
}

TEST(LabClaims, AreNotJudgedByInvalidRuns) {
    const settings chosen;
    const auto all = measured(chosen, [](const cell&, sample& made) {
        made.valid = false;
        made.reasons = "clock_steal";
    });
    for (const claim& each : make_claims(all, framed(chosen))) {
        if (each.sentence.find("select burns") != std::string::npos)
            continue;  // FD_SETSIZE needs no measurement
        EXPECT_EQ(each.found, claim::outcome::not_measured) << each.sentence;
    }
}

TEST(LabReport, HatchesInvalidRoundsAndUsesTheOthers) {
    settings chosen;
    chosen.scenarios = {"churn"};
    const auto all = measured(chosen, [](const cell& at, sample& made) {
        if (at.subject == "epoll")
            made.valid = at.round != 0, made.cpu_microseconds = at.round == 0 ? 1'000 : 10;
        if (at.subject == "poll") made.valid = false, made.reasons = "clock_steal";
        if (at.subject == "select") made.generator_bound = true;
    });
    const auto epoll = all.at("churn", "epoll", 0, figures::cpu_microseconds);
    ASSERT_TRUE(epoll);
    EXPECT_TRUE(epoll->valid);
    EXPECT_DOUBLE_EQ(epoll->y, 10);
    EXPECT_EQ(epoll->rounds, 3u);
    const auto poll = all.at("churn", "poll", 0, figures::cpu_microseconds);
    ASSERT_TRUE(poll);
    EXPECT_FALSE(poll->valid);
    EXPECT_EQ(poll->note, "the hypervisor took processor time");
    EXPECT_TRUE(all.at("churn", "select", 0, figures::cpu_microseconds)->valid);
    EXPECT_FALSE(all.at("churn", "select", 0, figures::requests_per_second)->valid);
}

TEST(LabReport, BeginsWithTheAnswerAndWhatDisturbedIt) {
    settings chosen;
    chosen.scenarios = {"held"};
    const auto all = measured(chosen, [](const cell& at, sample& made) {
        made.connections = at.load.idle + 100.0;
        made.p99_of_runs.assign(12, at.subject == held_subject ? 1'080 : 900);
        made.disturbed_runs = 2;
        if (at.round == 1) made.generator_bound = true, made.reasons = "generator_descheduled, clock_steal";
    });
    const page shown = make_page(all, framed(chosen));
    ASSERT_EQ(shown.headlines.size(), 3u);
    EXPECT_EQ(
        shown.headlines[0],
        "1 of 3 measurements were disturbed (1 of them: other programs used this machine): what cannot be "
        "relied on is hatched, and the same command with --fresh measures again.");
    EXPECT_EQ(shown.headlines[1], "One process held 1,000,100 connections.");
    EXPECT_EQ(shown.headlines[2],
              "Beside the idle ones p99 of 100 active connections is at most 1.50 times what it is without "
              "them: holds "
              "(1.20 times, 95% from 1.20 to 1.20: 1.08 ms beside them and 0.90 ms without, medians of 12 "
              "and 24 runs of "
              "which 6 more were disturbed and set aside).");
    ASSERT_EQ(shown.sections.size(), 1u);
    EXPECT_EQ(shown.sections[0].id, "held");
    EXPECT_EQ(to_html(shown).find("generator_descheduled"), std::string::npos);
}

/// The answer when a run alone, one beside the idle ones, and one alone again had these figures.
held_answer answer_of(std::vector<double> before, std::vector<double> beside, std::vector<double> after,
                      const char* reasons = "") {
    settings chosen;
    chosen.scenarios = {"held"};
    return answer_held(
        measured(chosen,
                 [&](const cell& at, sample& made) {
                     made.p99_of_runs = at.subject == held_subject ? beside : at.round == 0 ? before : after;
                     made.disturbed_runs = 3;
                     made.reasons = reasons;
                 }),
        chosen.held);
}

TEST(LabHeld, IsDecidedWhenTheIntervalIsOnOneSide) {
    using verdict = held_answer::verdict;
    const std::vector<double> usual{400, 410, 420, 430, 440,
                                    450, 460, 470, 480, 4'000};  // one run of ten is far off
    const std::vector<double> dear{900, 910, 920, 930, 940, 950, 960, 970, 980, 990};
    const std::vector<double> between{450, 500, 600, 650, 660, 670, 680, 800, 900, 1'000};
    EXPECT_EQ(answer_of(usual, usual, usual).is, verdict::holds);
    EXPECT_EQ(answer_of(usual, dear, usual).is, verdict::does_not_hold);
    const held_answer open = answer_of(usual, between, usual);
    EXPECT_EQ(open.is, verdict::not_decided);
    EXPECT_NE(held_words(open, 100).find("the runs differ too much"), std::string::npos)
        << held_words(open, 100);
    EXPECT_LT(open.ratio->low, held_ratio_allowed);
    EXPECT_GT(open.ratio->high, held_ratio_allowed);
}

TEST(LabHeld, IsNotDecidedByFewRunsOrOnAMachineThatChanged) {
    using verdict = held_answer::verdict;
    const std::vector<double> usual(12, 400.0);
    const std::vector<double> twice(12, 800.0);
    const held_answer few = answer_of(usual, {400, 410, 420}, usual, "generator_descheduled");
    EXPECT_EQ(few.is, verdict::not_decided);
    EXPECT_EQ(few.why,
              "only 3 runs beside the idle ones were undisturbed, of 6: other programs used this machine");
    const held_answer none = answer_of({}, usual, {});
    EXPECT_EQ(none.is, verdict::not_decided);
    EXPECT_FALSE(none.ratio.has_value());
    EXPECT_NE(held_words(none, 100).find("not decided on this machine: only 0 runs without"),
              std::string::npos)
        << held_words(none, 100);
    const held_answer changed = answer_of(usual, usual, twice);
    EXPECT_EQ(changed.is, verdict::not_decided);
    EXPECT_NE(changed.why.find("2.00 times the p99 without"), std::string::npos) << changed.why;
}

TEST(LabHeld, TheRunsOfACellAreWrittenDown) {
    sample made;
    made.key = "held/naru-held/1000/0";
    made.p99_of_runs = {410.25, 400};
    made.disturbed_runs = 3;
    const auto read = parse_sample(to_line(made));
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(read->p99_of_runs, made.p99_of_runs);
    EXPECT_EQ(read->disturbed_runs, 3);
}

TEST(LabReport, IsWholeWithoutASingleSample) {
    const settings chosen;
    const results none(make_plan(chosen, usual_subjects(), somewhere()), usual_subjects());
    report_frame frame;
    frame.chosen = chosen;
    frame.at = somewhere();
    EXPECT_TRUE(make_sections(none, frame).empty());
    EXPECT_FALSE(to_html(make_page(none, frame)).empty());
    EXPECT_NE(report_json(none, frame).find("\"samples\": ["), std::string::npos);
}

TEST(LabReport, ShowsEveryScenario) {
    const settings chosen;
    report_frame frame;
    frame.chosen = chosen;
    frame.at = somewhere();
    const auto all = measured(chosen, [](const cell&, sample&) {});
    std::set<std::string> parts;
    std::set<std::string> charts;
    for (const section& each : make_sections(all, frame)) {
        parts.insert(each.id);
        EXPECT_FALSE(each.charts.empty()) << each.id;
        for (const chart& drawn : each.charts)
            EXPECT_TRUE(charts.insert(drawn.id).second) << drawn.id;
    }
    for (const char* each :
         {"chapter", "connections", "memory", "activity", "size", "pipeline", "churn", "reading", "servers"})
        EXPECT_TRUE(parts.contains(each)) << each;
}

std::string temporary_log() { return ::testing::TempDir() + "naru-process-" + std::to_string(getpid()); }

TEST(LabProcess, GivesItsOutputAndItsEnd) {
    process running({{"/bin/sh", "-c", "echo one; echo two; echo words >&2; exit 7"}, {}}, temporary_log());
    EXPECT_EQ(running.read_line(10s), "one");
    EXPECT_EQ(running.read_all(10s), "two\n");
    EXPECT_FALSE(running.running());
    EXPECT_EQ(running.exit_status(), 7);
    EXPECT_EQ(running.last_words(1), "words");
}

TEST(LabProcess, EndsWithEverythingItHasStarted) {
    int child = 0;
    {
        process running({{"/bin/sh", "-c", "sleep 1000 & echo $!; wait"}, {}}, temporary_log());
        child = std::stoi(running.read_line(10s));
        ASSERT_EQ(::kill(child, 0), 0);
    }
    // Killed; whoever inherits it reaps it.
    for (unsigned look = 0; look < 1'000; ++look) {
        if (load::process_tree(child).empty()) break;
        std::this_thread::yield();
    }
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    std::string line;
    std::getline(status, line);
    EXPECT_TRUE(line.empty() || line.find(") Z ") != std::string::npos) << line;
}

TEST(LabProcess, SaysWhatCannotBeRun) {
    EXPECT_THROW(process({{"/no/such/program"}, {}}, temporary_log()), std::runtime_error);
    EXPECT_TRUE(find_program("no-such-program-anywhere").empty());
    EXPECT_FALSE(find_program("sh").empty());
}

}  // namespace
}  // namespace naru::lab
