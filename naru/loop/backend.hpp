// Seam 1: completions. A backend turns operations into results; everything else (deadlines, posts, budgets,
// the order of a tick) is the loop's and exists once.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/loop/borrowed_descriptor.hpp>
#include <naru/loop/buffer_pool.hpp>
#include <naru/loop/operation.hpp>

namespace naru {

/// What an attached descriptor is: decides which system calls apply to it.
enum class descriptor_kind : std::uint8_t {
    stream,    ///< a connected stream socket
    socket,    ///< a stream socket that connect will be submitted on
    listener,  ///< a listening socket
    datagram,  ///< a datagram socket: receive_from and send_to, readable and writable
    file,      ///< a file that is opened by name (reserve_file)
    other,     ///< anything that can be polled (pipe, eventfd, terminal): readable and writable only
};

/// False for a stream's operations on a datagram socket, and the other way round: those are EINVAL on every
/// backend. For backends.
constexpr bool datagram_kinds_match(operation_kind kind, descriptor_kind of) noexcept {
    switch (kind) {
        case operation_kind::receive_from:
        case operation_kind::send_to:
            return of == descriptor_kind::datagram;
        case operation_kind::readable:
        case operation_kind::writable:
        case operation_kind::close:
        case operation_kind::release:
        case operation_kind::work:
            return true;
        default:
            return of != descriptor_kind::datagram;
    }
}

class backend {
 public:
    virtual ~backend() = default;
    backend(const backend&) = delete;
    backend& operator=(const backend&) = delete;

    /// Takes a non-blocking descriptor into the loop, which owns it from here on (also when this fails: it is
    /// then closed). Errors: the system's, select_descriptor_limit, handle_limit.
    virtual result<handle> attach(int descriptor, descriptor_kind kind) noexcept = 0;

    /// A handle for a file that open_file will open. Errors: handle_limit, ENOMEM.
    virtual result<handle> reserve_file() noexcept = 0;

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

    /// The memory that `recv` leases from. It is the backend's because the kernel may hold some of it.
    buffer_pool& buffers() noexcept { return buffers_; }

 protected:
    explicit backend(std::size_t pool_buffers) : buffers_(pool_buffers) {}
    buffer_pool buffers_;
};

}  // namespace naru
