// Seam 1: completions. A backend turns operations into results; everything else (deadlines, posts, budgets,
// the order of a tick) is the loop's and exists once.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/loop/borrowed_descriptor.hpp>
#include <naru/loop/buffer_pool.hpp>
#include <naru/loop/operation.hpp>
#include <naru/loop/received_ahead.hpp>
#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>

#include <cerrno>
#include <initializer_list>
#include <optional>

namespace naru {

/// What an attached descriptor is: decides which system calls apply to it.
enum class descriptor_kind : std::uint8_t {
    stream,    ///< a connected stream socket
    socket,    ///< a stream socket that connect will be submitted on
    listener,  ///< a listening socket
    datagram,  ///< a datagram socket: receive_from and send_to, readable and writable
    file,      ///< a file that is opened by name (reserve_file)
    pipe,      ///< a pipe or terminal in non-blocking mode: received from and sent to by read and write
    other,     ///< anything that can be polled (pipe, eventfd, terminal): readable and writable only
};

/// Whether an operation is one of a kind of descriptor. Any other is EINVAL on every backend, at once: it
/// must not wait for what cannot come. For backends.
constexpr bool kinds_match(operation_kind kind, descriptor_kind of) noexcept {
    switch (kind) {
        case operation_kind::accept:
            return of == descriptor_kind::listener;
        case operation_kind::recv:
        case operation_kind::recv_into:
        case operation_kind::send:
            return of == descriptor_kind::stream || of == descriptor_kind::socket ||
                   of == descriptor_kind::pipe;
        case operation_kind::connect:
        case operation_kind::send_file:
        case operation_kind::shutdown:
            return of == descriptor_kind::stream || of == descriptor_kind::socket;
        case operation_kind::receive_from:
        case operation_kind::send_to:
            return of == descriptor_kind::datagram;
        case operation_kind::readable:
        case operation_kind::writable:
            return of != descriptor_kind::file;
        case operation_kind::open_file:
        case operation_kind::read_file:
        case operation_kind::write_file:
        case operation_kind::sync_file:
        case operation_kind::file_status:
            return of == descriptor_kind::file;
        case operation_kind::close:
        case operation_kind::release:
            return true;
        case operation_kind::work:
        case operation_kind::buffer:
            return false;
    }
    return false;
}

/// What can be seen of an operation itself, before anything is done: EINVAL, or 0. For backends.
constexpr std::int64_t refusal_of(const operation& op, descriptor_kind of) noexcept {
    if (!kinds_match(op.kind, of)) return outcome::from_errno(EINVAL);
    // A result of "at least one byte" needs room for one.
    if (op.kind == operation_kind::recv_into && op.count == 0) return outcome::from_errno(EINVAL);
    return 0;
}

/// Who else may hold the open file description behind a descriptor that is attached.
enum class ownership : std::uint8_t {
    own,    ///< nobody: the program has just made it, in non-blocking mode. The backend may change that mode.
    shared  ///< perhaps another process: it was inherited or received. Its flags stay as they are, always.
};

/// The kinds on which a call is made that has no flag against waiting (accept, connect, read, write): in
/// blocking mode somebody else's taking what was there would stop the loop. For backends.
constexpr bool needs_non_blocking(descriptor_kind kind) noexcept {
    return kind == descriptor_kind::listener || kind == descriptor_kind::socket ||
           kind == descriptor_kind::pipe;
}

/// How a stream socket that is to be connected is made.
struct stream_options {
    bool no_delay = true;         ///< TCP_NODELAY
    std::optional<address> from;  ///< the local address; with port 0 any port of it

    stream_options() noexcept = default;
};

/// Options that are numbers; what each means, and its unit, stands in naru/os/socket_options.hpp.
enum class socket_option : std::uint8_t {
    no_delay,        ///< 0 or 1
    send_buffer,     ///< bytes
    receive_buffer,  ///< bytes
    user_timeout,    ///< milliseconds
    broadcast,       ///< 0 or 1
};

class loop;
class file_system;

/// Where loops are in a world of their own (naru/sim), sockets are opened, asked and changed there; hence by
/// handle, and virtual. Virtual functions are called per loop, connection or batch, never per operation.
class backend {
 public:
    virtual ~backend() = default;
    backend(const backend&) = delete;
    backend& operator=(const backend&) = delete;

    /// Takes a descriptor into the loop, which owns it from here on (also when this fails: it is then
    /// closed). One that is shared and in blocking mode is taken unless it is a listener or still to be
    /// connected; the same on every backend. Errors: the system's (EBADF, ENOMEM), blocking_descriptor,
    /// select_descriptor_limit, handle_limit.
    virtual result<handle> attach(int descriptor, descriptor_kind kind, ownership whose) noexcept = 0;

    /// Sockets from a specification, made and attached; listen_on, stream_socket_for and bind_datagram
    /// (naru/os/socket.hpp) say which errors there are, attach which others.
    virtual result<handle> open_listener(const address& where, const listen_options& options) noexcept;
    /// Connect is to be submitted on it. Other errors: those of binding to `options.from`.
    virtual result<handle> open_stream(const address& peer, const stream_options& options) noexcept;
    virtual result<handle> open_datagram(const address& where, const udp_options& options) noexcept;

    /// Errors: EBADF if the handle is gone, ENOTCONN, EAFNOSUPPORT (address::local_of).
    virtual result<address> local_address(handle of) noexcept;
    virtual result<address> peer_address(handle of) noexcept;
    /// shutdown(2) of our direction: the peer reads end of stream after what was sent.
    virtual result<void> shutdown_send(handle of) noexcept;
    /// Makes close drop what is unsent and reset the connection.
    virtual void reset_on_close(handle of) noexcept;
    /// Bytes that have been sent and that the peer's system has not acknowledged.
    virtual std::uint64_t unacknowledged(handle of) noexcept;
    /// Whether the peer has ended its direction, or the connection: naru/os/socket.hpp.
    virtual peer_end end_of_peer(handle of) noexcept;
    /// SO_ERROR: what has failed on the socket and nobody was told, as an outcome; 0 if nothing.
    virtual std::int64_t take_error(handle of) noexcept;
    /// Of a listener: from here on nobody can connect any more, and who has connected can still be accepted
    /// (refuse_connections, naru/os/socket.hpp).
    virtual void refuse_connections(handle of) noexcept;
    /// Of a listener: whether somebody waits in its queue.
    virtual bool has_connection_waiting(handle of) noexcept;
    /// Whether `readable` and `writable` can say anything of it (system_calls::can_be_watched).
    virtual bool can_be_watched(handle of) noexcept;
    /// Errors: EBADF, and those of the calls in naru/os/socket_options.hpp.
    virtual result<void> set_option(handle of, socket_option which, int value) noexcept;
    virtual result<int> option(handle of, socket_option which) noexcept;

    /// The loop that this is the backend of; called once, by its constructor.
    virtual void serves(loop& /*its_loop*/) noexcept {}

    /// A handle for a file that open_file will open. Errors: handle_limit, ENOMEM.
    virtual result<handle> reserve_file() noexcept = 0;

    /// What it was attached or made as; nothing if it is gone, or being closed.
    virtual std::optional<descriptor_kind> kind_of(handle of) noexcept = 0;
    /// A file has been opened for a handle by somebody else. 0, or an error: it is closed then.
    virtual std::int64_t opened(handle of, int descriptor) noexcept;
    /// The disk that the files of this loop are on.
    virtual file_system& files() noexcept;
    /// Where an open file is: numbers that the system does not give out are a world's.
    file_system& files_of(lent_descriptor file) noexcept;

    /// Whether it does operations of a kind itself. What it does not do of operations on files, workers do
    /// (file_operation.hpp).
    bool performs(operation_kind kind) const noexcept {
        return ((performs_ >> static_cast<unsigned>(kind)) & 1u) != 0;
    }

    /// The descriptor behind a handle; -1 if the handle is gone, or its descriptor is a direct one.
    virtual int descriptor(handle of) noexcept = 0;

    /// The same for all connections: see borrowed_descriptor.
    virtual borrowed_descriptor borrow(handle of) noexcept { return borrowed_descriptor(descriptor(of)); }

    /// Whether a `recv` on the handle waits for a pool buffer, and not for its peer.
    virtual bool waits_for_buffer(handle of) noexcept = 0;

    /// Takes a batch of queued operations. Results that are known at once go to `done`.
    virtual void submit(operation_queue& batch, operation_queue& done) noexcept = 0;

    /// Asks a pending operation (already marked canceling) to end. It completes once, here or later.
    virtual void cancel(operation& op, operation_queue& done) noexcept = 0;

    /// Blocks until `until`, a completion or a wake, and gathers completions into `done`. An instant in the
    /// past means: look, do not block.
    virtual void wait(instant until, operation_queue& done) noexcept = 0;

    /// Ends a wait in progress, or the next one at once. The only function that any thread may call.
    virtual void wake() noexcept = 0;

    /// The connection behind a handle is known to have failed, though its system may not say so again
    /// (received_ahead::failed).
    virtual void mark_failed(handle /*of*/) noexcept {}

    /// Pool buffers that hold what was received ahead on a handle, for an owner who has not asked for it.
    virtual std::size_t kept_for(handle /*of*/) noexcept { return 0; }

    /// How many connections there could be if `descriptors` of the process were this loop's.
    virtual std::size_t most_connections(std::size_t descriptors) const noexcept { return descriptors; }

    /// The memory that `recv` leases from. It is the backend's because the kernel may hold some of it.
    buffer_pool& buffers() noexcept { return buffers_; }

 protected:
    /// Throws std::length_error if `pool_buffers` is 0 or more than limits::pool_buffers_max.
    /// It performs all kinds but those of files, and of them these.
    explicit backend(std::size_t pool_buffers, std::initializer_list<operation_kind> of_files = {})
        : buffers_(pool_buffers) {
        for (const operation_kind each : of_files)
            performs_ |= std::uint32_t{1} << static_cast<unsigned>(each);
    }
    buffer_pool buffers_;

 private:
    std::uint32_t performs_ = (std::uint32_t{1} << static_cast<unsigned>(operation_kind::open_file)) - 1;
};

}  // namespace naru
