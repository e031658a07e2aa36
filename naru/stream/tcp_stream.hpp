// A TCP connection in a loop, for coroutines.
#pragma once

#include <naru/os/address.hpp>
#include <naru/stream/byte_stream.hpp>
#include <naru/stream/handle_stream.hpp>

#include <optional>
#include <string_view>

namespace naru {

/// How to connect.
struct connect_options {
    bool no_delay = true;  ///< TCP_NODELAY, as accepted connections have it: small sends go out at once
    std::optional<address> from;  ///< the local address; with port 0 any port of it

    connect_options() noexcept = default;
    explicit connect_options(const address& local) noexcept : from(local) {}
};

/// A byte_stream (byte_stream.hpp); what it can do stands in handle_stream.hpp.
class tcp_stream : public socket_stream {
 public:
    tcp_stream() noexcept = default;
    tcp_stream(loop& on, handle connection) noexcept : socket_stream(on, connection) {}

    class connect_request;
    /// result<tcp_stream>. Errors: ECONNREFUSED, ... and those of making and binding a socket.
    static connect_request connect(loop& on, const address& peer, const connect_options& how = {}) noexcept;
    /// "127.0.0.1:8080", "[::1]:8080": numbers only, as address::parse takes it. Errors: also EINVAL.
    static connect_request connect(loop& on, std::string_view peer, const connect_options& how = {}) noexcept;

    /// One that has left another loop: delivers first what that had received ahead. Errors: those of
    /// check_adopted and loop::attach; it is closed then.
    [[nodiscard]] static result<tcp_stream> adopt(loop& into, detached from) noexcept;
    /// A connected TCP socket from outside: inherited, received, or made by other code. Its file description
    /// may be shared, so its flags stay as they are. Errors: the same.
    [[nodiscard]] static result<tcp_stream> adopt(loop& into, unique_descriptor from) noexcept;

    /// Errors: ENOTCONN, EBADF.
    [[nodiscard]] result<address> peer_address() const noexcept { return home().peer_address(native()); }
    [[nodiscard]] result<address> local_address() const noexcept { return home().local_address(native()); }
};

class [[nodiscard]] tcp_stream::connect_request : public request<connect_request> {
 public:
    connect_request(loop& on, const result<address>& peer, const connect_options& how) noexcept
        : home_(&on), peer_(peer), how_(how) {}

    /// Makes the socket.
    class awaiter : public operation_awaiter<connect_operation> {
     public:
        explicit awaiter(connect_request&& of) noexcept
            : operation_awaiter(*of.home_), peer_(of.peer_), how_(of.how_) {}
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

inline tcp_stream::connect_request tcp_stream::connect(loop& on, const address& peer,
                                                       const connect_options& how) noexcept {
    return {on, peer, how};
}
inline tcp_stream::connect_request tcp_stream::connect(loop& on, std::string_view peer,
                                                       const connect_options& how) noexcept {
    return {on, address::parse(peer), how};
}

}  // namespace naru
