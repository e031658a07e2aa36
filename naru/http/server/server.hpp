// The web server: one loop per thread, each with its own listener (SO_REUSEPORT).
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/http/server/metrics.hpp>
#include <naru/http/server/server_options.hpp>
#include <naru/http/site/site.hpp>
#include <naru/os/endpoint.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace naru::http {

/// Binds what a server with these options would bind, and no more: the endpoints with what they have
/// `adopted`, and with the addresses that were chosen for port 0; those that are not there (if_there) are
/// left out (all of them only if the first has port_of_previous: who asks has that one). For who binds in one
/// process and serves in another. `others` are bound by the same server, before: who overlaps them is told
/// so. Throws std::runtime_error, as the server does.
std::vector<endpoint> bind_endpoints(const std::vector<endpoint>& wanted, const server_options& options,
                                     std::span<const endpoint> others = {});

/// Made, started, drained and waited for by its owner, from any thread but its loops'.
class server {
 public:
    /// Opens the log, makes the engines and binds the listeners: after this the ports are taken and the
    /// kernel queues connections. Throws std::runtime_error with one sentence that says what is wrong and
    /// what to do, and what the site's per_loop functions throw.
    server(http::site site, std::vector<endpoint> endpoints, server_options options = {});
    /// Drains if it still runs. Should a thread hang in a look at the disk by then (a network file system),
    /// it is left behind, with the memory and the descriptors that it may come back to, for the rest of the
    /// process.
    ~server();
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// Starts the threads: all, or none. Throws std::runtime_error if one of them cannot be had; the server
    /// is then good for nothing else. `on_failure` is called, once, from one of the threads, when a listener
    /// has failed for good: the server has begun to drain by then, so that it never goes on as one that does
    /// not listen where it was told to.
    void start(std::function<void()> on_failure = {});

    /// start and wait: until a signal (server_options::signals), or else until another thread drains it; or
    /// until a listener fails.
    void run();

    /// Requests that begin from here on are for this site, also on connections that are open; those under way
    /// end with theirs. Throws what site's functions throw. Thread-safe.
    void replace(http::site site);

    /// Of the connections with TLS those end, after the answers that are under way, whose clients have asked
    /// for a name (SNI; empty if none) for which `which` says so, and those whose handshake is still under
    /// way: after an endpoint's credentials were replaced by ones that ask other certificates of clients.
    /// `which` is called on the loops' threads, soon, and throws nothing. Thread-safe.
    void end_connections(std::function<bool(std::string_view tls_name)> which);

    /// Stops accepting, once what waits in the listeners' queues has been accepted, and lets what is in
    /// flight finish, for timeouts.drain at most. Thread-safe.
    void drain();

    /// Leaves all that comes from here on to a successor, which listens to the same sockets: nobody is
    /// refused, and no queue is emptied. Each connection ends behind its next answer (HTTP/2: behind those
    /// under way), however long that takes; the threads end when the last one has. drain hurries it.
    /// Thread-safe.
    void retire();

    /// Returns when all threads have ended, but for those that hang in a look at the disk.
    void wait();

    /// Opens the access log anew, as after it has been renamed. Any thread.
    void reopen_logs() noexcept;

    /// What goes on: each loop is asked, and adds up what it has counted. Waits for them, so it is for
    /// threads other than theirs (handlers: `blocking`); whose answer does not come within `patience`,
    /// because a handler holds its thread up, is missing. `anew`: the longest tick is looked for from here
    /// on. Any other thread, at any time until the server's end.
    server_metrics metrics(std::chrono::milliseconds patience = std::chrono::seconds(1), bool anew = false);

    /// Calls `told` once each loop's thread has come round: it is held up by no handler. On the last one's
    /// thread, or on the caller's if none runs; must not wait or throw. While a loop is held up it is not
    /// called. Any thread, at any time until the server's end. Throws std::bad_alloc.
    void when_loops_turn(std::function<void()> told);

    /// Whether it has begun to drain. Any thread.
    bool is_draining() const noexcept;

    /// Whether a listener has failed. Any thread.
    bool has_failed() const noexcept;

    /// What `automatic` became, and why; the addresses with the ports that were chosen for port 0, and the
    /// first of them.
    naru::engine engine() const noexcept;
    const std::string& engine_reason() const noexcept;
    const std::vector<address>& addresses() const noexcept;
    /// The same with those of the UNIX domain, which are default-made ones in addresses().
    const std::vector<naru::endpoint>& local_endpoints() const noexcept;
    address local_address() const noexcept;
    /// Whether TLS is spoken at addresses()[which].
    bool is_secure(std::size_t which) const noexcept;

 private:
    struct shard;
    struct state;
    std::unique_ptr<state> state_;
};

}  // namespace naru::http
