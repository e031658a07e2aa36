#include <naru/http/server/server.hpp>

#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/server/access_log.hpp>
#include <naru/http/server/binding.hpp>
#include <naru/http/server/measuring.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/http/site/site_data.hpp>
#include <naru/loop/environment.hpp>
#include <naru/loop/loop.hpp>
#include <naru/net/loop_group.hpp>
#include <naru/os/ending_signals.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace naru::http {

struct server::shard {
    naru::loop* own_loop = nullptr;
    std::optional<http::worker> own_worker;
    std::shared_ptr<measured_loop> measured;
    std::vector<listener_at> listeners;
    /// Set when no loop serves any more. Shared with what tells it, which may be the last to go.
    std::shared_ptr<async_event> all_have_served = std::make_shared<async_event>();
};

struct server::state {
    server_options options;
    std::optional<access_logs> logs;  // destroyed behind all that uses one
    std::shared_ptr<access_log> log;  // of those, the server's own
    std::shared_ptr<const detail::site_data> site;
    std::vector<endpoint> endpoints;
    naru::engine engine = naru::engine::automatic;
    std::string engine_reason;
    listening_places places;
    std::optional<loop_group> loops;  // destroyed after the connections, which end in them
    std::deque<shard> shards;
    std::shared_ptr<blocking_threads> blocking;  // given up first: its work completes in the loops
    std::function<void()> on_failure;
    std::atomic<std::uint64_t> reloads{0};
    std::atomic<bool> draining{false};
    std::atomic<bool> retiring{false};
    std::atomic<bool> failed{false};
    std::atomic<std::size_t> serving{0};  // loops
    bool started = false;

    /// Throws std::system_error.
    void make_shards();
    void listen();
    void drain() noexcept;
    void fail() noexcept;
    void one_serves_no_more() noexcept;
    /// While a loop serves, on any way out.
    class serving_loop {
     public:
        explicit serving_loop(state& in) noexcept : in_(in) {}
        ~serving_loop() { in_.one_serves_no_more(); }
        serving_loop(const serving_loop&) = delete;
        serving_loop& operator=(const serving_loop&) = delete;

     private:
        state& in_;
    };
    /// After the loops' end.
    bool disk_hangs() const noexcept {
        return std::ranges::any_of(
            shards, [](const shard& each) { return each.own_worker && each.own_worker->disk_hangs(); });
    }
};

server::server(http::site site, std::vector<endpoint> endpoints, server_options options)
    : state_(std::make_unique<state>()) {
    state& s = *state_;
    s.options = std::move(options);
    if (!s.options.report) s.options.report = print_report;
    const std::shared_ptr<detail::site_data> taken = std::move(site).take();
    s.site = taken;
    s.endpoints = std::move(endpoints);
    check_endpoints(s.endpoints, s.options);
    s.logs.emplace(s.options.report, s.options.open_log);
    if (s.options.access_log) s.log = s.logs->open(*s.options.access_log);
    open_logs_of(*taken, *s.logs);
    s.blocking = s.options.blocking ? s.options.blocking : std::make_shared<blocking_threads>();
    s.make_shards();
    s.site.reset();  // it is the workers', and ends with the last that serves it
    s.listen();
}

void server::state::make_shards() {
    std::vector<std::unique_ptr<backend>> backends;
    shards.resize(options.threads == 0 ? 1 : options.threads);
    while (backends.size() < shards.size()) {
        backend_choice choice = environment::current().make_backend(options.engine, *options.engine_options,
                                                                    static_cast<unsigned>(backends.size()));
        if (choice.backend == nullptr) {
            throw std::runtime_error(
                fmt::format("the engine {} cannot be used here: {}", name_of(options.engine), choice.reason));
        }
        engine = choice.chosen;
        engine_reason = choice.reason;
        backends.push_back(std::move(choice.backend));
    }
    loops.emplace(std::move(backends));
    for (std::size_t index = 0; index < shards.size(); ++index) {
        shard& each = shards[index];
        each.own_loop = &loops->at(index);
        each.own_worker.emplace(*each.own_loop, options, site, *blocking, log.get(), options.report);
        each.own_worker->on_lost_listener([this] { fail(); });
        each.own_worker->on_end([on = each.own_loop] { on->stop(); });
        each.measured = std::make_shared<measured_loop>(*each.own_loop, *each.own_worker);
    }
}

void server::state::listen() {
    auto bound = bind_all(endpoints, tcp_options(options), sockets_each(options), shards.size() > 1);
    for (bound_address& each : bound) {
        places.add(each);
        std::size_t turn = 0;
        for (unique_descriptor& socket : each.sockets) {
            shard& on = shards[turn++ % shards.size()];
            const auto attached = on.own_loop->attach(socket.release(), descriptor_kind::listener,
                                                      each.is_adopted ? ownership::shared : ownership::own);
            if (!attached) throw std::runtime_error(listen_error(each.where, attached.error()));
            on.listeners.push_back({*attached, each.terms, each.outlives_server});
        }
    }
    std::vector<http::worker*> others;
    for (shard& each : shards) {
        if (each.listeners.empty()) others.push_back(&*each.own_worker);
    }
    if (!others.empty()) shards.front().own_worker->share_with(std::move(others));
}

server::~server() {
    drain();
    wait();
    if (!state_->disk_hangs()) return;
    state_->options.report("a look at the disk hangs: its thread is left behind");
    // A thread that hangs in a system call may come back at any time, to all of this but the log.
    state_->logs->end();
    static auto& left_behind = *new std::vector<std::unique_ptr<state>>;
    left_behind.push_back(std::move(state_));
}

void server::start(std::function<void()> on_failure) {
    state_->on_failure = std::move(on_failure);
    state_->serving = state_->shards.size();
    state_->started = true;  // before there are threads that look at it
    try {
        state_->loops->start([s = state_.get()](loop&, std::size_t index) -> task<> {
            shard& own = s->shards[index];
            // A thread's; where loops have their turns on one, it would be everybody's.
            std::optional<frame_pool::use> frames;
            if (environment::other_than_the_systems() == nullptr) frames.emplace(own.own_worker->frames());
            const measured_loop::running counted(*own.measured);
            {
                const state::serving_loop serving(*s);
                own.own_worker->serve(own.listeners);
                (void)co_await sleep_until(never);  // until the worker stops the loop
            }
            // Handlers of the other loops may be on() this one, with what is kept for it.
            (void)co_await shielded(never, own.all_have_served->wait());
            own.own_worker->end_locals();
        });
    } catch (const std::runtime_error& none) {
        state_->started = false;
        throw std::runtime_error(
            fmt::format("{}; ask for fewer with --threads, or raise the limit (ulimit -u, "
                        "TasksMax= in the service's unit)",
                        none.what()));
    }
}

void server::state::one_serves_no_more() noexcept {
    if (serving.fetch_sub(1) != 1) return;
    for (const shard& each : shards)
        each.own_loop->post([told = each.all_have_served] { told->set(); });
}

void server::drain() { state_->drain(); }

void server::state::drain() noexcept {
    if (draining.exchange(true)) return;
    places.remove_files();
    for (shard& each : shards) {
        if (!started || each.listeners.empty()) continue;  // without a listener: by the one that has it
        each.own_worker->drain_soon();
    }
}

void server::retire() {
    if (state_->retiring.exchange(true)) return;
    for (shard& each : state_->shards) {
        if (state_->started && !each.listeners.empty()) each.own_worker->retire_soon();
    }
}

void server::state::fail() noexcept {
    if (failed.exchange(true)) return;
    drain();
    if (on_failure) on_failure();
}

void server::wait() {
    if (state_->started) state_->loops->join();
    if (!state_->disk_hangs()) state_->blocking.reset();
}

void server::reopen_logs() noexcept { state_->logs->reopen(); }

void server::run() {
    if (!state_->options.signals) {
        start();
        return wait();
    }
    ending_signals signals;  // before the threads: none of them is to get one
    start([&signals] { signals.wake(); });
    signals.wait();
    drain();
    signals.end_at_the_next();
    wait();
}

void server::replace(http::site site) {
    const std::shared_ptr<detail::site_data> taken = std::move(site).take();
    open_logs_of(*taken, *state_->logs);
    const std::shared_ptr<const detail::site_data> fresh = taken;
    ++state_->reloads;
    for (const shard& each : state_->shards)
        each.measured->tell([fresh](http::worker& of) { of.replace_or_report(fresh); });
}

server_metrics server::metrics(std::chrono::milliseconds patience, bool anew) {
    state& s = *state_;
    std::vector<std::shared_ptr<measured_loop>> all;
    all.reserve(s.shards.size());
    for (const shard& each : s.shards)
        all.push_back(each.measured);
    server_metrics sum = measure_all(all, patience, anew);
    sum.log_lines_lost = s.logs->lost();
    sum.reloads = s.reloads;
    sum.draining = s.draining;
    sum.engine = name_of(s.engine);
    return sum;
}

// Given back by all of them.
void server::when_loops_turn(std::function<void()> told) {
    struct round {
        explicit round(std::function<void()> given) : told(std::move(given)) {}
        ~round() { told(); }
        round(const round&) = delete;
        round& operator=(const round&) = delete;
        std::function<void()> told;
    };
    const auto all = std::make_shared<round>(std::move(told));
    for (const shard& each : state_->shards)
        each.measured->hold(all);
}

bool server::is_draining() const noexcept { return state_->draining; }
void server::end_connections(std::function<bool(std::string_view)> which) {
    const auto shared = std::make_shared<const std::function<bool(std::string_view)>>(std::move(which));
    for (const shard& each : state_->shards)
        each.measured->tell([shared](http::worker& of) { of.end_connections(*shared); });
}

bool server::has_failed() const noexcept { return state_->failed; }
naru::engine server::engine() const noexcept { return state_->engine; }
const std::string& server::engine_reason() const noexcept { return state_->engine_reason; }
const std::vector<address>& server::addresses() const noexcept { return state_->places.local; }
const std::vector<naru::endpoint>& server::local_endpoints() const noexcept {
    return state_->places.endpoints;
}
bool server::is_secure(std::size_t which) const noexcept { return state_->places.secure[which]; }
address server::local_address() const noexcept { return state_->places.local.front(); }

}  // namespace naru::http
