// A connection of the UNIX domain in a loop, for coroutines. ENOTSUP on Windows.
#pragma once

#include <naru/os/unix_socket.hpp>
#include <naru/stream/byte_stream.hpp>
#include <naru/stream/handle_stream.hpp>

#include <string_view>
#include <utility>

namespace naru {

/// A byte_stream; what it can do stands in handle_stream.hpp.
class unix_stream : public socket_stream {
 public:
    unix_stream() noexcept = default;
    unix_stream(loop& on, handle connection) noexcept : socket_stream(on, connection) {}

    class connect_request;
    /// result<unix_stream>, bound to `from` before, if that is a name. Waits for room in the listener's
    /// queue. Errors: ENOENT, ECONNREFUSED, EACCES, ... and those of making and binding a socket.
    static connect_request connect(loop& on, const unix_address& peer,
                                   const unix_address& from = {}) noexcept;
    /// "/run/service.sock", "@abstract": as unix_address::parse takes it. Errors: also EINVAL, ENAMETOOLONG.
    static connect_request connect(loop& on, std::string_view peer) noexcept;

    /// Two that are connected to each other.
    [[nodiscard]] static result<std::pair<unix_stream, unix_stream>> pair(loop& on) noexcept;

    /// One that has left another loop, or a connected socket from outside: see tcp_stream::adopt.
    [[nodiscard]] static result<unix_stream> adopt(loop& into, detached from) noexcept;
    [[nodiscard]] static result<unix_stream> adopt(loop& into, unique_descriptor from) noexcept;

    /// Without a name for those who have not bound, as clients mostly are. Errors: ENOTCONN, EBADF.
    [[nodiscard]] result<unix_address> peer_address() const noexcept {
        return unix_address::peer_of(borrow().get());
    }
    [[nodiscard]] result<unix_address> local_address() const noexcept {
        return unix_address::local_of(borrow().get());
    }
};

class [[nodiscard]] unix_stream::connect_request : public request<connect_request> {
 public:
    connect_request(loop& on, const result<unix_address>& peer, const unix_address& from) noexcept
        : home_(&on), peer_(peer), from_(from) {}

    /// Makes the socket.
    class awaiter : public operation_awaiter<connect_operation> {
     public:
        explicit awaiter(connect_request&& of) noexcept
            : operation_awaiter(*of.home_), peer_(of.peer_), from_(of.from_) {}
        /// True if no socket could be made.
        bool await_ready() noexcept;
        [[nodiscard]] naru::result<unix_stream> await_resume() noexcept;

     private:
        std::error_code open() noexcept;

        naru::result<unix_address> peer_;
        unix_address from_;
        unix_stream stream_;
        std::error_code refusal_;
    };

 private:
    loop* home_;
    result<unix_address> peer_;
    unix_address from_;
};

inline unix_stream::connect_request unix_stream::connect(loop& on, const unix_address& peer,
                                                         const unix_address& from) noexcept {
    return {on, peer, from};
}
inline unix_stream::connect_request unix_stream::connect(loop& on, std::string_view peer) noexcept {
    return {on, unix_address::parse(peer), unix_address()};
}

}  // namespace naru
