#include <naru/sim/seeds.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <map>
#include <string_view>
#include <utility>

namespace naru::sim {

namespace {

constexpr std::size_t last_steps = 12;
constexpr std::uint64_t other_seeds = 32;

struct run_result {
    std::string failure;  // empty: none
    std::uint64_t hash = 0;
    fault_table happened;
    std::map<std::string, std::uint64_t> sometimes;
    std::vector<std::string> last;
};

run_result run_once(const world_options& options, const std::function<void(world&)>& body) {
    run_result got;
    world made(options);
    try {
        body(made);
    } catch (const std::exception& thrown) {
        made.require(false, std::string("an exception: ") + thrown.what());
    }
    got.failure = made.first_failure();
    got.hash = made.trace_hash();
    got.happened = made.happened();
    for (const auto& [name, count] : made.sometimes())
        got.sometimes[std::string(name)] += count;
    const auto& steps = made.trace();
    got.last.assign(steps.end() - static_cast<std::ptrdiff_t>(std::min(steps.size(), last_steps)),
                    steps.end());
    return got;
}

// One kind of misfortune after the other is left out, as long as it fails: from the same seed, or from
// another, since without it the seed leads elsewhere.
world_options shrunk(world_options options, const std::function<void(world&)>& body) {
    const auto keep_if_it_fails = [&](world_options less) {
        for (std::uint64_t each = 0; each <= other_seeds; ++each) {
            if (each != 0) less.seed = each;
            if (run_once(less, body).failure.empty()) continue;
            options = std::move(less);
            return;
        }
    };
    for (std::size_t each = 0; each < fault_kinds; ++each) {
        world_options less = options;
        if (std::exchange(less.faults.one_in[static_cast<fault>(each)], 0) != 0) keep_if_it_fails(less);
    }
    if (options.short_counts) {
        world_options less = options;
        less.short_counts = false;
        keep_if_it_fails(less);
    }
    if (options.backends != manner::readiness) {
        world_options less = options;
        less.backends = manner::readiness;
        keep_if_it_fails(less);
    }
    if (options.most_latency > options.least_latency) {
        world_options less = options;
        less.most_latency = less.least_latency;
        keep_if_it_fails(less);
    }
    return options;
}

std::optional<std::uint64_t> seed_from_outside() {
    const char* const said = std::getenv("NARU_SIM_SEED");
    if (said == nullptr) return std::nullopt;
    const std::string_view text = said;
    std::uint64_t value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end.ec != std::errc() || end.ptr != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

seed_report run_seeds(const seed_options& options, const std::function<void(world&)>& body) {
    seed_report report;
    const auto asked = seed_from_outside();
    const std::uint64_t first = asked.value_or(options.world.seed);
    const std::uint64_t count = asked ? 1 : options.seeds;
    std::map<std::string, std::uint64_t> sometimes;
    for (std::uint64_t each = 0; each < count; ++each) {
        world_options with = options.world;
        with.seed = first + each;
        run_result got = run_once(with, body);
        ++report.runs;
        if (got.failure.empty() && each == 0 && options.twice && run_once(with, body).hash != got.hash)
            got.failure = "a second run from the same seed has gone another way";
        report.happened.add(got.happened);
        for (const auto& [name, times] : got.sometimes)
            sometimes[name] += times;
        if (got.failure.empty()) continue;
        report.seed = with.seed;
        report.failure = got.failure;
        report.smallest = options.shrink ? shrunk(with, body) : with;
        world_options traced = report.smallest;
        traced.keep_trace = true;
        report.last = run_once(traced, body).last;
        return report;
    }
    if (!options.demand_all || asked) return report;
    for (std::size_t each = 0; each < fault_kinds; ++each) {
        const auto which = static_cast<fault>(each);
        if (options.world.faults.one_in[which] != 0 && report.happened[which] == 0)
            report.missing.push_back("never happened: " + std::string(name_of(which)));
    }
    for (const auto& [name, times] : sometimes) {
        if (times == 0) report.missing.push_back("never reached: " + name);
    }
    return report;
}

std::string seed_report::text() const {
    std::string made;
    for (const std::string& each : missing)
        made += each + "\n";
    if (seed) {
        made += "seed " + std::to_string(*seed) + " fails: " + failure + "\n";
        std::string left;
        for (std::size_t each = 0; each < fault_kinds; ++each) {
            const auto which = static_cast<fault>(each);
            if (smallest.faults.one_in[which] != 0) left += " " + std::string(name_of(which));
        }
        made += left.empty() ? std::string("no fault of a rate is needed for it") : "it takes:" + left;
        made += "; so from seed " + std::to_string(smallest.seed) + ":\n";
        for (const std::string& each : last)
            made += "  " + each + "\n";
        made += "again: NARU_SIM_SEED=" + std::to_string(*seed) + "\n";
    }
    made += std::to_string(runs) + " worlds, " + std::to_string(happened.kinds()) + " kinds of fault\n";
    return made;
}

}  // namespace naru::sim
