#include <lab/results.hpp>

#include <lab/report_words.hpp>

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

namespace naru::lab {

namespace {

// One round of four is not what the machine does.
bool is_enough(std::size_t sound, std::size_t rounds) { return sound > 0 && 2 * sound >= rounds; }

bool is_sound(const sample& of, const figure& which) {
    return of.valid && !(which.generator_matters && of.generator_bound);
}

}  // namespace

results::results(std::vector<cell> plan, std::vector<subject> subjects)
    : plan_(std::move(plan)), subjects_(std::move(subjects)) {}

void results::add(sample measured) {
    std::string key = measured.key;
    samples_.insert_or_assign(std::move(key), std::move(measured));
}

std::size_t results::done() const {
    return static_cast<std::size_t>(
        std::count_if(plan_.begin(), plan_.end(), [this](const cell& each) { return has(each.key()); }));
}

std::vector<std::string> results::subjects_of(std::string_view scenario) const {
    std::vector<std::string> names;  // in the order of `subjects_`: rounds begin with another one each
    std::set<std::string> there;
    for (const cell& each : plan_) {
        if (each.scenario == scenario) there.insert(each.subject);
    }
    for (const subject& each : subjects_) {
        if (there.contains(each.name)) names.push_back(each.name);
    }
    return names;
}

std::vector<double> results::places_of(std::string_view scenario) const {
    std::set<double> places;
    for (const cell& each : plan_) {
        if (each.scenario == scenario) places.insert(each.x);
    }
    return {places.begin(), places.end()};
}

std::vector<const sample*> results::rounds_of(std::string_view scenario, const std::string& subject,
                                              double x) const {
    std::vector<const sample*> rounds;
    for (const cell& each : plan_) {
        if (each.scenario != scenario || each.subject != subject || each.x != x) continue;
        const auto found = samples_.find(each.key());
        if (found != samples_.end()) rounds.push_back(&found->second);
    }
    return rounds;
}

std::optional<point> results::at(std::string_view scenario, const std::string& subject, double x,
                                 const figure& which) const {
    const auto rounds = rounds_of(scenario, subject, x);
    std::vector<double> sound;
    std::vector<double> all;
    std::set<std::string> reasons;
    for (const sample* each : rounds) {
        const double value = each->*which.value * which.scale;
        if (each->failed || value < 0) {
            if (each->failed) reasons.insert(reason_words(each->reasons));
            continue;
        }
        all.push_back(value);
        if (is_sound(*each, which)) {
            sound.push_back(value);
        } else {
            reasons.insert(reason_words(each->reasons));
        }
    }
    const bool valid = is_enough(sound.size(), rounds.size());
    const auto estimated = estimate_of(valid ? sound : all);
    if (!estimated) return std::nullopt;
    point made;
    made.x = x;
    made.y = estimated->median;
    made.low = estimated->low;
    made.high = estimated->high;
    made.rounds = estimated->rounds;
    made.valid = valid;
    if (!valid) {
        for (const std::string& each : reasons)
            made.note += (made.note.empty() ? "" : "; ") + each;
    }
    return made;
}

std::optional<double> results::median(std::string_view scenario, const std::string& subject, double x,
                                      const figure& which) const {
    const auto found = at(scenario, subject, x, which);
    return found && found->valid ? std::optional(found->y) : std::nullopt;
}

std::optional<compared> results::ratio(std::string_view scenario, double x, const std::string& subject,
                                       const std::string& baseline, const figure& which) const {
    std::map<unsigned, const sample*> upper;
    std::map<unsigned, const sample*> lower;
    for (const cell& each : plan_) {
        if (each.scenario != scenario || each.x != x) continue;
        const auto found = samples_.find(each.key());
        if (found == samples_.end() || found->second.failed || found->second.*which.value <= 0) continue;
        if (each.subject == subject) upper[each.round] = &found->second;
        if (each.subject == baseline) lower[each.round] = &found->second;
    }
    std::vector<double> sound;
    std::vector<double> all;
    for (const auto& [round, mine] : upper) {
        const auto other = lower.find(round);
        if (other == lower.end()) continue;
        const double value = mine->*which.value / (other->second->*which.value);
        all.push_back(value);
        if (is_sound(*mine, which) && is_sound(*other->second, which)) sound.push_back(value);
    }
    const bool valid = is_enough(sound.size(), upper.size());
    const auto estimated = estimate_of(valid ? sound : all);
    if (!estimated) return std::nullopt;
    return compared{std::string(scenario), x, subject, baseline, *estimated, valid};
}

std::optional<double> results::bytes_per_connection(const std::string& subject, const figure& which) const {
    std::vector<xy> ends;
    for (const double x : places_of(scenarios::connections)) {
        const auto there = at(scenarios::connections, subject, x, which);
        if (there && there->valid) ends.push_back({x, there->y});
    }
    // A few connections more are lost in what a server allocates ahead.
    if (ends.size() < 2 || ends.back().x < 500) return std::nullopt;
    return slope_of(ends);
}

order order_of(const results& all, std::string_view scenario, const std::string& first,
               const std::string& second) {
    order found;
    std::optional<line_point> before;
    unsigned changes = 0;
    bool all_clear = true;
    for (const double x : all.places_of(scenario)) {
        const auto ratio = all.ratio(scenario, x, first, second, figures::cpu_microseconds);
        if (!ratio) continue;
        const bool less = ratio->valid && ratio->ratio.high < 1;
        const bool more = ratio->valid && ratio->ratio.low > 1;
        if (!less && !more) {
            all_clear = false;
            continue;
        }
        const line_point here{x, ratio->ratio.median, 1};
        if (before && (before->first < 1) != less) {
            ++changes;
            const std::array<line_point, 2> both{*before, here};
            found.crossover = crossover_of(both);
        }
        found.first_is_less = less;
        before = here;
    }
    if (!before || changes > 1 || (changes == 0 && !all_clear)) return {};
    found.is = changes == 1 ? order::kind::crosses : order::kind::everywhere;
    return found;
}

}  // namespace naru::lab
