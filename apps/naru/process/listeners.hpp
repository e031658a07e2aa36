// The sockets that are listened to: bound by the master, or by who started it, and handed from process to
// process by number.
#pragma once

#include "../serve_config.hpp"

#include <naru/http/server/server_options.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::program {

/// The sockets of one endpoint, and the endpoint that was asked for ("127.0.0.1:0").
struct listener_set {
    std::string name;
    std::vector<int> sockets;
    bool from_outside = false;                    ///< who started us listens, too, and will after us
    bool secure = false;                          ///< of those from outside: TLS
    std::shared_ptr<socket_file> file = nullptr;  ///< of a path that was bound here: removed with this
    std::string label = {};                       ///< of those from outside: what the manager calls them
};

class listeners {
 public:
    listeners() = default;
    ~listeners() { close(); }
    listeners(const listeners&) = delete;
    listeners& operator=(const listeners&) = delete;

    /// Those that the manager has passed: LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES (sd_listen_fds(3)), which
    /// are taken out of the environment. Where a name begins with "https", TLS is spoken. Throws
    /// std::runtime_error for a descriptor that is no listening TCP socket.
    void take_from_manager();

    /// Puts sockets that came from the manager, if there are any, in the place of --listen and --listen-tls.
    /// What stands there with the same address, or as fd:NAME with the manager's name, says how they are
    /// spoken to: by the list in which it is with or without TLS, and behind the PROXY protocol. Of others
    /// the name says it: TLS where it begins with "https". Throws std::runtime_error.
    serve_settings put_into(serve_settings settings) const;

    /// Binds what `wanted` has and is not there yet: all of it or, where that throws std::runtime_error,
    /// nothing.
    void bind(const std::vector<http::endpoint>& wanted, const http::server_options& options);
    /// How many sockets `wanted` has then, bound for so many threads.
    std::size_t sockets_for(const std::vector<http::endpoint>& wanted, std::size_t threads);
    /// Closes what is there and is not wanted.
    void close_others(const std::vector<http::endpoint>& wanted);

    /// The endpoints with their sockets, which are the caller's from here on: the list is empty. An endpoint
    /// that need not be there and is not is left out. Throws std::runtime_error if another is not.
    std::vector<http::endpoint> give(std::vector<http::endpoint> wanted);

    /// For a program that this process becomes: a line for each set, and back. A line that is none is
    /// ignored.
    std::string text() const;
    void add(std::string_view line);
    /// Whether the sockets are closed by exec.
    void close_on_exec(bool close) const noexcept;

    /// In a worker's process: what it closes, and its end, leave sockets' files to the master.
    void leave_files() noexcept;

    void close() noexcept;
    bool empty() const noexcept { return sets_.empty(); }

 private:
    listener_set* unused(const http::endpoint& wanted, std::vector<bool>& used) noexcept;
    void close_all_but(const std::vector<bool>& kept) noexcept;
    void bind_chain(const std::vector<http::endpoint>& chain, const http::server_options& options);

    std::vector<listener_set> sets_;
    bool last_was_added_ = false;  // of the lines that are added: to whom those behind it belong
};

/// Those of this process.
listeners& own_listeners();

}  // namespace naru::program
