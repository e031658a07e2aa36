// A UDP socket in a loop, for coroutines. With handlers: loop/datagram.hpp's operations on its handle.
#pragma once

#include <naru/coro/awaiters.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/net/address.hpp>
#include <naru/net/socket.hpp>

#include <string_view>
#include <utility>

namespace naru {

struct udp_options {
    bool reuse_port = false;  ///< one of several sockets of the port; ENOTSUP on Windows
    bool broadcast = false;   ///< may send to broadcast addresses
    int send_buffer = 0;      ///< bytes; 0: the system's default
    int receive_buffer = 0;   ///< what arrives while it is full is lost

    udp_options() noexcept = default;
};

/// A bound, non-blocking socket, to be attached as descriptor_kind::datagram. Bound to every address, it is
/// for IPv4 and IPv6, and IPv4 peers have their mapped addresses. Errors: EADDRINUSE, EACCES, EADDRNOTAVAIL
/// and the rest of bind(2).
result<unique_descriptor> bind_datagram(const address& where, const udp_options& options = {}) noexcept;

/// A datagram that has come.
struct received_datagram {
    mutable_bytes bytes;     ///< the front of the memory that was lent; may be empty
    address peer;            ///< who sent it, and where an answer goes
    bool truncated = false;  ///< it was longer than the memory; the rest is gone
};

/// Move-only; closes at the end of its life. All functions that return an awaiter do nothing until it is
/// awaited. Several may be awaited at a time: those in one direction complete in order.
class udp_socket {
 public:
    static result<udp_socket> bind(loop& on, const address& where, const udp_options& options = {}) noexcept;
    /// "127.0.0.1:7777"; port 0 takes a free one, as a client does.
    static result<udp_socket> bind(loop& on, std::string_view where,
                                   const udp_options& options = {}) noexcept;

    udp_socket(udp_socket&& other) noexcept
        : loop_(other.loop_), handle_(std::exchange(other.handle_, handle())) {}
    udp_socket& operator=(udp_socket&& other) noexcept {
        std::swap(loop_, other.loop_);
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~udp_socket() {
        if (handle_) loop_->close(handle_);
    }

    class receive_awaiter;
    class send_awaiter;
    /// result<received_datagram>: one datagram into `memory`, which must stay until then.
    receive_awaiter receive_from(mutable_bytes memory) noexcept;
    /// result<size_t>: one datagram, all of it, or an error (see send_to_operation). The bytes must stay
    /// until then; `to` is copied.
    send_awaiter send_to(bytes_view bytes, const address& to) noexcept;
    send_awaiter send_to(std::string_view text, const address& to) noexcept;
    /// Cancels and joins what is in flight, then closes.
    simple_awaiter close() noexcept {
        return {*loop_, operation_kind::close, std::exchange(handle_, handle())};
    }

    /// Where it is bound; tells the port that was chosen for port 0.
    result<address> local_address() const noexcept { return address::local_of(loop_->descriptor(handle_)); }
    loop& home() const noexcept { return *loop_; }
    handle native() const noexcept { return handle_; }
    /// For socket options: see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return loop_->borrow(handle_); }

 private:
    udp_socket(loop& on, handle bound) noexcept : loop_(&on), handle_(bound) {}
    loop* loop_;
    handle handle_;
};

class [[nodiscard]] udp_socket::receive_awaiter
    : public operation_awaiter<receive_awaiter, receive_from_operation> {
 public:
    receive_awaiter(loop& on, handle from, mutable_bytes memory) noexcept : operation_awaiter(on) {
        op_.set(from, memory);
    }
    result<received_datagram> await_resume() const noexcept;
};

class [[nodiscard]] udp_socket::send_awaiter : public operation_awaiter<send_awaiter, send_to_operation> {
 public:
    send_awaiter(loop& on, handle via, bytes_view bytes, const address& to) noexcept
        : operation_awaiter(on), to_(to) {
        op_.set(via, bytes, to_.data(), to_.size());
    }
    result<std::size_t> await_resume() const noexcept { return size_outcome(); }

 private:
    address to_;
};

inline udp_socket::receive_awaiter udp_socket::receive_from(mutable_bytes memory) noexcept {
    return {*loop_, handle_, memory};
}
inline udp_socket::send_awaiter udp_socket::send_to(bytes_view bytes, const address& to) noexcept {
    return {*loop_, handle_, bytes, to};
}
inline udp_socket::send_awaiter udp_socket::send_to(std::string_view text, const address& to) noexcept {
    return {*loop_, handle_, as_bytes(text), to};
}

}  // namespace naru
