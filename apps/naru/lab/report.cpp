#include <lab/report.hpp>

#include <lab/held.hpp>
#include <lab/machine_facts.hpp>
#include <lab/model.hpp>
#include <lab/report_words.hpp>
#include <load/json.hpp>

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace naru::lab {

namespace {

using load::json_text;

// One disturbed measurement in so many is what a quiet machine has.
constexpr std::size_t tolerated_share = 20;

std::vector<model_cost> costs_of(const results& all, const report_frame& frame) {
    std::vector<model_cost> costs;
    for (const model& each : all_models()) {
        model_cost made;
        made.model = each.name;
        const std::string& name = made.model;
        const auto busy = all.median(scenarios::activity, name, 1'000, figures::cpu_microseconds);
        if (busy)
            made.lines.push_back(
                fmt::format("{} us of CPU a request with 1,000 busy connections", figure_words(*busy)));
        const double many = frame.chosen.connections;
        const auto idle = all.median(scenarios::connections, name, many, figures::cpu_microseconds);
        if (idle)
            made.lines.push_back(fmt::format("{} us of CPU a request with {} connections, {} of them active",
                                             figure_words(*idle), count_words(many),
                                             count_words(frame.chosen.active)));
        const auto memory = all.bytes_per_connection(name, figures::user_bytes);
        if (memory && *memory > 0)
            made.lines.push_back(byte_words(*memory) + " of user memory for an idle connection");
        const auto calls = all.median(scenarios::calls, name, 0, figures::calls);
        if (calls) made.lines.push_back(figure_words(*calls) + " system calls a request");
        const ceiling most = ceiling_of(name, frame.at);
        if (most.connections != 0)
            made.lines.push_back("ends at " + count_words(most.connections) + ": " + most.why);
        if (!made.lines.empty()) costs.push_back(std::move(made));
    }
    return costs;
}

// One sentence before all others when more than a few measurements are not what they would be on a quiet
// machine: what spoilt most of them, in words.
std::string disturbance_of(const results& all) {
    std::size_t measured = 0;
    std::size_t disturbed = 0;
    std::map<std::string, std::size_t> causes;
    for (const auto& [key, each] : all.samples()) {
        ++measured;
        if (each.valid && !each.generator_bound) continue;
        ++disturbed;
        std::string words = reason_words(each.reasons);
        words.erase(std::min(words.find(", "), words.size()));
        ++causes[words];
    }
    if (disturbed * tolerated_share <= measured) return {};
    const auto cause = std::max_element(causes.begin(), causes.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    return fmt::format(
        "{} of {} measurements were disturbed ({} of them: {}): what cannot be relied on is hatched, "
        "and the same command with --fresh measures again.",
        disturbed, measured, cause->second, cause->first);
}

void add_held(std::vector<std::string>& lines, const results& all, const report_frame& frame) {
    const double x = frame.chosen.held;
    const std::string with(held_subject);
    // How many there were does not depend on who else used the machine.
    const auto open = all.at(scenarios::held, with, x, figures::connections);
    if (!open) return;
    lines.push_back(fmt::format("One process held {} connections{}.", count_words(open->y),
                                frame.chosen.websockets
                                    ? fmt::format(", {} of them idle WebSockets", count_words(x))
                                    : std::string()));
    lines.push_back(held_words(answer_held(all, x), frame.chosen.active));
}

std::vector<std::string> headlines_of(const results& all, const report_frame& frame) {
    std::vector<std::string> lines;
    add_held(lines, all, frame);
    double most = 0;
    for (const double x : all.places_of(scenarios::connections)) {
        if (x <= frame.chosen.connections) most = std::max(most, x);
    }
    const auto poll = all.ratio(scenarios::connections, most, "poll", "epoll", figures::cpu_microseconds);
    if (poll && poll->valid)
        lines.push_back(
            fmt::format("With {} open connections poll takes {} the CPU of epoll for each request.",
                        count_words(most), times_words(poll->ratio.median)));
    const auto threads =
        all.ratio(scenarios::connections, most, "threads", "epoll", figures::cpu_microseconds);
    if (threads && threads->valid)
        lines.push_back(fmt::format("A thread for each of {} connections works: {} the CPU of epoll.",
                                    count_words(most), times_words(threads->ratio.median)));
    const auto user = all.bytes_per_connection("threads", figures::user_bytes);
    const auto event = all.bytes_per_connection("epoll", figures::user_bytes);
    if (user && event && *event > 0)
        lines.push_back(fmt::format("A thread's connection takes {} of user memory, one of epoll {}.",
                                    byte_words(*user), byte_words(*event)));
    const auto busy = all.ratio(scenarios::activity, 1'000, "io_uring", "epoll", figures::cpu_microseconds);
    if (busy && busy->valid)
        lines.push_back(fmt::format(
            "With 1,000 busy connections io_uring takes {} the CPU of epoll ({} to {}).",
            times_words(busy->ratio.median), figure_words(busy->ratio.low), figure_words(busy->ratio.high)));
    if (lines.empty()) lines.emplace_back("Nothing that could be compared has been measured yet.");
    if (std::string disturbance = disturbance_of(all); !disturbance.empty())
        lines.insert(lines.begin(), std::move(disturbance));
    return lines;
}

std::vector<std::string> caveats_of(const report_frame& frame) {
    std::vector<std::string> caveats;
    for (const char* const each : {
             "In the table of sentences a factor holds when at least half of it is seen.",
             "Loopback: no network card, no loss, no distance. The sender's system call does much of the "
             "receiver's work.",
             "One core for the server and one for the generator. What a model gains from more cores is not "
             "shown.",
             "Server processor time is what the system charges the process with, and the kernel thread of "
             "io_uring-sqpoll. Work that "
             "interrupts do on behalf of others is charged to whoever was running.",
             "The lab's server answers from memory and has no deadlines: it shows the model, not a product. "
             "The complete servers are "
             "in a part of their own.",
             "Where a table says four rounds or more, intervals are 95% (Student's t of the logarithms of "
             "the rounds); of fewer "
             "rounds they go from the smallest to the largest. Another day may differ by more.",
             "Each measurement takes a fraction of a second (the command says so with --seconds): stalls "
             "that come once in some "
             "seconds are in few of them, or in none.",
             "In a closed loop every model runs at its own rate. A server that is faster than its generator "
             "waits more often, and "
             "that is in its CPU per request, too.",
         })
        caveats.emplace_back(each);
    for (const std::string& why : frame.missing)
        caveats.push_back("Not measured: " + why + ".");
    if (frame.shared_core)
        caveats.emplace_back(
            "Server and generator had to share one core: latencies and rates say little here.");
    return caveats;
}

std::string ratios_json(const results& all) {
    std::string out = "[";
    for (const std::string_view scenario : {scenarios::connections, scenarios::activity, scenarios::size,
                                            scenarios::pipeline, scenarios::churn, scenarios::servers}) {
        const std::string baseline = scenario == scenarios::servers ? "nginx" : "epoll";
        for (const std::string& name : all.subjects_of(scenario)) {
            for (const double x : all.places_of(scenario)) {
                const auto ratio = all.ratio(scenario, x, name, baseline, figures::cpu_microseconds);
                if (!ratio || name == baseline) continue;
                out += fmt::format(
                    "{}\n    {{\"figure\": \"cpu_us_per_request\", \"scenario\": {}, \"x\": {:g}, "
                    "\"subject\": {}, "
                    "\"baseline\": {}, \"median\": {:.4g}, \"low\": {:.4g}, \"high\": {:.4g}, \"rounds\": "
                    "{}, "
                    "\"valid\": {}}}",
                    out.size() > 1 ? "," : "", json_text(scenario), x, json_text(name), json_text(baseline),
                    ratio->ratio.median, ratio->ratio.low, ratio->ratio.high, ratio->ratio.rounds,
                    ratio->valid);
            }
        }
    }
    return out + "\n  ]";
}

const char* name_of(claim::outcome which) {
    switch (which) {
        case claim::outcome::holds:
            return "holds";
        case claim::outcome::does_not_hold:
            return "does_not_hold";
        case claim::outcome::depends:
            return "depends";
        case claim::outcome::not_measured:
            break;
    }
    return "not_measured";
}

}  // namespace

page make_page(const results& all, const report_frame& frame) {
    page made;
    made.title = "The C10K question, on this machine";
    made.subtitle = fmt::format("{}; {}", machine_words(), frame.date);
    made.headlines = headlines_of(all, frame);
    made.claims = make_claims(all, frame);
    made.sections = make_sections(all, frame);
    made.models = costs_of(all, frame);
    made.machine = machine_facts();
    made.command = frame.command;
    made.version = "naru " + frame.version;
    made.caveats = caveats_of(frame);
    made.under_way = frame.under_way;
    return made;
}

std::string report_json(const results& all, const report_frame& frame) {
    std::string out = fmt::format(
        "{{\n  \"tool\": \"naru lab\",\n  \"version\": {},\n  \"command\": {},\n  \"date\": {},\n"
        "  \"complete\": {},\n  \"machine\": {{",
        json_text(frame.version), json_text(frame.command), json_text(frame.date),
        frame.under_way.done == frame.under_way.planned);
    std::string_view between;
    for (const fact& each : machine_facts()) {
        out += fmt::format("{}\n    {}: {}", between, json_text(each.name), json_text(each.value));
        between = ",";
    }
    out += "\n  },\n  \"subjects\": {";
    between = "";
    for (const subject& each : all.subjects()) {
        out += fmt::format("{}\n    {}: {}", between, json_text(each.name), json_text(each.what));
        between = ",";
    }
    out += "\n  },\n  \"claims\": [";
    between = "";
    for (const claim& each : make_claims(all, frame)) {
        out += fmt::format(
            "{}\n    {{\"sentence\": {}, \"claimed\": {}, \"measured\": {}, \"outcome\": \"{}\", \"why\": "
            "{}}}",
            between, json_text(each.sentence), json_text(each.claimed), json_text(each.measured),
            name_of(each.found), json_text(each.why));
        between = ",";
    }
    out += fmt::format("\n  ],\n  \"ratios\": {},\n  \"samples\": [", ratios_json(all));
    between = "";
    for (const cell& each : all.plan()) {
        const auto found = all.samples().find(each.key());
        if (found == all.samples().end()) continue;
        std::string line = to_line(found->second);
        line.pop_back();
        out += fmt::format("{}\n    {}", between, line);
        between = ",";
    }
    return out + "\n  ]\n}\n";
}

}  // namespace naru::lab
