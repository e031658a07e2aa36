// Binding: from a server's endpoints to sockets that listen, before any loop has them.
#pragma once

#include <naru/http/server/connection_terms.hpp>
#include <naru/http/server/local_listener.hpp>
#include <naru/http/server/server_options.hpp>
#include <naru/os/address.hpp>
#include <naru/os/endpoint.hpp>
#include <naru/os/socket.hpp>
#include <naru/os/unix_socket.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace naru::http {

struct bound_address {
    address where;  ///< with the port that was chosen for port 0
    std::vector<unique_descriptor> sockets;
    connection_terms terms = {};
    std::optional<local_listener> local = std::nullopt;  ///< in place of all of that
    bool is_adopted = false;
    bool outlives_server = false;
};

/// `count` sockets for each address, where addresses can be shared. `alone`: not beside another server of
/// this user. `others`: see bind_endpoints. Throws std::runtime_error with one sentence that says what is
/// wrong and what to do.
std::vector<bound_address> bind_all(const std::vector<endpoint>& wanted, const listen_options& listening,
                                    std::size_t count, bool alone, std::span<const endpoint> others = {});

/// What most likely is wrong, and the way out.
std::string listen_error(const address& where, const std::error_code& error);

listen_options tcp_options(const server_options& options);
/// Sockets for each address.
std::size_t sockets_each(const server_options& options);

/// What holds for the options of every server. Throws std::runtime_error.
void check_endpoints(const std::vector<endpoint>& endpoints, const server_options& options);

/// server_options::report where there is none: standard error.
void print_report(std::string_view line);

/// Where a server listens.
struct listening_places {
    std::vector<address> local;
    std::vector<naru::endpoint> endpoints;
    std::vector<socket_file> socket_files;  ///< removed when nobody is to connect any more
    std::vector<bool> secure;

    /// Notes one, whose sockets and terms are left to the caller.
    void add(bound_address& each);
    /// Nobody is to connect any more.
    void remove_files() noexcept {
        for (socket_file& each : socket_files)
            each.remove();
    }
};

}  // namespace naru::http
