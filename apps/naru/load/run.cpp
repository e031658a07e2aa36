#include <load/run.hpp>

#include <load/generator.hpp>
#include <load/process_tree.hpp>
#include <load/target.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

namespace naru::load {

namespace {

using namespace std::chrono_literals;

// Descriptors beside the connections: streams, engines, timers, what /proc is read with.
constexpr std::size_t other_descriptors = 32;
constexpr std::size_t descriptors_per_thread = 6;
// From "all are ready" to the first request: every thread has been told by then.
constexpr duration start_delay = 5ms;

// More connections than descriptors are io_uring's direct ones: each thread has a table as long as the limit.
backend_options within_limits(const run_options& options) {
    backend_options ring;
    const std::size_t connections = std::size_t{options.connections} + options.idle;
    const std::size_t others = other_descriptors + descriptors_per_thread * options.threads;
    const std::size_t limit = raise_descriptor_limit();
    if (connections + others <= limit) return ring;
    const bool direct = options.engine == engine::automatic || options.engine == engine::io_uring ||
                        options.engine == engine::io_uring_sqpoll;
    const std::size_t held = limit > 2 * naru::limits::ring_files ? limit - naru::limits::ring_files : 1;
    const std::size_t threads = (connections + held - 1) / held;
    if (direct && options.threads >= threads && others <= limit) {
        ring.direct_descriptors = backend_options::direct::always;
        return ring;
    }
    throw std::runtime_error(fmt::format(
        "{} connections need {} descriptors and the hard limit is {}: raise it (ulimit -Hn {} as root, or "
        "LimitNOFILE= of the service), ask for fewer, or use --engine io_uring --threads {}, where each "
        "thread "
        "holds {} outside of the limit",
        connections, connections + others, limit, connections + others, threads, held));
}

}  // namespace

struct run::state {
    explicit state(run_options given) : options(std::move(given)), seconds(options.threads) {}

    void on_ready() {
        if (ready.fetch_add(1) + 1 < options.threads) return;
        const instant start = clock::now() + start_delay;
        begun_at.store(start.time_since_epoch().count());
        for (const auto& each : generators)
            each->begin(start);
        const std::lock_guard lock(mutex);  // watch_server waits for it
        changed.notify_all();
    }

    /// Returns true at `until`, and false as soon as the generators have ended.
    bool sleep_until(instant until) {
        std::unique_lock lock(mutex);
        return !changed.wait_until(lock, until, [this] { return running == 0; });
    }
    void watch_server();

    run_options options;
    timeline seconds;
    std::vector<std::unique_ptr<generator>> generators;
    std::vector<std::thread> threads;
    std::string engine;
    bool local_target = false;
    machine_counters before;
    std::atomic<unsigned> ready{0};
    std::atomic<std::int64_t> begun_at{0};
    std::atomic<bool> interrupted{false};
    std::mutex mutex;
    std::condition_variable changed;
    unsigned running = 0;
    std::thread watcher;
    std::optional<server_effort> server;
};

// The server's processor time at both ends of the measured time. Its memory is read from the middle of the
// warm-up on, by a thread of its own: the reader of a memory map waits for the threads that change it, up to
// 0.3 s for each process of a busy Apache. What is not read before the connections end is not known.
void run::state::watch_server() {
    const process_memory empty = read_memory(process_tree(options.server_process));
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return running == 0 || begun_at.load() != 0; });
        if (running == 0) return;
    }
    const instant begun{duration(begun_at.load())};
    if (!sleep_until(begun + options.warmup / 2)) return;
    const std::vector<int> tree = process_tree(options.server_process);
    process_memory full;
    std::atomic<bool> is_read{false};
    const std::jthread reader([&] {
        full = read_memory(tree);
        is_read = true;
    });
    if (!sleep_until(begun + options.warmup)) return;
    const instant from = clock::now();
    const duration used_before = read_cpu_time(tree);
    (void)sleep_until(begun + options.warmup + options.run_time);
    const bool memory_is_known = is_read;
    const instant to = clock::now();
    const std::vector<int> tree_after = process_tree(options.server_process);
    const duration used_after = read_cpu_time(tree_after);
    // Too late to say what it took for the requests of the measured time: on a machine that is too busy.
    const bool late = from - (begun + options.warmup) > options.run_time / 50;
    if (tree.empty() || tree_after.empty() || late) return;
    server_effort used;
    used.seconds = std::chrono::duration<double>(to - from).count();
    used.on_cpu = used_after - used_before;
    if (memory_is_known) {
        used.user_bytes = full.user_bytes;
        if (full.kernel_bytes && empty.kernel_bytes)
            used.kernel_bytes = static_cast<std::int64_t>(*full.kernel_bytes - *empty.kernel_bytes);
    }
    used.processes = tree_after.size();
    used.threads = count_threads(tree_after);
    server = used;
}

run::run(run_options options) : state_(std::make_unique<state>(std::move(options))) {
    state& all = *state_;
    const backend_options ring = within_limits(all.options);
    all.local_target = is_local(all.options.target);
    for (unsigned index = 0; index < all.options.threads; ++index) {
        backend_choice choice = try_backend(all.options.engine, ring);
        if (choice.backend == nullptr) {
            throw std::runtime_error(
                fmt::format("the engine {} cannot be used: {}", name_of(all.options.engine), choice.reason));
        }
        if (ring.direct_descriptors == backend_options::direct::always && !choice.direct) {
            throw std::runtime_error(fmt::format(
                "{} connections are more than there are descriptors, and io_uring cannot hold them here: {}",
                all.options.connections + all.options.idle, choice.reason));
        }
        all.engine = name_of(choice.chosen);
        all.generators.push_back(std::make_unique<generator>(all.options, index, std::move(choice.backend),
                                                             all.seconds, [&all] { all.on_ready(); }));
    }
}

run::~run() {
    if (state_->threads.empty()) return;
    stop();
    for (std::thread& each : state_->threads) {
        if (each.joinable()) each.join();
    }
    if (state_->watcher.joinable()) state_->watcher.join();
}

const run_options& run::options() const noexcept { return state_->options; }

void run::start() {
    state& all = *state_;
    all.before = read_machine_counters();
    all.running = all.options.threads;
    for (const auto& each : all.generators) {
        all.threads.emplace_back([&all, &generator = *each] {
            generator.run();
            const std::lock_guard lock(all.mutex);
            --all.running;
            all.changed.notify_all();
        });
    }
    if (all.options.server_process != 0) all.watcher = std::thread([&all] { all.watch_server(); });
}

bool run::wait_for(std::chrono::milliseconds at_most) {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, at_most, [this] { return state_->running == 0; });
}

void run::stop() {
    state_->interrupted = true;
    for (const auto& each : state_->generators)
        each->stop();
}

live_view run::look() const {
    const state& all = *state_;
    live_view seen;
    constexpr auto relaxed = std::memory_order_relaxed;
    for (const auto& each : all.generators) {
        const live_counts& counts = each->live();
        seen.completed += counts.completed.load(relaxed);
        seen.errors += counts.errors.load(relaxed);
        seen.connections += counts.connections.load(relaxed);
        seen.backlog += counts.backlog.load(relaxed);
    }
    const std::int64_t begun = all.begun_at.load();
    seen.opening = begun == 0;
    if (!seen.opening) {
        const duration since = clock::now() - instant(duration(begun)) - all.options.warmup;
        seen.warming_up = since < duration(0);
        seen.measured_seconds = std::max(0.0, std::chrono::duration<double>(since).count());
    }
    seen.has_second = all.seconds.last(seen.last, seen.second_index);
    return seen;
}

report run::finish() {
    state& all = *state_;
    for (std::thread& each : all.threads)
        each.join();
    all.threads.clear();
    if (all.watcher.joinable()) all.watcher.join();
    report made;
    made.server = all.server;
    made.open_loop = all.options.rate.has_value();
    made.interrupted = all.interrupted;
    made.local_target = all.local_target;
    made.engine = all.engine;
    made.rate = all.options.rate.value_or(0);
    made.errors_max = all.options.errors_max;
    made.requests_wanted = all.options.requests;
    made.connections_wanted = all.options.connections;
    made.idle_wanted = all.options.idle;
    for (const auto& each : all.generators) {
        made.counts.merge(each->counts());
        made.service.merge(each->service());
        made.corrected.merge(each->corrected());
        made.lag.merge(each->lag());
        made.threads.push_back(each->effort());
        made.measured_seconds = std::max(made.measured_seconds, each->measured_seconds());
        made.opening_seconds = std::max(made.opening_seconds, each->opening_seconds());
    }
    made.seconds = all.seconds.all();
    const machine_counters after = read_machine_counters();
    const auto grown = [](const auto& then, const auto& now) {
        return then && now ? static_cast<std::int64_t>(*now - *then) : std::int64_t{-1};
    };
    made.machine.listen_overflows = grown(all.before.listen_overflows, after.listen_overflows);
    made.machine.listen_drops = grown(all.before.listen_drops, after.listen_drops);
    const std::int64_t ticks = grown(all.before.all_ticks, after.all_ticks);
    const std::int64_t stolen = grown(all.before.steal_ticks, after.steal_ticks);
    if (ticks > 0 && stolen >= 0)
        made.machine.steal_share = static_cast<double>(stolen) / static_cast<double>(ticks);
    return made;
}

}  // namespace naru::load
