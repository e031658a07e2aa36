// What a server is told at its start.
#pragma once

#include <naru/core/chrono.hpp>
#include <naru/core/result.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/server/client_rates.hpp>
#include <naru/http/server/tls_credentials.hpp>
#include <naru/http/server/trusted_proxies.hpp>
#include <naru/loop/engine.hpp>
#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>
#include <naru/os/socket_options.hpp>
#include <naru/os/unix_address.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace naru {
class socket_file;  // os/unix_socket.hpp
}

namespace naru::http {

struct blocking_threads;  // handlers/blocking_threads.hpp

/// Whether this build speaks HTTP/2: everywhere but on Windows.
#ifdef _WIN32
inline constexpr bool speaks_http2 = false;
#else
inline constexpr bool speaks_http2 = true;
#endif

/// How long a client may take. Each but `write` is a deadline of the loop (milliseconds are its resolution).
/// A plain request only ever pushes its connection's deadline back, which is one store. Who is sent an answer
/// is looked at from time to time instead.
struct timeouts {
    std::chrono::milliseconds head{20'000};   ///< from the first byte of a request to the end of its head
    std::chrono::milliseconds body{30'000};   ///< between two pieces of a body
    std::chrono::milliseconds write{60'000};  ///< without a byte of the answer taken (to an eighth of it)
    std::chrono::milliseconds keep_alive{60'000};  ///< between two requests
    std::chrono::milliseconds drain{10'000};       ///< for what is in flight, when the server stops
    /// For a buffer to answer in, when the loop's pool is exhausted; then the client is reset.
    std::chrono::milliseconds buffer = limits::buffer_wait;
};

/// What a client must do at least, in bytes per second over each `over`: a byte now and then is not enough to
/// go on for ever. 0: nothing.
struct least_rates {
    std::uint64_t body{500};    ///< of a request's body that it sends; below it the answer is 408
    std::uint64_t answer{500};  ///< of an answer that its system acknowledges; below it it is reset
    std::chrono::milliseconds over{60'000};
};

/// An address, or the text of one: "127.0.0.1:8080", "[::1]:0", "*:80"; "unix:/run/naru.sock" and
/// "unix:@name" (abstract, Linux) are addresses of the UNIX domain. A text that is none throws
/// std::invalid_argument.
struct endpoint_address : address {
    endpoint_address(const address& where) noexcept : address(where) {}
    endpoint_address(const unix_address& where) noexcept : local(where) {}
    endpoint_address(std::string_view text);
    endpoint_address(const char* text) : endpoint_address(std::string_view(text)) {}
    endpoint_address(const std::string& text) : endpoint_address(std::string_view(text)) {}

    /// Instead of an Internet address, which is a default-made one then.
    std::optional<unix_address> local;
};

/// Where a server listens.
struct endpoint {
    endpoint_address listen;
    /// Passed over on a system that has no such address, unless it is the last of all.
    bool if_there = false;
    /// The port is the one that the endpoint before it has got.
    bool port_of_previous = false;
    /// TLS, as these certificates have it; nullptr: clear text. Not on Windows.
    std::shared_ptr<tls_credentials> tls = nullptr;
    /// Listening TCP sockets from outside, in non-blocking mode, instead of ones that are made: one, or those
    /// that share a port (SO_REUSEPORT). All of them are accepted from, whatever the number of threads. They
    /// are the server's from its constructor on, also if that throws.
    std::vector<int> adopted = {};
    /// Of adopted ones: others listen to them, too, or will after this server (systemd, a successor). Its end
    /// leaves what waits in their queues to them.
    bool outlives_server = false;
    /// Of a path that bind_endpoints has bound: removed when nobody has it any more.
    std::shared_ptr<socket_file> file = nullptr;
    /// Of a path in the UNIX domain: its permissions, which say who may connect; else the umask decides. A
    /// path that nobody listens on any more is replaced, and it is removed when the server stops.
    std::optional<unsigned> mode = std::nullopt;
    /// Each connection begins with the PROXY protocol's header, version 1 or 2, before TLS. It is taken from
    /// server_options::trusted_proxies alone; a connection of others, or without one, is closed.
    bool proxy_protocol = false;
};

/// Opens the file of a log to append to it, at first and whenever it is to be opened anew.
using log_opener = std::function<naru::result<unique_descriptor>(const std::string& path)>;
/// Of the access log: as httpd and nginx write it, or objects of JSON, one a line.
enum class log_format : std::uint8_t { combined, json };

struct server_options {
    naru::engine engine = naru::engine::automatic;
    /// What there is to choose of it: backend_options, or those of one engine (uring_options). Never nullptr.
    std::shared_ptr<const backend_options> engine_options = [] {
        backend_options defaults;
        defaults.direct_descriptors = backend_options::direct::near_limit;
        return std::make_shared<const backend_options>(defaults);
    }();
    unsigned threads = 1;
    /// `run` drains at SIGINT and SIGTERM, and ends at once at the second one.
    bool signals = false;
    /// One listener for all threads, which hands connections round, instead of one each that share the port.
    /// Always so where ports cannot be shared (Windows).
    bool shared_listener = false;
    /// Gets lines for the operator: clients that were shed, handlers that threw. Any thread may call it. By
    /// default they go to standard error.
    std::function<void(std::string_view)> report = {};
    /// HTTP/2 in clear text for clients that begin with its preface (RFC 9113, section 3.3); without it they
    /// are answered 505. Not on Windows.
    bool h2c = false;
    http::timeouts timeouts = {};
    http::least_rates least_rates = {};
    /// Connections of one client address (IPv6: of one /64) while more than three quarters of the most that
    /// there can be are open; more are closed at once. The most is what the descriptors allow: RLIMIT_NOFILE
    /// shared among the threads (with io_uring's direct descriptors as many for each), 1,023 with select.
    /// 0: no limit.
    unsigned connections_per_address = 100;
    /// New connections of one client (IPv6: of one /64), shared by all loops; more are reset. nullptr: any.
    std::shared_ptr<client_rates> connection_rate = nullptr;
    /// Who may say on whose behalf a connection or a request comes. nullptr: nobody.
    std::shared_ptr<const http::trusted_proxies> trusted_proxies = nullptr;
    std::optional<std::string> access_log = std::nullopt;  ///< a path, or "-"
    /// Opens it where the server itself may not. Called from a thread of the log's own, and from the server's
    /// constructor. Empty: the server opens it.
    log_opener open_log = {};
    http::log_format log_format = http::log_format::combined;
    /// Whose threads run what would hold a loop up. nullptr: threads of the server's own.
    std::shared_ptr<blocking_threads> blocking = nullptr;

    // TCP, as measured to help or asked for (see docs/operations.md).
    int backlog = 4096;
    int fast_open_queue = 0;
    /// A connection is accepted when its request has come: one wake-up for both, and half the cost of a
    /// connection that makes one request. One that stays silent is accepted after this time (tcp(7)).
    std::chrono::seconds defer_accept{1};
    std::optional<socket_options::keep_alive_settings> tcp_keep_alive = std::nullopt;
    std::chrono::milliseconds user_timeout{0};
    int send_buffer = 0;
    int receive_buffer = 0;
};

}  // namespace naru::http
