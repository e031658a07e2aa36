// What streams over a descriptor have in common: TCP, UNIX sockets and pipes.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/operations.hpp>
#include <naru/coro/owned_handle.hpp>
#include <naru/os/endpoint.hpp>
#include <naru/stream/detached.hpp>

#include <span>
#include <type_traits>
#include <utility>

namespace naru {

/// Move-only; closes its descriptor at the end of its life. Functions that return a request do nothing until
/// it is awaited. One operation per direction at a time, or several: they complete in order. The base of
/// streams, no stream by itself.
class handle_stream {
 public:
    /// result<lease>: at least one byte in a pool buffer. Errors: end_of_stream, ECONNRESET, buffers_held.
    receive_request receive() noexcept { return {home(), native()}; }
    /// result<size_t>: at least one byte into `memory` (any contiguous bytes), which must stay until then.
    template <class Memory>
        requires detail::writable_byte_range<Memory>
    receive_into_request receive(Memory&& memory) noexcept {
        static_assert(!detail::owned_bytes<Memory>,
                      "naru: memory to receive into must outlive the receive: pass a name or a span");
        return {home(), native(), writable_bytes_of(memory)};
    }
    /// The same into several pieces, in their order; the pieces themselves are lent, too.
    receive_pieces_request receive(std::span<mutable_slice> pieces) noexcept {
        return {home(), native(), pieces};
    }

    /// result<size_t>: all of it, or an error (EPIPE, ECONNRESET, ...). Bytes that have a name are lent until
    /// then; a temporary that owns its bytes is kept in the request.
    template <byte_source Source>
    auto send(Source&& source) noexcept {
        return send_as<send_extent::all>(std::forward<Source>(source));
    }
    /// Several pieces as one; the slices themselves are lent, too, and modified.
    send_slices_request send(std::span<slice> pieces) noexcept { return {home(), native(), pieces}; }
    /// result<size_t>: what goes at once, at least one byte (0 if there is none to send), once there is room
    /// for it.
    template <byte_source Source>
    auto send_some(Source&& source) noexcept {
        return send_as<send_extent::some>(std::forward<Source>(source));
    }
    send_slices_request send_some(std::span<slice> pieces) noexcept {
        return {home(), native(), pieces, send_extent::some};
    }

    /// For code that reads or writes the descriptor by itself (splice).
    readable_request readable() noexcept { return {home(), native()}; }
    writable_request writable() noexcept { return {home(), native()}; }
    /// result<void>: cancels and joins what is in flight, then closes.
    close_request close() noexcept { return close_request(std::move(owned_)); }
    /// result<detached>: takes it out of its loop, still open, with what was received ahead: for another
    /// loop, whose stream adopts it. What is in flight is cancelled.
    release_request release() noexcept { return release_request(std::move(owned_)); }
    /// result<unique_descriptor>: the bare descriptor. Costs the bytes that io_uring had received ahead: for
    /// a stream of which nothing has been received, or of which nothing more is wanted. See also borrow.
    bare_release_request release_dropping_received_ahead() noexcept {
        return bare_release_request(std::move(owned_));
    }

    /// Gives the handle up, still open, in its loop: for who puts a layer before it (tls_layer), or closes
    /// it.
    handle give_handle() noexcept { return owned_.give(); }

    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }
    /// For socket options: see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return home().borrow(owned_.get()); }
    explicit operator bool() const noexcept { return static_cast<bool>(owned_.get()); }

 protected:
    handle_stream() noexcept = default;
    handle_stream(loop& on, handle connection) noexcept : owned_(on, connection) {}
    handle_stream(handle_stream&&) noexcept = default;
    handle_stream& operator=(handle_stream&&) noexcept = default;
    ~handle_stream() = default;

    owned_handle owned_;

 private:
    template <send_extent Extent, class Source>
    auto send_as(Source&& source) noexcept {
        if constexpr (detail::owned_bytes<Source>) {
            return send_owned_request<std::remove_cvref_t<Source>>(home(), native(),
                                                                   std::forward<Source>(source), Extent);
        } else {
            return send_request(home(), native(), bytes_of(source), Extent);
        }
    }
};

/// A connected socket: whose own direction can be ended.
class socket_stream : public handle_stream {
 public:
    /// result<void>: shutdown(2) of our direction, behind the sends before it: the peer reads end_of_stream
    /// after what was sent. Errors: ENOTCONN.
    shutdown_request shutdown() noexcept { return {home(), native()}; }
    /// The same at once, whatever is being sent. Errors: ENOTCONN, EBADF.
    [[nodiscard]] result<void> shutdown_send() noexcept { return home().shutdown_send(native()); }
    /// result<size_t>: `count` bytes of an open file from `offset`; end_of_file if it has fewer. `sent`, if
    /// given, is set to the bytes that have gone out, also when not all of them have.
    send_file_request send_file(lent_descriptor file, std::uint64_t offset, std::uint64_t count,
                                std::uint64_t* sent = nullptr) noexcept {
        return {home(), native(), file, offset, count, sent};
    }
    /// Makes its close drop what is unsent and reset the connection. A UNIX socket has no reset: its peer
    /// reads an end.
    void reset_on_close() noexcept { home().reset_on_close(native()); }

 protected:
    using handle_stream::handle_stream;
    socket_stream() noexcept = default;
};

}  // namespace naru
