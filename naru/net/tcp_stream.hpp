// A TCP connection in a loop, for coroutines.
#pragma once

#include <naru/coro/awaiters.hpp>
#include <naru/net/address.hpp>
#include <naru/net/owned_handle.hpp>
#include <naru/net/socket.hpp>

#include <span>

namespace naru {

/// Move-only; closes its connection at the end of its life. All functions that return an awaiter do nothing
/// until it is awaited. One operation per direction at a time, or several: they complete in order.
class tcp_stream {
 public:
    tcp_stream() noexcept = default;
    tcp_stream(loop& on, handle connection) noexcept : owned_(on, connection) {}

    class connect_awaiter;
    /// co_await connect(...) gives result<tcp_stream>.
    static connect_awaiter connect(loop& on, const address& peer) noexcept;

    /// result<lease>: at least one byte in a pool buffer. Errors: end_of_stream, ECONNRESET, ...
    recv_awaiter recv() noexcept { return {home(), native()}; }
    /// result<size_t>: at least one byte into `memory`, which must stay until then.
    recv_into_awaiter recv(mutable_bytes memory) noexcept { return {home(), native(), memory}; }
    /// result<size_t>: all of it, or an error (EPIPE, ECONNRESET, ...). The bytes must stay until then.
    send_awaiter send(bytes_view bytes) noexcept { return {home(), native(), bytes}; }
    send_awaiter send(std::string_view text) noexcept { return {home(), native(), as_bytes(text)}; }
    send_awaiter send(const lease& leased) noexcept { return {home(), native(), bytes_view(leased.bytes())}; }
    /// Several pieces as one; the slices themselves are lent, too, and modified.
    send_awaiter send(std::span<slice> pieces) noexcept { return {home(), native(), pieces}; }
    /// result<size_t>: `count` bytes of an open file from `offset`; end_of_file if it has fewer. `sent`, if
    /// given, is set to the bytes that have gone out, also when not all of them have.
    send_file_awaiter send_file(int file, std::uint64_t offset, std::uint64_t count,
                                std::uint64_t* sent = nullptr) noexcept {
        return {home(), native(), file, offset, count, sent};
    }
    /// For code that reads or writes the descriptor by itself (splice).
    simple_awaiter readable() noexcept { return {home(), operation_kind::readable, native()}; }
    simple_awaiter writable() noexcept { return {home(), operation_kind::writable, native()}; }
    /// Cancels and joins what is in flight, then closes.
    simple_awaiter close() noexcept { return {home(), operation_kind::close, owned_.give()}; }

    /// shutdown(2): ends our direction; the peer reads end_of_stream after what was sent.
    result<void> shutdown_send() noexcept;

    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }
    /// For socket options and addresses: see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return owned_.home().borrow(owned_.get()); }
    explicit operator bool() const noexcept { return static_cast<bool>(owned_.get()); }

 private:
    owned_handle owned_;
};

class [[nodiscard]] tcp_stream::connect_awaiter : public operation_awaiter<connect_awaiter> {
 public:
    connect_awaiter(loop& on, const address& peer) noexcept;
    bool await_ready() const noexcept { return static_cast<bool>(error_); }
    result<tcp_stream> await_resume() noexcept;

 private:
    address peer_;
    tcp_stream stream_;
    std::error_code error_;  // no socket could be made
};

inline tcp_stream::connect_awaiter tcp_stream::connect(loop& on, const address& peer) noexcept {
    return {on, peer};
}

}  // namespace naru
