#include <naru/http/server/server.hpp>

#include <naru/coro/sleep.hpp>
#include <naru/http/server/access_log.hpp>
#include <naru/http/server/local_listener.hpp>
#include <naru/http/server/measuring.hpp>
#include <naru/http/server/worker.hpp>
#include <naru/http/site/site_data.hpp>
#include <naru/loop/environment.hpp>
#include <naru/loop/loop.hpp>
#include <naru/net/loop_group.hpp>
#include <naru/os/adopted.hpp>
#include <naru/os/ending_signals.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace naru::http {

namespace {

// What most likely is wrong, and the way out.
std::string listen_error(const address& where, const std::error_code& error) {
    const std::string at = where.text();
    switch (error.value()) {
        case EADDRINUSE:
            return fmt::format(
                "cannot listen on {}: the port is in use; stop the other server or choose another with "
                "--listen",
                at);
        case EACCES:
            return fmt::format(
                "cannot listen on {}: not permitted; ports below 1024 need root or CAP_NET_BIND_SERVICE", at);
        case EADDRNOTAVAIL:
            return fmt::format("cannot listen on {}: no interface has this address", at);
        default:
            return fmt::format("cannot listen on {}: {}", at, error.message());
    }
}

listen_options tcp_options(const server_options& options) {
    listen_options listening;
    listening.backlog = options.backlog;
    listening.fast_open_queue = options.fast_open_queue;
    listening.defer_accept = options.defer_accept;
    listening.keep_alive = options.tcp_keep_alive;
    listening.user_timeout = options.user_timeout;
    listening.send_buffer = options.send_buffer;
    listening.receive_buffer = options.receive_buffer;
    return listening;
}

struct bound_address {
    address where;  // with the port that was chosen for port 0
    std::vector<unique_descriptor> sockets;
    connection_terms terms = {};
    std::optional<local_listener> local = std::nullopt;  // in place of all of that
    bool is_adopted = false;
    bool outlives_server = false;
};

address with_port(const address& of, std::uint16_t port) {
    const std::string host = of.host_text();
    const std::string shown = host.find(':') != std::string::npos ? "[" + host + "]" : host;
    return address::parse(fmt::format("{}:{}", shown, port)).value_or(of);
}

// `count` sockets that share the address, or one where addresses cannot be shared.
result<bound_address> bind_one(const address& where, listen_options listening, std::size_t count,
                               bool alone) {
    if (alone) {  // SO_REUSEPORT would share the port with another server of this user, and not say so
        const auto probe = environment::current().listen(where, {});
        if (!probe) return fail(probe.error());
    }
    bound_address made{where, {}};
    listening.reuse_port = count > 1;
    while (made.sockets.size() < count) {
        auto socket = environment::current().listen(made.where, listening);
        if (!socket && listening.reuse_port && socket.error() == std::errc::not_supported) {
            listening.reuse_port = false;
            count = 1;
            continue;
        }
        if (!socket) return fail(socket.error());
        // Port 0: the first socket's choice is the others', too.
        if (const auto chosen = environment::current().local_address(socket->get())) made.where = *chosen;
        made.sockets.push_back(std::move(*socket));
    }
    return made;
}

bool is_not_there(const std::error_code& error) {
    return error == std::errc::address_not_available || error == std::errc::address_family_not_supported;
}

// A port that was chosen for one address may be another's for the next: it is chosen anew then, so often.
constexpr unsigned port_choices = 16;

// What came from outside is closed whatever becomes of it.
bound_address adopt(const endpoint& given) {
    bound_address made{given.listen, {}, {given.tls, given.proxy_protocol}};
    made.is_adopted = true;
    if (given.listen.local) made.local.emplace(*given.listen.local);
    made.outlives_server = given.outlives_server;
    for (const int each : given.adopted)
        made.sockets.emplace_back(each);
    const socket_use use = made.local ? socket_use::unix_listener : socket_use::tcp_listener;
    for (const unique_descriptor& each : made.sockets) {
        if (const auto listens = check_adopted(each.get(), use); !listens)
            throw std::runtime_error(fmt::format("descriptor {} cannot be listened to: {}", each.get(),
                                                 listens.error().message()));
        if (made.local) continue;
        if (const auto where = environment::current().local_address(each.get())) made.where = *where;
    }
    return made;
}

std::vector<bound_address> bind_all(const std::vector<endpoint>& wanted, const listen_options& listening,
                                    std::size_t count, bool alone) {
    if (wanted.empty()) throw std::runtime_error("there is no address to listen on");
    std::vector<bound_address> all;
    unsigned choices = 0;
    bool has_previous = false;
    for (std::size_t index = 0; index < wanted.size(); ++index) {
        const endpoint& each = wanted[index];
        if (!each.adopted.empty()) {
            all.push_back(adopt(each));
            has_previous = !each.listen.local;
            continue;
        }
        if (each.listen.local) {
            auto local = listen_locally(*each.listen.local, each.mode, listening.backlog, count);
            if (!local) throw std::runtime_error(describe_local_refusal(*each.listen.local, local.error()));
            has_previous = false;
            std::vector<unique_descriptor> sockets = std::move(local->sockets);
            all.push_back({{}, std::move(sockets), {each.tls, each.proxy_protocol}, std::move(*local)});
            continue;
        }
        const bool follows = each.port_of_previous && each.listen.port() == 0 && has_previous;
        const address where =
            follows ? with_port(each.listen, all.back().where.port()) : address(each.listen);
        auto bound = bind_one(where, listening, count, alone);
        has_previous = bound.has_value();
        if (bound) {
            bound->terms = {each.tls, each.proxy_protocol};
            all.push_back(std::move(*bound));
        } else if (follows && bound.error() == std::errc::address_in_use && ++choices < port_choices) {
            all.pop_back();
            index -= 2;  // the one before it again
        } else if (!each.if_there || !is_not_there(bound.error()) ||
                   (all.empty() && index + 1 == wanted.size() && !wanted.front().port_of_previous)) {
            throw std::runtime_error(listen_error(where, bound.error()));
        }
    }
    return all;
}

std::size_t sockets_each(const server_options& options) {
    return options.threads > 1 && !options.shared_listener ? options.threads : 1;
}

unix_address local_address_of(std::string_view text) {
    const auto where = unix_address::parse(text);
    if (!where)
        throw std::invalid_argument(
            fmt::format("cannot listen on unix:{}: want unix:PATH or unix:@NAME, of {} bytes at most", text,
                        unix_address::longest));
    return *where;
}

address address_of(std::string_view text) {
    const auto where = address::parse(text);
    if (!where)
        throw std::invalid_argument(fmt::format(
            "cannot listen on {}: want ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080, or unix:PATH",
            text));
    return *where;
}

}  // namespace

endpoint_address::endpoint_address(std::string_view text)
    : address(text.starts_with("unix:") ? address() : address_of(text)) {
    if (text.starts_with("unix:")) local = local_address_of(text.substr(5));
}

std::vector<endpoint> bind_endpoints(const std::vector<endpoint>& wanted, const server_options& options) {
    std::vector<endpoint> all;
    for (bound_address& each :
         bind_all(wanted, tcp_options(options), sockets_each(options), options.threads > 1)) {
        endpoint& made = all.emplace_back(endpoint{each.where});
        if (each.local) {
            made.listen = each.local->where;
            if (each.local->file) made.file = std::make_shared<socket_file>(std::move(*each.local->file));
        }
        made.tls = each.terms.tls;
        made.proxy_protocol = each.terms.proxy_protocol;
        made.outlives_server = each.outlives_server;
        for (unique_descriptor& socket : each.sockets)
            made.adopted.push_back(socket.release());
    }
    return all;
}

struct server::shard {
    naru::loop* own_loop = nullptr;
    std::optional<http::worker> own_worker;
    std::shared_ptr<measured_loop> measured;
    std::vector<listener_at> listeners;
};

struct server::state {
    server_options options;
    std::optional<access_logs> logs;  // destroyed behind all that uses one
    std::shared_ptr<access_log> log;  // of those, the server's own
    std::shared_ptr<const detail::site_data> site;
    std::vector<endpoint> endpoints;
    naru::engine engine = naru::engine::automatic;
    std::string engine_reason;
    std::vector<address> local;
    std::vector<naru::endpoint> local_endpoints;
    std::vector<socket_file> socket_files;  // removed when nobody is to connect any more
    std::vector<bool> secure;
    std::optional<loop_group> loops;  // destroyed after the connections, which end in them
    std::deque<shard> shards;
    std::optional<blocking_threads> blocking;  // destroyed first: its work completes in the loops
    std::function<void()> on_failure;
    std::atomic<std::uint64_t> reloads{0};
    std::atomic<bool> draining{false};
    std::atomic<bool> retiring{false};
    std::atomic<bool> failed{false};
    bool started = false;

    /// Throws std::system_error.
    void open_logs_of(detail::site_data& site);
    void make_shards();
    void listen();
    void drain() noexcept;
    void fail() noexcept;
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
    if (!s.options.report)
        s.options.report = [](std::string_view line) {
            std::fprintf(stderr, "naru: %.*s\n", static_cast<int>(line.size()), line.data());
        };
    const std::shared_ptr<detail::site_data> taken = std::move(site).take();
    s.site = taken;
    s.endpoints = std::move(endpoints);
    for (const endpoint& each : s.endpoints) {
        if (each.proxy_protocol && s.options.trusted_proxies == nullptr)
            throw std::runtime_error(
                "the PROXY protocol is taken from trusted proxies alone: say who they are "
                "(--trusted-proxy, server_options::trusted_proxies)");
    }
    s.logs.emplace(s.options.report, s.options.open_log);
    if (s.options.access_log) s.log = s.logs->open(*s.options.access_log);
    s.open_logs_of(*taken);
    s.blocking.emplace();
    s.make_shards();
    s.site.reset();  // it is the workers', and ends with the last that serves it
    s.listen();
}

void server::state::open_logs_of(detail::site_data& of) {
    for (detail::wanted_log& each : of.logs)
        each.opened = logs->open(each.path);
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
        each.measured = std::make_shared<measured_loop>(*each.own_loop, *each.own_worker);
    }
}

void server::state::listen() {
    auto bound = bind_all(endpoints, tcp_options(options), sockets_each(options), shards.size() > 1);
    for (bound_address& each : bound) {
        local.push_back(each.where);
        local_endpoints.push_back(each.local ? naru::endpoint(each.local->where)
                                             : naru::endpoint(each.where));
        if (each.local && each.local->file) socket_files.push_back(std::move(*each.local->file));
        secure.push_back(each.terms.tls != nullptr);
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
    try {
        state_->loops->start([s = state_.get()](loop&, std::size_t index) -> task<> {
            shard& own = s->shards[index];
            // A thread's; where loops have their turns on one, it would be everybody's.
            std::optional<frame_pool::use> frames;
            if (environment::other_than_the_systems() == nullptr) frames.emplace(own.own_worker->frames());
            const measured_loop::running counted(*own.measured);
            own.own_worker->serve(own.listeners);
            (void)co_await sleep_until(never);  // until the worker stops the loop
        });
    } catch (const std::runtime_error& none) {
        throw std::runtime_error(
            fmt::format("{}; ask for fewer with --threads, or raise the limit (ulimit -u, "
                        "TasksMax= in the service's unit)",
                        none.what()));
    }
    state_->started = true;
}

void server::drain() { state_->drain(); }

void server::state::drain() noexcept {
    if (draining.exchange(true)) return;
    for (socket_file& each : socket_files)
        each.remove();
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
    state_->open_logs_of(*taken);
    const std::shared_ptr<const detail::site_data> fresh = taken;
    ++state_->reloads;
    for (shard& each : state_->shards) {
        http::worker* const changing = &*each.own_worker;
        each.own_loop->post([changing, fresh] { changing->replace_or_report(fresh); });
    }
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
    for (shard& each : state_->shards) {
        http::worker* const of = &*each.own_worker;
        each.own_loop->post([of, shared] { of->end_connections(*shared); });
    }
}

bool server::has_failed() const noexcept { return state_->failed; }
naru::engine server::engine() const noexcept { return state_->engine; }
const std::string& server::engine_reason() const noexcept { return state_->engine_reason; }
const std::vector<address>& server::addresses() const noexcept { return state_->local; }
const std::vector<naru::endpoint>& server::local_endpoints() const noexcept {
    return state_->local_endpoints;
}
bool server::is_secure(std::size_t which) const noexcept { return state_->secure[which]; }
address server::local_address() const noexcept { return state_->local.front(); }

}  // namespace naru::http
