// The idle connections in a process of their own, and many runs of the active ones beside them.
#include <lab/core_watch.hpp>
#include <lab/handler.hpp>
#include <lab/measure_parts.hpp>
#include <lab/statistics.hpp>
#include <load/json.hpp>
#include <load/process_tree.hpp>

#include <algorithm>
#include <csignal>
#include <map>
#include <stdexcept>

#include <unistd.h>

#include <fmt/format.h>

namespace naru::lab {

namespace {

using namespace std::chrono_literals;

// Beyond these a run is set aside: its latencies are not the server's. (The generator judges by itself
// whether it could keep its schedule, was stopped, or whether the hypervisor took time: docs/load.md.)
constexpr double wait_allowed = 0.02;    // of a run, in which the generator wanted a core and had none
constexpr double others_allowed = 0.05;  // of the cores of server and generator, by other programs

// The process that holds the idle connections, apart from the one that measures; a second is measured only
// when all are there.
std::unique_ptr<process> hold_idle(const cell& what, std::uint16_t port, const workplace& at,
                                   const std::function<bool()>& cancelled) {
    const std::string threads = fmt::format("{}", what.load.server_threads);
    std::vector<std::string> words{at.program,
                                   "load",
                                   fmt::format("http://127.0.0.1:{}/{}", port, what.load.body),
                                   "--json",
                                   "--engine",
                                   "io_uring",
                                   "--threads",
                                   threads,
                                   "--connections",
                                   threads,
                                   "--rate",
                                   "1",
                                   "--idle",
                                   fmt::format("{}", what.load.idle),
                                   "--warmup",
                                   "0",
                                   "--duration",
                                   "24h"};
    if (what.load.websockets) words.insert(words.end(), {"--idle-websocket", std::string(websocket_path)});
    auto holder = std::make_unique<process>(command{std::move(words), at.generator_cores},
                                            at.directory + "/holder.log");
    const auto until = std::chrono::steady_clock::now() +
                       std::chrono::milliseconds(static_cast<int>(2'000 * what.expected_seconds())) + 30s;
    while (holder->last_words(1).find(": second ") == std::string::npos) {
        if (!holder->running())
            throw std::runtime_error("the idle connections are not held: " + holder->last_words(1));
        if (cancelled() || std::chrono::steady_clock::now() > until)
            throw std::runtime_error("the idle connections took too long to open");
        (void)holder->read_line(look_interval);
    }
    return holder;
}

// Ends the holder and asks it how many it still had.
double held_by(process& holder, std::uint32_t idle) {
    ::kill(holder.number(), SIGINT);
    const auto read = load::json_value::parse(holder.read_all(60s));
    const load::json_value* const lost = read ? read->find("connections.idle_lost") : nullptr;
    const load::json_value* const open = read ? read->find("connections.idle_open") : nullptr;
    if (lost == nullptr || open == nullptr) return -1;
    return std::min<double>(open->number(-1), idle - lost->number(0));
}

// One run of the active connections: `set_aside` are the reasons why it says nothing.
struct one_run {
    sample made;
    std::string set_aside;
};

// The most that a thread of the generator waited for a core, as a share of the run.
double longest_wait(const std::string& report) {
    const auto read = load::json_value::parse(report);
    const load::json_value* const threads = read ? read->find("generator.threads") : nullptr;
    double most = 0;
    if (threads == nullptr) return most;
    for (const load::json_value& each : threads->elements()) {
        if (const load::json_value* const share = each.find("wait_share"))
            most = std::max(most, share->number(0));
    }
    return most;
}

one_run run_active(const cell& what, started& server, const workplace& at,
                   const std::function<bool()>& cancelled) {
    std::vector<int> cores = at.server_cores;
    if (at.server_cores != at.generator_cores)
        cores.insert(cores.end(), at.generator_cores.begin(), at.generator_cores.end());
    const core_watch watch(std::move(cores), getpid());
    process generator({load_words(what, at, server.port, server.running->number()), at.generator_cores},
                      at.directory + "/load.log");
    const auto output = output_of(generator, what, cancelled);
    if (!output) return {failure(what, "the load did not come to an end"), {}};
    if (generator.exit_status() != 0) return {failure(what, generator.last_words(1)), {}};
    one_run made{from_report(what, *output), {}};
    if (made.made.failed) return made;
    if (made.made.cpu_microseconds <= 0) spoil(made.made, "server_not_read");
    made.set_aside = made.made.reasons;
    if (made.set_aside.empty() && longest_wait(*output) > wait_allowed)
        made.set_aside = "generator_descheduled";
    if (made.set_aside.empty() && watch.others() > others_allowed) made.set_aside = "server_core_shared";
    if (made.set_aside.empty() && made.made.p99_microseconds <= 0) made.set_aside = "too_few_samples";
    return made;
}

double median_of(const std::vector<one_run>& runs, double sample::* value) {
    std::vector<double> known;
    for (const one_run& each : runs) {
        if (each.made.*value >= 0) known.push_back(each.made.*value);
    }
    const auto estimated = estimate_of(known);
    return estimated ? estimated->median : -1;
}

// What many runs say together: the undisturbed ones, or all when there is none.
sample together(const cell& what, std::vector<one_run> sound, const std::vector<one_run>& disturbed) {
    sample made;
    made.key = what.key();
    for (const one_run& each : sound)
        made.p99_of_runs.push_back(each.made.p99_microseconds);
    made.disturbed_runs = static_cast<double>(disturbed.size());
    if (sound.size() < runs_needed) {
        made.generator_bound = true;
        std::map<std::string, unsigned> reasons;
        for (const one_run& each : disturbed)
            ++reasons[each.set_aside];
        const auto most = std::max_element(reasons.begin(), reasons.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        made.reasons = most == reasons.end() ? "too_few_samples" : most->first;
    }
    const std::vector<one_run>& used = sound.empty() ? disturbed : sound;
    for (double sample::* const each :
         {&sample::requests_per_second, &sample::errors, &sample::cpu_microseconds, &sample::cpu_share,
          &sample::p50_microseconds, &sample::p99_microseconds, &sample::max_microseconds, &sample::tasks,
          &sample::connections})
        made.*each = median_of(used, each);
    return made;
}

sample measure_runs(const cell& what, started& server, const workplace& at,
                    const std::function<bool()>& cancelled) {
    std::vector<one_run> sound;
    std::vector<one_run> disturbed;
    while (sound.size() < what.load.runs && sound.size() + disturbed.size() < what.load.runs_at_most) {
        if (cancelled()) return failure(what, "it was stopped");
        one_run made = run_active(what, server, at, cancelled);
        if (made.made.failed) return made.made;
        (made.set_aside.empty() ? sound : disturbed).push_back(std::move(made));
    }
    return together(what, std::move(sound), disturbed);
}

}  // namespace

// Memory is the growth from the server's start: `naru load` sees only what its own connections take.
sample measure_held(const cell& what, started& server, const workplace& at,
                    const std::function<bool()>& cancelled) {
    const load::process_memory before = load::read_memory(load::process_tree(server.running->number()));
    std::unique_ptr<process> holder;
    try {
        if (what.load.idle > 0) holder = hold_idle(what, server.port, at, cancelled);
    } catch (const std::runtime_error& refused) {
        return failure(what, refused.what());
    }
    cell active = what;
    active.load.idle = 0;
    sample made = measure_runs(active, server, at, cancelled);
    if (made.failed) return made;
    const load::process_memory full = load::read_memory(load::process_tree(server.running->number()));
    made.user_bytes = static_cast<double>(full.user_bytes) - static_cast<double>(before.user_bytes);
    if (full.kernel_bytes && before.kernel_bytes)
        made.kernel_bytes =
            static_cast<double>(*full.kernel_bytes) - static_cast<double>(*before.kernel_bytes);
    if (!holder) return made;
    const double held = held_by(*holder, what.load.idle);
    made.connections = held < 0 ? -1 : held + what.load.connections;
    if (held < what.load.idle) spoil(made, "idle_lost");
    return made;
}

}  // namespace naru::lab
