// The web server on a loop of the user's: no loop, no thread and no signal is taken.
#pragma once

#include <naru/coro/task.hpp>
#include <naru/http/server/metrics.hpp>
#include <naru/http/server/server_options.hpp>
#include <naru/http/site/site.hpp>
#include <naru/os/endpoint.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace naru {
class loop;
}

namespace naru::http {

/// Serves beside whatever else goes on in a loop: clients, timers, coroutines of one's own, other servers.
/// What it does, it does in the loop's ticks, from the first one after its constructor on. All of it belongs
/// to the loop's thread; so do the site's handlers and per_loop's state.
///
///     naru::task<> serve(naru::loop& home) {
///         http::attached_server server(home, my_site(), {{.listen = "127.0.0.1:8080"}});
///         co_await until_it_is_time_to_end();
///         co_await server.drained();
///     }
///
/// Threads there are only for an access log, and for what would hold the loop up, as soon as there is some:
/// `blocking` handlers, files, TLS handshakes (server_options::blocking).
class attached_server {
 public:
    /// Binds and listens. `on` is borrowed, and must outlive it. Of the options those of threads and engines
    /// (`engine`, `engine_options`, `shared_listener`) say nothing here; `threads` is among how many such
    /// servers of the process its descriptors are shared. Throws std::runtime_error with one sentence that
    /// says what is wrong (`signals` is), and what the site's per_loop functions throw.
    attached_server(loop& on, http::site site, std::vector<endpoint> endpoints, server_options options = {});
    /// What is under way ends: handlers' scopes are stopped, connections closed, listeners, too. Outside of
    /// the loop's ticks it runs the loop until all of that has ended. Within one (in a coroutine or handler
    /// of the loop's) it returns at once, and handlers see their ends in the ticks that follow, which the
    /// loop's destructor makes at the latest: what they refer to must live as long, so that it is better to
    /// have awaited drained() or stopped(). A look at the disk that hangs is waited for.
    ~attached_server();
    attached_server(const attached_server&) = delete;
    attached_server& operator=(const attached_server&) = delete;

    /// Stops accepting, once what waits in the listeners' queues has been accepted, and lets what is in
    /// flight finish, for timeouts.drain at most. The loop goes on. `ended`, if there is one, is called when
    /// all of it has ended (see on_end).
    void drain(std::function<void()> ended = {});
    /// Leaves all that comes from here on to a successor, which listens to the same sockets: see
    /// server::retire.
    void retire() noexcept;
    /// Ends what is under way, without waiting for anybody: in the loop's next tick, so that a handler may
    /// say so. What a handler, or a thread, does not leave is waited for all the same; so are WebSockets,
    /// which say goodbye (websocket::options::close_timeout).
    void stop() noexcept;
    /// `told` is called, once, when all has ended after a drain, a stop, or the loss of a listener: no
    /// handler runs any more, and no connection is open. From a tick of the loop's, or at once if it has
    /// ended already. Must not throw; may destroy the server.
    void on_end(std::function<void()> told);

    /// co_await server.drained(): drains; completes when all has ended. A stop of the awaiting coroutine
    /// hurries that (stop), and is not waited for less.
    task<> drained();
    /// co_await server.stopped(): the same with a stop.
    task<> stopped();
    /// co_await server.ended(): until all has ended, whoever asked for that. False: the awaiting coroutine
    /// was stopped before.
    task<bool> ended();

    /// Requests that begin from here on are for this site, also on connections that are open; those under way
    /// end with theirs. Throws what site's functions throw. Without effect after the end.
    void replace(http::site site);
    /// See server::end_connections. `which` is called in the loop's next tick.
    void end_connections(std::function<bool(std::string_view)> which);
    /// Opens the access log anew, as after it has been renamed. Any thread.
    void reopen_logs() noexcept;

    /// What goes on; after the end, what went on. `anew`: the longest tick is looked for from here on.
    /// `engine` is empty: the loop is not the server's. Throws std::bad_alloc.
    server_metrics metrics(bool anew = false);
    /// Gives the same for as long as it is kept, also when this object has gone: then what went on, or what
    /// is known of an end that is still under way. Called on the loop's thread.
    std::function<server_metrics(bool anew)> meter() const;

    bool is_draining() const noexcept;
    bool has_ended() const noexcept;
    /// Whether a listener has failed for good. The server has begun to drain by then.
    bool has_failed() const noexcept;

    /// As in server: with the ports that were chosen for port 0.
    const std::vector<address>& addresses() const noexcept;
    const std::vector<naru::endpoint>& local_endpoints() const noexcept;
    address local_address() const noexcept;
    bool is_secure(std::size_t which) const noexcept;
    /// The loop that it is attached to.
    loop& home() const noexcept;

 private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace naru::http
