// A TCP connection in a loop, for coroutines.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/operations.hpp>
#include <naru/coro/owned_handle.hpp>
#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>

#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace naru {

/// How to connect.
struct connect_options {
    bool no_delay = true;  ///< TCP_NODELAY, as accepted connections have it: small sends go out at once
    std::optional<address> from;  ///< the local address; with port 0 any port of it

    connect_options() noexcept = default;
    explicit connect_options(const address& local) noexcept : from(local) {}
};

/// Move-only; closes its connection at the end of its life. Functions that return a request do nothing until
/// it is awaited. One operation per direction at a time, or several: they complete in order.
class tcp_stream {
 public:
    tcp_stream() noexcept = default;
    tcp_stream(loop& on, handle connection) noexcept : owned_(on, connection) {}

    class connect_request;
    /// result<tcp_stream>. Errors: ECONNREFUSED, ... and those of making and binding a socket.
    static connect_request connect(loop& on, const address& peer, const connect_options& how = {}) noexcept;
    /// "127.0.0.1:8080", "[::1]:8080": numbers only, as address::parse takes it. Errors: also EINVAL.
    static connect_request connect(loop& on, std::string_view peer, const connect_options& how = {}) noexcept;

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

    /// result<size_t>: all of it, or an error (EPIPE, ECONNRESET, ...). Bytes that have a name are lent until
    /// then; a temporary that owns its bytes is kept in the request.
    template <byte_source Source>
    auto send(Source&& source) noexcept {
        if constexpr (detail::owned_bytes<Source>) {
            return send_owned_request<std::remove_cvref_t<Source>>(home(), native(),
                                                                   std::forward<Source>(source));
        } else {
            return send_request(home(), native(), bytes_of(source));
        }
    }
    /// Several pieces as one; the slices themselves are lent, too, and modified.
    send_slices_request send(std::span<slice> pieces) noexcept { return {home(), native(), pieces}; }
    /// result<size_t>: `count` bytes of an open file from `offset`; end_of_file if it has fewer. `sent`, if
    /// given, is set to the bytes that have gone out, also when not all of them have.
    send_file_request send_file(int file, std::uint64_t offset, std::uint64_t count,
                                std::uint64_t* sent = nullptr) noexcept {
        return {home(), native(), file, offset, count, sent};
    }
    /// For code that reads or writes the descriptor by itself (splice).
    ready_request readable() noexcept { return {home(), operation_kind::readable, native()}; }
    ready_request writable() noexcept { return {home(), operation_kind::writable, native()}; }
    /// Cancels and joins what is in flight, then closes.
    close_request close() noexcept { return close_request(std::move(owned_)); }
    class release_request;
    /// result<unique_descriptor>: takes the connection out of its loop, still open, to be attached to
    /// another. What is in flight is cancelled. What io_uring received ahead is lost: release before
    /// receiving.
    release_request release() noexcept;

    /// shutdown(2): ends our direction; the peer reads end_of_stream after what was sent.
    [[nodiscard]] result<void> shutdown_send() noexcept;

    /// Errors: ENOTCONN, EBADF.
    [[nodiscard]] result<address> peer_address() const noexcept { return home().peer_address(native()); }
    [[nodiscard]] result<address> local_address() const noexcept { return home().local_address(native()); }

    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }
    /// For socket options: see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return home().borrow(owned_.get()); }
    explicit operator bool() const noexcept { return static_cast<bool>(owned_.get()); }

 private:
    owned_handle owned_;
};

class [[nodiscard]] tcp_stream::connect_request : public request<connect_request> {
 public:
    connect_request(loop& on, const result<address>& peer, const connect_options& how) noexcept
        : home_(&on), peer_(peer), how_(how) {}

    /// Makes the socket.
    class awaiter : public operation_awaiter<> {
     public:
        explicit awaiter(connect_request&& of) noexcept
            : operation_awaiter(*of.home_, operation_kind::connect), peer_(of.peer_), how_(of.how_) {}
        /// True if no socket could be made.
        bool await_ready() noexcept;
        [[nodiscard]] naru::result<tcp_stream> await_resume() noexcept;

     private:
        std::error_code open() noexcept;

        naru::result<naru::address> peer_;
        connect_options how_;
        tcp_stream stream_;
        std::error_code refusal_;
    };

 private:
    loop* home_;
    result<address> peer_;
    connect_options how_;
};

class [[nodiscard]] tcp_stream::release_request : public request<release_request> {
 public:
    explicit release_request(owned_handle leaving) noexcept : leaving_(std::move(leaving)) {}

    class awaiter : public operation_awaiter<>, public detail::begins<awaiter> {
     public:
        explicit awaiter(release_request&& of) noexcept
            : operation_awaiter(of.leaving_.home(), operation_kind::release),
              leaving_(std::move(of.leaving_)) {}
        using detail::begins<awaiter>::await_suspend;
        void begin(std::coroutine_handle<> waiting, stop_scope& in) noexcept {
            target = leaving_.give();
            begin_unstoppable(waiting, in);
        }
        [[nodiscard]] naru::result<unique_descriptor> await_resume() const noexcept {
            if (failed()) return fail(error());
            return unique_descriptor(static_cast<int>(operation::result));
        }

     private:
        owned_handle leaving_;
    };

 private:
    owned_handle leaving_;
};

inline tcp_stream::connect_request tcp_stream::connect(loop& on, const address& peer,
                                                       const connect_options& how) noexcept {
    return {on, peer, how};
}
inline tcp_stream::connect_request tcp_stream::connect(loop& on, std::string_view peer,
                                                       const connect_options& how) noexcept {
    return {on, address::parse(peer), how};
}
inline tcp_stream::release_request tcp_stream::release() noexcept {
    return release_request(std::move(owned_));
}

}  // namespace naru
