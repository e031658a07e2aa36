#include <naru/http/server.hpp>

#include <naru/coro/sleep.hpp>
#include <naru/http/access_log.hpp>
#include <naru/http/worker.hpp>
#include <naru/loop/loop.hpp>
#include <naru/loop/worker_pool.hpp>
#include <naru/net/files.hpp>
#include <naru/net/loop_group.hpp>

#include <atomic>
#include <cerrno>
#include <deque>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace naru::http {

namespace {

constexpr unsigned blocking_threads = 4;  // for files that are not in memory; started when first needed

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

std::string root_error(const std::string& root, const std::error_code& error) {
    switch (error.value()) {
        case ENOENT:
            return fmt::format("cannot serve {}: there is no such directory", root);
        case ENOTDIR:
            return fmt::format("cannot serve {}: it is not a directory", root);
        case EACCES:
            return fmt::format("cannot serve {}: it may not be read by this user", root);
        default:
            return fmt::format("cannot serve {}: {}", root, error.message());
    }
}

}  // namespace

struct server::shard {
    naru::loop* own_loop = nullptr;
    std::optional<http::worker> own_worker;
    handle listener;
};

struct server::state {
    server_options options;
    std::function<void(std::string_view)> report;
    directory_root root;
    std::optional<access_log> log;
    naru::engine engine = naru::engine::automatic;
    std::string engine_reason;
    address local;
    std::optional<loop_group> loops;  // destroyed after the connections, which end in them
    std::deque<shard> shards;
    std::optional<worker_pool> blocking;  // destroyed first: its work completes in the loops
    std::atomic<bool> draining{false};
    bool started = false;

    void make_loops();
    void listen();
};

server::server(server_options options, std::function<void(std::string_view)> report)
    : state_(std::make_unique<state>()) {
    state& s = *state_;
    s.options = std::move(options);
    s.report = std::move(report);
    auto root = directory_root::open(s.options.root);
    if (!root) throw std::runtime_error(root_error(s.options.root, root.error()));
    s.root = std::move(*root);
    if (s.options.access_log) s.log.emplace(*s.options.access_log, s.report);
    s.local = s.options.listen;
    s.shards.resize(s.options.threads == 0 ? 1 : s.options.threads);
    if (s.shards.size() >
        1) {  // SO_REUSEPORT would share the port with another server of this user, and not say so
        const auto alone = listen_on(s.local, {});
        if (!alone) throw std::runtime_error(listen_error(s.local, alone.error()));
    }
    s.blocking.emplace(blocking_threads);
    s.make_loops();
    for (shard& each : s.shards) {
        each.own_worker.emplace(*each.own_loop, s.options, s.root, *s.blocking, s.log ? &*s.log : nullptr,
                                s.report);
    }
    s.listen();
}

void server::state::make_loops() {
    std::vector<std::unique_ptr<backend>> backends;
    uring_options ring = options.uring;
    while (backends.size() < shards.size()) {
        backend_choice choice = try_backend(options.engine, ring);
        if (choice.backend == nullptr) {
            throw std::runtime_error(
                fmt::format("the engine {} cannot be used here: {}", name_of(options.engine), choice.reason));
        }
        engine = choice.chosen;
        engine_reason = choice.reason;
        if (ring.sqpoll_cpu >= 0) ++ring.sqpoll_cpu;  // the next thread's, on the next core
        backends.push_back(std::move(choice.backend));
    }
    loops.emplace(std::move(backends));
    for (std::size_t each = 0; each < shards.size(); ++each)
        shards[each].own_loop = &loops->at(each);
}

void server::state::listen() {
    listen_options listening;
    listening.backlog = options.backlog;
    listening.fast_open_queue = options.fast_open_queue;
    listening.defer_accept = options.defer_accept;
    listening.keep_alive = options.tcp_keep_alive;
    listening.user_timeout = options.user_timeout;
    listening.send_buffer = options.send_buffer;
    listening.receive_buffer = options.receive_buffer;
    listening.reuse_port = shards.size() > 1 && !options.shared_listener;
    for (shard& each : shards) {
        auto socket = listen_on(local, listening);
        if (!socket && listening.reuse_port && socket.error() == std::errc::not_supported) {
            listening.reuse_port = false;
            socket = listen_on(local, listening);
        }
        if (!socket) throw std::runtime_error(listen_error(local, socket.error()));
        // Port 0: the first listener's choice is the others', too.
        if (const auto chosen = address::local_of(socket->get())) local = *chosen;
        const auto attached = each.own_loop->attach(socket->release(), descriptor_kind::listener);
        if (!attached) throw std::runtime_error(listen_error(local, attached.error()));
        each.listener = *attached;
        if (!listening.reuse_port) break;
    }
    if (listening.reuse_port || shards.size() == 1) return;
    std::vector<http::worker*> others;
    for (shard& each : shards) {
        if (!each.listener) others.push_back(&*each.own_worker);
    }
    shards.front().own_worker->share_with(std::move(others));
}

server::~server() {
    drain();
    wait();
}

void server::start() {
    state_->started = true;
    state_->loops->start([s = state_.get()](loop&, std::size_t index) -> task<> {
        shard& own = s->shards[index];
        if (own.listener) own.own_worker->serve(own.listener);
        (void)co_await sleep_until(never);  // until the worker stops the loop
    });
}

void server::drain() {
    if (state_->draining.exchange(true)) return;
    for (shard& each : state_->shards) {
        if (!state_->started || !each.listener) continue;  // without a listener: by the one that has it
        http::worker* const draining = &*each.own_worker;
        each.own_loop->post([draining] { draining->drain(); });
    }
}

void server::wait() {
    if (state_->started) state_->loops->join();
    state_->blocking.reset();
}

naru::engine server::engine() const noexcept { return state_->engine; }
const std::string& server::engine_reason() const noexcept { return state_->engine_reason; }
address server::local_address() const noexcept { return state_->local; }

}  // namespace naru::http
