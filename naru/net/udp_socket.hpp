// A UDP socket in a loop, for coroutines. With handlers: loop/datagram.hpp's operations on its handle.
#pragma once

#include <naru/coro/awaiters.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/net/address.hpp>
#include <naru/net/owned_handle.hpp>
#include <naru/net/socket.hpp>

#include <string_view>

namespace naru {

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

    class receive_awaiter;
    class send_awaiter;
    /// result<received_datagram>: one datagram into `memory`, which must stay until then.
    receive_awaiter receive_from(mutable_bytes memory) noexcept;
    /// result<size_t>: one datagram, all of it, or an error (see send_to_operation). The bytes must stay
    /// until then; `to` is copied.
    send_awaiter send_to(bytes_view bytes, const address& to) noexcept;
    send_awaiter send_to(std::string_view text, const address& to) noexcept;
    /// Cancels and joins what is in flight, then closes.
    simple_awaiter close() noexcept { return {home(), operation_kind::close, owned_.give()}; }

    /// Where it is bound; tells the port that was chosen for port 0.
    result<address> local_address() const noexcept {
        return address::local_of(owned_.home().descriptor(owned_.get()));
    }
    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }
    /// For socket options: see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return owned_.home().borrow(owned_.get()); }

 private:
    udp_socket(loop& on, handle bound) noexcept : owned_(on, bound) {}
    owned_handle owned_;
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
    return {owned_.home(), owned_.get(), memory};
}
inline udp_socket::send_awaiter udp_socket::send_to(bytes_view bytes, const address& to) noexcept {
    return {owned_.home(), owned_.get(), bytes, to};
}
inline udp_socket::send_awaiter udp_socket::send_to(std::string_view text, const address& to) noexcept {
    return {owned_.home(), owned_.get(), as_bytes(text), to};
}

}  // namespace naru
