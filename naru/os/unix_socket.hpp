// Sockets of the UNIX domain, before they are in a loop. ENOTSUP on Windows.
#pragma once

#include <naru/os/socket.hpp>
#include <naru/os/unix_address.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace naru {

struct unix_listen_options {
    int backlog = 4096;  ///< bounded by net.core.somaxconn
    bool replace_stale =
        false;  ///< removes a socket's path that nobody listens on. Two programs that start at the same
                ///< moment with the same path may take it from each other: let one file lock decide
    std::optional<unsigned> mode;  ///< permissions of the path (who may connect); else the umask decides

    unix_listen_options() noexcept = default;
};

/// A bound, listening, non-blocking socket. Its path stays when it is closed. Errors: EADDRINUSE (also where
/// a file is no socket), EACCES, ENOENT and the rest of bind(2).
[[nodiscard]] result<unique_descriptor> listen_on(const unix_address& where,
                                                  const unix_listen_options& options = {}) noexcept;

/// A listening socket's file, removed at the end of its life, unless another one has come into its place by
/// then. Move-only.
class socket_file {
 public:
    /// Nothing if there is no socket at that path, or the name is abstract.
    [[nodiscard]] static std::optional<socket_file> at(const unix_address& where) noexcept;
    socket_file(socket_file&& other) noexcept
        : where_(other.where_),
          device_(other.device_),
          inode_(other.inode_),
          mine_(std::exchange(other.mine_, false)) {}
    socket_file& operator=(socket_file&&) = delete;
    ~socket_file() { remove(); }

    /// Before that.
    void remove() noexcept;
    /// Leaves it where it is.
    void keep() noexcept { mine_ = false; }

    /// Which file it was (st_dev, st_ino).
    std::uint64_t device() const noexcept { return device_; }
    std::uint64_t inode() const noexcept { return inode_; }

 private:
    socket_file(const unix_address& where, std::uint64_t device, std::uint64_t inode) noexcept
        : where_(where), device_(device), inode_(inode) {}

    unix_address where_;
    std::uint64_t device_;
    std::uint64_t inode_;
    bool mine_ = true;
};

/// Another descriptor of the same socket, closed on exec: who accepts by one takes it from all.
[[nodiscard]] result<unique_descriptor> duplicate(const unique_descriptor& of) noexcept;

/// A non-blocking stream socket, to be attached as descriptor_kind::socket; bound to `from`, if that is a
/// name.
[[nodiscard]] result<unique_descriptor> unix_stream_socket(const unix_address& from = {}) noexcept;

/// Two that are connected to each other.
[[nodiscard]] result<std::pair<unique_descriptor, unique_descriptor>> unix_socket_pair() noexcept;

}  // namespace naru
