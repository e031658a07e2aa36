// The socket calls, one contract for all platforms: non-blocking whatever the descriptor's mode (accept,
// connect and send_file excepted), restarted after EINTR, never a SIGPIPE, results as an operation's outcome
// (see core/result.hpp). No call moves more than limits::bytes_per_call. EAGAIN is an outcome like any other.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/os/lent_descriptor.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace naru::system_calls {

inline constexpr std::int64_t would_block = -11;  // -EAGAIN, checked in the .cpp

/// accept4(2): a non-blocking, close-on-exec descriptor. Waits on a listener in blocking mode.
std::int64_t accept(int listener) noexcept;

/// recv(2). 0 bytes is end of stream, and reported as such.
std::int64_t recv(int socket, mutable_bytes into) noexcept;

/// recvmsg(2): the same into several pieces, of which at least one has room.
std::int64_t recv(int socket, std::span<const mutable_slice> pieces) noexcept;

/// readv(2) and writev(2), for pipes and terminals: these calls wait on a descriptor in blocking mode. 0
/// bytes read is end of stream. ENOTSUP on Windows.
std::int64_t read(int descriptor, std::span<const mutable_slice> pieces) noexcept;
std::int64_t write(int descriptor, std::span<const slice> pieces) noexcept;

/// shutdown(2) of the direction that sends: 0 or an error.
std::int64_t shutdown_send(int socket) noexcept;

/// sendmsg(2), or send(2) for one slice. May be short.
std::int64_t send(int socket, std::span<const slice> slices, bool more) noexcept;

/// What a received datagram brings beside its bytes.
struct sender {
    std::span<std::byte> address;  ///< lent room for a sockaddr_storage
    std::uint32_t size = 0;        ///< bytes of it that were written; 0: the sender has no address
    bool truncated = false;        ///< the datagram was longer than the memory
};

/// recvmsg(2): one datagram; 0 is an empty one. That an earlier datagram had no taker is passed over where an
/// unconnected socket is told that (Windows).
std::int64_t receive_from(int socket, mutable_bytes into, sender& from) noexcept;

/// sendmsg(2): one datagram in `pieces`, whole or not at all, to `size` bytes of a sockaddr, or without one
/// to whom the socket is connected to.
std::int64_t send_to(int socket, std::span<const slice> pieces, const void* address,
                     std::uint32_t size) noexcept;

/// Begins to connect: 0, EINPROGRESS, or an error. Waits on a socket in blocking mode.
std::int64_t connect(int socket, const void* address, std::uint32_t size) noexcept;

/// SO_ERROR: 0 or the pending error, negated.
std::int64_t socket_error(int socket) noexcept;

/// Moves at most `count` bytes of `file` from `offset` to `socket`, without copying where the system can.
/// The one contract for sendfile's variants: the result is the bytes sent (at least 1), would_block, or an
/// error; end_of_file if `file` has nothing at `offset`.
std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept;

/// The same by pread and send, for systems and files that sendfile does not serve.
std::int64_t send_file_by_copy(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept;

/// AT_FDCWD: relative to the current directory. Checked in the .cpp.
inline constexpr int current_directory = lent_descriptor::current_directory().get();

/// openat(2), close-on-exec: a descriptor.
std::int64_t open_file(int directory, const char* path, int flags, unsigned mode) noexcept;

/// pread(2): 0 is the end of the file.
std::int64_t read_file(int file, mutable_bytes into, std::uint64_t offset) noexcept;

/// The mode of the open file description. False where the system does not tell (Windows).
bool is_blocking(int descriptor) noexcept;

/// Whether it is a TCP socket (socket(7), SO_DOMAIN and SO_PROTOCOL).
bool is_tcp(int socket) noexcept;

/// Whether a connect to `address` has connected the socket to itself: what TCP makes of it when nobody
/// listens on a port of the ephemeral range and that very port is chosen for the connecting side.
bool is_connected_to_itself(int socket, const void* address, std::uint32_t size) noexcept;

/// Whether poll, epoll and their like can say anything of it: not of regular files, directories and devices
/// that are always ready.
bool can_be_watched(int descriptor) noexcept;

/// Undoes a connect: the peer is reset, and what is sent fails.
void disconnect(int socket) noexcept;

/// How often this process is a child, made by fork, of the one that first asked. 0 on Windows.
unsigned forks_counted() noexcept;

void close(int descriptor) noexcept;

/// sendfile(2) and splice(2) raise SIGPIPE and have no flag against it: if the process still has the default
/// action (death), does nothing instead. Process-wide, but not for a program that the process starts; called
/// when a backend is made.
void ignore_sigpipe() noexcept;

}  // namespace naru::system_calls
