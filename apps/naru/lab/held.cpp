#include <lab/held.hpp>

#include <lab/report_words.hpp>

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace naru::lab {

namespace {

struct side {
    std::vector<double> runs;
    std::vector<double> first;  ///< of the first round that has any
    std::vector<double> last;
    double set_aside = 0;
    std::string reason;
};

side side_of(const results& all, std::string_view subject, double x) {
    side made;
    for (const cell& each : all.plan()) {
        if (each.scenario != scenarios::held || each.subject != subject || each.x != x) continue;
        const auto found = all.samples().find(each.key());
        if (found == all.samples().end()) continue;
        const sample& of = found->second;
        made.set_aside += std::max(of.disturbed_runs, 0.0);
        if (!of.reasons.empty()) made.reason = of.reasons;
        if (of.failed || !of.valid || of.p99_of_runs.empty()) continue;
        if (made.first.empty()) made.first = of.p99_of_runs;
        made.last = of.p99_of_runs;
        made.runs.insert(made.runs.end(), of.p99_of_runs.begin(), of.p99_of_runs.end());
    }
    return made;
}

std::string too_few(const side& of, std::string_view which) {
    return fmt::format("only {} runs {} were undisturbed, of {}{}", of.runs.size(), which,
                       static_cast<double>(of.runs.size()) + of.set_aside,
                       of.reason.empty() ? std::string() : ": " + reason_words(of.reason));
}

}  // namespace

held_answer answer_held(const results& all, double x) {
    const side with = side_of(all, held_subject, x);
    const side without = side_of(all, alone_subject, x);
    held_answer made;
    made.runs_with = with.runs.size();
    made.runs_without = without.runs.size();
    made.set_aside = with.set_aside + without.set_aside;
    made.ratio = ratio_of_medians(with.runs, without.runs);
    if (made.ratio) {
        made.with = estimate_of(with.runs)->median;
        made.without = estimate_of(without.runs)->median;
    }
    if (made.runs_with < runs_needed) {
        made.why = too_few(with, "beside the idle ones");
    } else if (made.runs_without < runs_needed) {
        made.why = too_few(without, "without the idle ones");
    } else if (const auto drift = ratio_of_medians(without.last, without.first);
               drift && (drift->low > held_ratio_allowed || drift->high < 1 / held_ratio_allowed)) {
        made.why =
            fmt::format("the machine was another one after than before: {} the p99 without the idle ones",
                        times_words(drift->median));
    } else if (made.ratio->high <= held_ratio_allowed) {
        made.is = held_answer::verdict::holds;
    } else if (made.ratio->low > held_ratio_allowed) {
        made.is = held_answer::verdict::does_not_hold;
    } else {
        made.why = "the runs differ too much from one another, and more of them are needed (--rounds)";
    }
    return made;
}

std::string held_words(const held_answer& answer, double active) {
    if (!answer.ratio) {
        return fmt::format(
            "What the idle ones cost the {} active connections is not decided on this machine: {}.",
            count_words(active), answer.why);
    }
    const std::string figures = fmt::format(
        "{}, 95% from {} to {}: {} beside them and {} without, medians of {} and {} runs of which {} more "
        "were "
        "disturbed and set aside",
        times_words(answer.ratio->median), figure_words(answer.ratio->low), figure_words(answer.ratio->high),
        milliseconds_words(answer.with / 1000), milliseconds_words(answer.without / 1000), answer.runs_with,
        answer.runs_without, count_words(answer.set_aside));
    const std::string sentence =
        fmt::format("Beside the idle ones p99 of {} active connections is at most {} what it is without them",
                    count_words(active), times_words(held_ratio_allowed));
    switch (answer.is) {
        case held_answer::verdict::holds:
            return fmt::format("{}: holds ({}).", sentence, figures);
        case held_answer::verdict::does_not_hold:
            return fmt::format("{}: does not hold ({}).", sentence, figures);
        case held_answer::verdict::not_decided:
            break;
    }
    return fmt::format("{}: not decided on this machine, {} ({}).", sentence, answer.why, figures);
}

}  // namespace naru::lab
