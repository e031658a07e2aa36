// ./run sim: see --help.
#include "sim/campaign/campaign.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace {

using namespace naru;
using campaign::outcome_of_run;
using campaign::run_options;

constexpr const char* help =
    "Runs the web server, its client and hostile clients in simulated worlds, each from a seed, against a "
    "plain\n"
    "model of what must come back.\n"
    "  --requests N     requests in all (default: 1000000), or of the one seed (default: 2000)\n"
    "  --seeds N        so many seeds instead of so many requests\n"
    "  --each N         requests of each seed (default: 2000)\n"
    "  --from S         the first seed (default: 1)\n"
    "  --seed S         this seed only\n"
    "  --without KIND   leave a kind of fault out; several times\n"
    "  --only-plain     leave out proxies, WebSockets on streams of HTTP/2, and datagrams\n"
    "  --trace FILE     write each step of the one seed\n"
    "  --twice          run each seed twice, and compare\n"
    "  --shrink         find a smaller run of the one seed that still fails\n"
    "  --verbose        what the servers report, and what happened how often\n";

struct settings {
    std::optional<std::uint64_t> requests;
    std::optional<std::uint64_t> seeds;
    std::optional<std::uint64_t> seed;
    std::uint64_t each = 2'000;
    std::uint64_t first = 1;
    std::vector<sim::fault> without;
    bool only_plain = false;
    std::string trace;
    bool twice = false;
    bool shrink = false;
    bool verbose = false;
};

[[noreturn]] void refuse(const std::string& why) {
    std::fprintf(stderr, "sim: %s; --help says what there is\n", why.c_str());
    std::exit(2);
}

std::uint64_t number_of(std::string_view flag, std::string_view text) {
    std::uint64_t value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size())
        refuse(std::string(flag) + " takes a number, not \"" + std::string(text) + "\"");
    return value;
}

sim::fault kind_named(std::string_view name) {
    for (std::size_t each = 0; each < sim::fault_kinds; ++each) {
        if (name_of(static_cast<sim::fault>(each)) == name) return static_cast<sim::fault>(each);
    }
    refuse("no kind of fault is named \"" + std::string(name) + "\"");
}

settings read(int count, char** words) {
    settings made;
    for (int at = 1; at < count; ++at) {
        const std::string_view flag = words[at];
        const auto value = [&]() -> std::string_view {
            if (at + 1 >= count) refuse(std::string(flag) + " takes a value");
            return words[++at];
        };
        if (flag == "--help") {
            std::fputs(help, stdout);
            std::exit(0);
        } else if (flag == "--requests") {
            made.requests = number_of(flag, value());
        } else if (flag == "--seeds") {
            made.seeds = number_of(flag, value());
        } else if (flag == "--each") {
            made.each = number_of(flag, value());
        } else if (flag == "--from") {
            made.first = number_of(flag, value());
        } else if (flag == "--seed") {
            made.seed = number_of(flag, value());
        } else if (flag == "--without") {
            made.without.push_back(kind_named(value()));
        } else if (flag == "--trace") {
            made.trace = value();
        } else if (flag == "--only-plain") {
            made.only_plain = true;
        } else if (flag == "--twice") {
            made.twice = true;
        } else if (flag == "--shrink") {
            made.shrink = true;
        } else if (flag == "--verbose") {
            made.verbose = true;
        } else {
            refuse("\"" + std::string(flag) + "\" is no flag");
        }
    }
    if (!made.seed && (!made.trace.empty() || made.shrink)) refuse("--trace and --shrink go with --seed");
    return made;
}

struct totals {
    std::uint64_t requests = 0;
    std::uint64_t events = 0;
    std::uint64_t failures = 0;
    std::uint64_t served = 0;
    std::uint64_t cut = 0;
    std::uint64_t longest_ms = 0;
    sim::fault_table happened;
    sim::fault_table rated;
    std::map<std::string, std::uint64_t> sometimes;

    void add(const outcome_of_run& of) {
        requests += of.requests;
        events += of.events;
        failures += of.failures.size();
        served += of.served;
        cut += of.cut;
        longest_ms = std::max(longest_ms, of.longest_ms);
        happened.add(of.happened);
        rated.add(of.rated);
        for (const auto& [name, count] : of.sometimes)
            sometimes[name] += count;
    }
};

std::string words_for(const run_options& of) {
    std::string made = "--seed " + std::to_string(of.seed) + " --requests " + std::to_string(of.requests);
    for (const sim::fault each : of.without)
        made += " --without " + std::string(name_of(each));
    if (of.only_plain) made += " --only-plain";
    return made;
}

void show(const run_options& of, const outcome_of_run& got, bool verbose) {
    for (const std::string& each : got.failures)
        std::printf("seed %llu: %s\n", static_cast<unsigned long long>(of.seed), each.c_str());
    if (verbose) {
        for (const std::string& each : got.reports)
            std::printf("  server: %s\n", each.c_str());
    }
    if (got.failures.empty()) return;
    run_options again = of;
    again.keep_trace = true;
    const outcome_of_run traced = run_seed(again);
    const std::size_t last = std::min<std::size_t>(traced.trace.size(), 10);
    for (std::size_t each = traced.trace.size() - last; each < traced.trace.size(); ++each)
        std::printf("  %s\n", traced.trace[each].c_str());
    std::printf("  again: ./run sim %s\n", words_for(of).c_str());
    std::fflush(stdout);
}

// Fewer requests and kinds of fault, as long as it fails.
run_options shrink(run_options of) {
    const auto fails = [](const run_options& with) { return !run_seed(with).failures.empty(); };
    for (std::size_t each = 0; each < sim::fault_kinds; ++each) {
        run_options less = of;
        less.without.push_back(static_cast<sim::fault>(each));
        if (fails(less)) of = less;
    }
    run_options plain = of;
    plain.only_plain = true;
    if (fails(plain)) of = plain;
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (const std::uint64_t part : {2u, 4u, 10u}) {
            run_options less = of;
            less.requests -= std::max<std::uint64_t>(less.requests / part, 1);
            if (less.requests == of.requests || less.requests == 0 || !fails(less)) continue;
            of = less;
            smaller = true;
            break;
        }
    }
    return of;
}

void summarise(const totals& all, const settings& of, double seconds) {
    for (std::size_t each = 0; each < sim::fault_kinds; ++each) {
        const auto which = static_cast<sim::fault>(each);
        if (of.verbose)
            std::printf("%-26s %llu\n", name_of(which).data(),
                        static_cast<unsigned long long>(all.happened[which]));
        if (all.rated[which] != 0 && all.happened[which] == 0)
            std::printf("never happened: %s\n", name_of(which).data());
    }
    for (const auto& [name, count] : all.sometimes) {
        if (count == 0) std::printf("never reached: %s\n", name.c_str());
    }
    if (of.verbose)
        std::printf(
            "%llu answers to honest clients, the latest after %llu ms; %llu connections of others cut\n",
            static_cast<unsigned long long>(all.served), static_cast<unsigned long long>(all.longest_ms),
            static_cast<unsigned long long>(all.cut));
    std::printf("%llu requests, %llu events, %zu kinds of fault, %llu failures, %.1f s\n",
                static_cast<unsigned long long>(all.requests), static_cast<unsigned long long>(all.events),
                all.happened.kinds(), static_cast<unsigned long long>(all.failures), seconds);
}

bool write_trace(const std::string& path, const std::vector<std::string>& lines) {
    std::ofstream file(path);
    for (const std::string& each : lines)
        file << each << '\n';
    return static_cast<bool>(file.flush());
}

}  // namespace

int main(int count, char** words) {
    const settings of = read(count, words);
    const auto begun = std::chrono::steady_clock::now();
    totals all;
    const std::uint64_t wanted = of.requests.value_or(of.seed ? of.each : 1'000'000);
    for (std::uint64_t seed = of.seed.value_or(of.first);; ++seed) {
        run_options one;
        one.seed = seed;
        one.requests = of.seed ? wanted : of.each;
        one.without = of.without;
        one.only_plain = of.only_plain;
        one.keep_trace = !of.trace.empty();
        if (of.shrink) one = shrink(one);
        outcome_of_run got = run_seed(one);
        if (of.twice && run_seed(one).trace_hash != got.trace_hash)
            got.failures.push_back("a second run has gone another way");
        all.add(got);
        show(one, got, of.verbose);
        if (!of.trace.empty() && !write_trace(of.trace, got.trace)) refuse("cannot write " + of.trace);
        if (of.seed) break;
        if (of.seeds ? seed + 1 - of.first >= *of.seeds : all.requests >= wanted) break;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    summarise(all, of, took.count());
    return all.failures == 0 ? 0 : 1;
}
