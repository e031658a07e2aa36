// Listening at an address of the UNIX domain.
#pragma once

#include <naru/core/result.hpp>
#include <naru/os/socket.hpp>
#include <naru/os/unix_address.hpp>
#include <naru/os/unix_socket.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace naru::http {

/// One socket, of which several loops have a descriptor: such an address cannot be shared by SO_REUSEPORT.
struct local_listener {
    unix_address where;
    std::vector<unique_descriptor> sockets;
    std::optional<socket_file> file;  ///< of a path: to be removed when nobody listens any more
};

/// Binds and listens. A path that a dead server has left is replaced; `mode`: its permissions. Errors: those
/// of listen_on; ENOTSUP in a world that is simulated, and on Windows.
result<local_listener> listen_locally(const unix_address& where, std::optional<unsigned> mode, int backlog,
                                      std::size_t descriptors) noexcept;

/// What most likely is wrong, and the way out.
std::string describe_local_refusal(const unix_address& where, const std::error_code& error);

}  // namespace naru::http
