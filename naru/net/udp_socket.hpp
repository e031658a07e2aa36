// A UDP socket in a loop, for coroutines. With handlers: loop/datagram.hpp's operations on its handle.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/owned_handle.hpp>
#include <naru/coro/request.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/os/address.hpp>
#include <naru/os/socket.hpp>
#include <naru/stream/detached.hpp>

#include <string_view>

namespace naru {

/// A datagram that has come.
struct received_datagram {
    mutable_bytes bytes;     ///< the front of the memory that was lent; may be empty
    address peer;            ///< who sent it, and where an answer goes
    bool truncated = false;  ///< it was longer than the memory; the rest is gone
};

/// Move-only; closes at the end of its life. Functions that return a request do nothing until it is
/// awaited. Several may be awaited at a time: those in one direction complete in order.
class udp_socket {
 public:
    [[nodiscard]] static result<udp_socket> bind(loop& on, const address& where,
                                                 const udp_options& options = {}) noexcept;
    /// "127.0.0.1:7777"; port 0 takes a free one, as a client does.
    [[nodiscard]] static result<udp_socket> bind(loop& on, std::string_view where,
                                                 const udp_options& options = {}) noexcept;

    /// A UDP socket from outside, bound already. Its file description may be shared, so its flags stay as
    /// they are. Errors: those of check_adopted and loop::attach; it is closed then.
    [[nodiscard]] static result<udp_socket> adopt(loop& into, unique_descriptor from) noexcept;

    class receive_request;
    class send_request;
    /// result<received_datagram>: one datagram into `memory` (any contiguous bytes), which must stay until
    /// then.
    template <class Memory>
        requires detail::writable_byte_range<Memory>
    receive_request receive_from(Memory&& memory) noexcept;
    /// result<size_t>: one datagram, all of it, or an error (see send_to_operation). The bytes (any that are
    /// contiguous) must stay until then; `to` is copied.
    template <byte_source Source>
    send_request send_to(Source&& source, const address& to) noexcept;
    /// Cancels and joins what is in flight, then closes.
    close_request close() noexcept { return close_request(std::move(owned_)); }

    /// Where it is bound; tells the port that was chosen for port 0.
    [[nodiscard]] result<address> local_address() const noexcept {
        return owned_.home().local_address(owned_.get());
    }
    /// Whom it is connected to, if it came so from outside. Errors: ENOTCONN.
    [[nodiscard]] result<address> peer_address() const noexcept {
        return owned_.home().peer_address(owned_.get());
    }
    /// result<unique_descriptor>: takes it out of its loop, still open. Nothing is received ahead on a
    /// datagram socket.
    bare_release_request release() noexcept { return bare_release_request(std::move(owned_)); }
    loop& home() const noexcept { return owned_.home(); }
    handle native() const noexcept { return owned_.get(); }
    /// For socket options: see borrowed_descriptor.
    borrowed_descriptor borrow() const noexcept { return home().borrow(owned_.get()); }

 private:
    udp_socket(loop& on, handle bound) noexcept : owned_(on, bound) {}
    owned_handle owned_;
};

class [[nodiscard]] udp_socket::receive_request : public request<receive_request> {
 public:
    receive_request(loop& on, handle from, mutable_bytes memory) noexcept
        : home_(&on), from_(from), memory_(memory) {}

    class awaiter : public operation_awaiter<receive_from_operation> {
     public:
        explicit awaiter(receive_request&& of) noexcept : operation_awaiter(*of.home_) {
            set(of.from_, of.memory_);
        }
        [[nodiscard]] naru::result<received_datagram> await_resume() const noexcept;
    };

 private:
    loop* home_;
    handle from_;
    mutable_bytes memory_;
};

class [[nodiscard]] udp_socket::send_request : public request<send_request> {
 public:
    send_request(loop& on, handle via, bytes_view bytes, const address& to) noexcept
        : home_(&on), via_(via), bytes_(bytes), to_(to) {}

    class awaiter : public operation_awaiter<send_to_operation> {
     public:
        explicit awaiter(send_request&& of) noexcept : operation_awaiter(*of.home_), to_(of.to_) {
            set(of.via_, of.bytes_, to_.data(), to_.size());
        }
        [[nodiscard]] naru::result<std::size_t> await_resume() const noexcept { return size_outcome(); }

     private:
        naru::address to_;
    };

 private:
    loop* home_;
    handle via_;
    bytes_view bytes_;
    address to_;
};

template <class Memory>
    requires detail::writable_byte_range<Memory>
udp_socket::receive_request udp_socket::receive_from(Memory&& memory) noexcept {
    static_assert(!detail::owned_bytes<Memory>,
                  "naru: memory to receive into must outlive the receive: pass a name or a span");
    return {owned_.home(), owned_.get(), writable_bytes_of(memory)};
}
template <byte_source Source>
udp_socket::send_request udp_socket::send_to(Source&& source, const address& to) noexcept {
    static_assert(!detail::owned_bytes<Source>, "naru: what is sent must outlive the send: give it a name");
    return {owned_.home(), owned_.get(), bytes_of(source), to};
}

}  // namespace naru
