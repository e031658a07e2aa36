#include <naru/http/server/attached_server.hpp>

#include <naru/coro/deadline.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/handlers/blocking_threads.hpp>
#include <naru/http/server/access_log.hpp>
#include <naru/http/server/binding.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/http/site/site_data.hpp>
#include <naru/loop/loop.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

namespace naru::http {

// Outlives its server until the worker has ended, whose operations are the loop's.
struct attached_server::state : std::enable_shared_from_this<state> {
    explicit state(loop& on) noexcept : home(on) {}
    ~state() {
        if (own_worker) own_worker->hand_over_log();
    }
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    // At the beginning of the next tick: not beneath a handler, whose request would go from under it.
    struct stop_post : posted {
        explicit stop_post(state& of) noexcept
            : posted([](posted& self) noexcept {
                  auto& due = static_cast<stop_post&>(self);
                  due.queued = false;
                  due.owner.own_worker->end_now();
              }),
              owner(of) {}
        state& owner;
        bool queued = false;
    };
    // Behind all that the worker has deferred.
    struct end_post : posted {
        explicit end_post(state& of) noexcept
            : posted([](posted& self) noexcept { static_cast<end_post&>(self).owner.finish(); }), owner(of) {}
        state& owner;
        bool queued = false;
    };

    void listen();
    void drain() noexcept;
    void stop() noexcept;
    void end_soon() noexcept;
    void finish() noexcept;
    server_metrics measure(bool anew);

    loop& home;
    server_options options;
    std::vector<endpoint> endpoints;
    std::optional<access_logs> logs;
    std::shared_ptr<access_log> log;  // of those, the server's own
    listening_places places;
    std::shared_ptr<blocking_threads> blocking;
    std::optional<http::worker> own_worker;  // until the end
    std::optional<server_metrics> last;
    std::shared_ptr<state> kept;  // until the end, if its server has gone before
    std::vector<std::function<void()>> told;
    async_event ended;
    stop_post stopping{*this};
    end_post end{*this};
    std::uint64_t reloads = 0;
    bool draining = false;
    bool failed = false;
};

attached_server::attached_server(loop& on, http::site site, std::vector<endpoint> endpoints,
                                 server_options options)
    : state_(std::make_shared<state>(on)) {
    if (on.runs_elsewhere())
        fatal("bug: a server was attached to a loop outside the thread that runs it; make it there");
    if (options.signals)
        throw std::runtime_error(
            "a server that is attached to a loop takes no signals: await them, and drain it");
    state& s = *state_;
    s.options = std::move(options);
    if (!s.options.report) s.options.report = print_report;
    s.endpoints = std::move(endpoints);
    check_endpoints(s.endpoints, s.options);
    const std::shared_ptr<detail::site_data> taken = std::move(site).take();
    s.logs.emplace(s.options.report, s.options.open_log);
    if (s.options.access_log) s.log = s.logs->open(*s.options.access_log);
    open_logs_of(*taken, *s.logs);
    s.blocking = s.options.blocking ? s.options.blocking : std::make_shared<blocking_threads>();
    s.own_worker.emplace(on, s.options, taken, *s.blocking, s.log.get(), s.options.report);
    s.own_worker->on_end([&s] { s.end_soon(); });
    s.own_worker->on_lost_listener([&s] {
        s.failed = true;
        s.drain();
    });
    s.listen();
}

// What is attached is closed by the loop if another fails.
void attached_server::state::listen() {
    std::vector<listener_at> listeners;
    try {
        for (bound_address& each : bind_all(endpoints, tcp_options(options), 1, false)) {
            places.add(each);
            for (unique_descriptor& socket : each.sockets) {
                const auto attached = home.attach(socket.release(), descriptor_kind::listener,
                                                  each.is_adopted ? ownership::shared : ownership::own);
                if (!attached) throw std::runtime_error(listen_error(each.where, attached.error()));
                listeners.emplace_back(*attached, each.terms, each.outlives_server);
            }
        }
        own_worker->serve(listeners);
    } catch (...) {
        for (const listener_at& each : listeners)
            home.close(each.listener);
        throw;
    }
}

void attached_server::state::drain() noexcept {
    if (!std::exchange(draining, true)) places.remove_files();
    if (own_worker) own_worker->drain();
}

void attached_server::state::stop() noexcept {
    if (!std::exchange(draining, true)) places.remove_files();
    if (!own_worker) return;
    if (!home.is_running()) return own_worker->end_now();
    if (!std::exchange(stopping.queued, true)) home.defer(stopping);
}

// From within the worker.
void attached_server::state::end_soon() noexcept {
    if (own_worker->disk_hangs() || std::exchange(end.queued, true)) return;
    home.defer(end);
}

void attached_server::state::finish() noexcept {
    if (own_worker->has_deferred() || stopping.queued) return home.defer(end);
    const std::shared_ptr<state> alive = shared_from_this();
    if (std::exchange(kept, nullptr) != nullptr) home.let_end();  // its server has gone
    own_worker->hand_over_log();
    try {
        last = measure(false);
    } catch (const std::bad_alloc&) {
        last.emplace();
    }
    own_worker.reset();
    blocking.reset();
    ended.set();
    for (const auto& each : std::exchange(told, {}))
        each();
}

server_metrics attached_server::state::measure(bool anew) {
    if (last) return *last;
    server_metrics now;
    own_worker->measure(now, anew);
    now.loops = 1;
    now.log_lines_lost = logs->lost();
    now.reloads = reloads;
    now.draining = draining;
    return now;
}

attached_server::~attached_server() {
    state& s = *state_;
    if (s.home.runs_elsewhere())
        fatal("bug: an attached server was destroyed outside the thread that runs its loop");
    if (has_ended()) return;
    stop();
    if (s.home.is_running()) {
        s.home.hold_up_end();
        s.kept = std::move(state_);
        return;
    }
    bool was_stopped = false;
    while (!s.home.run_until([&] { return has_ended(); }))
        was_stopped = true;
    if (was_stopped) s.home.stop();
}

void attached_server::drain(std::function<void()> ended) {
    if (ended) on_end(std::move(ended));
    state_->drain();
}

void attached_server::retire() noexcept {
    state_->draining = true;
    if (state_->own_worker) state_->own_worker->retire();
}

void attached_server::stop() noexcept { state_->stop(); }

void attached_server::on_end(std::function<void()> told) {
    if (has_ended()) return told();
    state_->told.push_back(std::move(told));
}

task<> attached_server::drained() {
    const std::shared_ptr<state> s = state_;
    s->drain();
    if (co_await s->ended.wait()) co_return;
    s->stop();
    (void)co_await shielded(never, s->ended.wait());
}

task<> attached_server::stopped() {
    stop();
    const std::shared_ptr<state> s = state_;
    if (co_await s->ended.wait()) co_return;
    (void)co_await shielded(never, s->ended.wait());
}

task<bool> attached_server::ended() {
    const std::shared_ptr<state> s = state_;
    const auto waited = co_await s->ended.wait();
    co_return waited.has_value();
}

void attached_server::replace(http::site site) {
    if (!state_->own_worker) return;
    const std::shared_ptr<detail::site_data> fresh = std::move(site).take();
    open_logs_of(*fresh, *state_->logs);
    ++state_->reloads;
    state_->own_worker->replace_or_report(fresh);
}

void attached_server::end_connections(std::function<bool(std::string_view)> which) {
    state_->home.post([s = state_, which = std::move(which)] {
        if (s->own_worker) s->own_worker->end_connections(which);
    });
}

void attached_server::reopen_logs() noexcept { state_->logs->reopen(); }

server_metrics attached_server::metrics(bool anew) { return state_->measure(anew); }
std::function<server_metrics(bool)> attached_server::meter() const {
    return [of = std::weak_ptr(state_)](bool anew) {
        if (const auto there = of.lock()) return there->measure(anew);
        server_metrics none;
        none.draining = true;
        return none;
    };
}
bool attached_server::is_draining() const noexcept { return state_->draining; }
bool attached_server::has_ended() const noexcept { return !state_->own_worker; }
bool attached_server::has_failed() const noexcept { return state_->failed; }
const std::vector<address>& attached_server::addresses() const noexcept { return state_->places.local; }
const std::vector<naru::endpoint>& attached_server::local_endpoints() const noexcept {
    return state_->places.endpoints;
}
address attached_server::local_address() const noexcept { return state_->places.local.front(); }
bool attached_server::is_secure(std::size_t which) const noexcept { return state_->places.secure[which]; }
loop& attached_server::home() const noexcept { return state_->home; }

}  // namespace naru::http
