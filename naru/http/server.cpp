#include <naru/http/server.hpp>

#include <naru/http/access_log.hpp>
#include <naru/http/worker.hpp>
#include <naru/loop/loop.hpp>
#include <naru/net/files.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <optional>
#include <stdexcept>
#include <thread>
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

std::string root_error(const std::string& root, const std::error_code& error) {
    switch (error.value()) {
        case ENOENT:
            return fmt::format("cannot serve {}: there is no such directory", root);
        case ENOTDIR:
            return fmt::format("cannot serve {}: it is not a directory", root);
        case EACCES:
            return fmt::format("cannot serve {}: it may not be searched by this user", root);
        default:
            return fmt::format("cannot serve {}: {}", root, error.message());
    }
}

}  // namespace

// The loop last to be destroyed: connections end in it.
struct server::shard {
    std::unique_ptr<naru::loop> own_loop;
    std::optional<http::worker> own_worker;
    handle listener;
    std::thread thread;
};

struct server::state {
    server_options options;
    std::function<void(std::string_view)> report;
    std::optional<access_log> log;
    naru::engine engine = naru::engine::automatic;
    std::string engine_reason;
    address local;
    std::deque<shard> shards;
    std::optional<disk_threads> blocking;  // destroyed first: its work completes in the loops
    std::atomic<bool> draining{false};

    void listen();
    /// After the loops' end.
    bool disk_hangs() const noexcept {
        return std::ranges::any_of(
            shards, [](const shard& each) { return each.own_worker && each.own_worker->disk_hangs(); });
    }
};

server::server(server_options options, std::function<void(std::string_view)> report)
    : state_(std::make_unique<state>()) {
    state& s = *state_;
    s.options = std::move(options);
    s.report = std::move(report);
    auto root = directory_root::open(s.options.root);
    if (!root) throw std::runtime_error(root_error(s.options.root, root.error()));
    const auto shared_root = std::make_shared<const directory_root>(std::move(*root));
    if (s.options.access_log) s.log.emplace(*s.options.access_log, s.report);
    s.local = s.options.listen;
    s.shards.resize(s.options.threads == 0 ? 1 : s.options.threads);
    if (s.shards.size() >
        1) {  // SO_REUSEPORT would share the port with another server of this user, and not say so
        const auto alone = listen_on(s.local, {});
        if (!alone) throw std::runtime_error(listen_error(s.local, alone.error()));
    }
    s.blocking.emplace();
    uring_options ring = s.options.uring;
    for (shard& each : s.shards) {
        backend_choice choice = try_backend(s.options.engine, ring);
        if (choice.backend == nullptr) {
            throw std::runtime_error(fmt::format("the engine {} cannot be used here: {}",
                                                 name_of(s.options.engine), choice.reason));
        }
        s.engine = choice.chosen;
        s.engine_reason = choice.reason;
        if (ring.sqpoll_cpu >= 0) ++ring.sqpoll_cpu;  // the next thread's, on the next core
        each.own_loop = std::make_unique<naru::loop>(std::move(choice.backend));
        each.own_worker.emplace(*each.own_loop, s.options, shared_root, *s.blocking,
                                s.log ? &*s.log : nullptr, s.report);
    }
    s.listen();
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
        const auto attached =
            each.own_loop->attach(socket->release(), descriptor_kind::listener, ownership::own);
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
    if (!state_->disk_hangs()) return;
    state_->report("a look at the disk hangs: its thread is left behind");
    // A thread that hangs in a system call may come back at any time, to all of this but the log.
    state_->log.reset();
    static auto& left_behind = *new std::vector<std::unique_ptr<state>>;
    left_behind.push_back(std::move(state_));
}

void server::start() {
    for (shard& each : state_->shards) {
        each.thread = std::thread([&each] {
            if (each.listener) each.own_worker->serve(each.listener);
            each.own_loop->run();
        });
    }
}

void server::drain() {
    if (state_->draining.exchange(true)) return;
    for (shard& each : state_->shards) {
        if (!each.thread.joinable() || !each.listener)
            continue;  // without a listener: by the one that has it
        http::worker* const draining = &*each.own_worker;
        each.own_loop->post([draining] { draining->drain(); });
    }
}

void server::wait() {
    for (shard& each : state_->shards) {
        if (each.thread.joinable()) each.thread.join();
    }
    if (!state_->disk_hangs()) state_->blocking.reset();
}

naru::engine server::engine() const noexcept { return state_->engine; }
const std::string& server::engine_reason() const noexcept { return state_->engine_reason; }
address server::local_address() const noexcept { return state_->local; }

}  // namespace naru::http
