// Operations on datagram sockets (descriptor_kind::datagram). A datagram is whole or not at all: rule 8 of
// the contract in operation.hpp.
#pragma once

#include <naru/loop/operation.hpp>

#include <array>

namespace naru {

/// Receives one datagram. Many may be pending on a socket: each takes one, in the order of submission.
struct receive_from_operation : operation {
    explicit receive_from_operation(handler on_completion) noexcept
        : operation(operation_kind::receive_from, on_completion) {}

    /// `into` is lent. No UDP datagram is longer than 65,527 bytes (65,507 over IPv4).
    void set(handle from, mutable_bytes into) noexcept {
        target = from;
        data = into.data();
        count = one_call(into);
    }

    // Of the datagram, when `result` is not negative:
    bool truncated = false;       ///< it was longer than the memory; the rest is gone
    std::uint32_t peer_size = 0;  ///< bytes of `peer`; 0: the sender has no address (UNIX domain)
    alignas(8) std::array<std::byte, 128> peer;          ///< who sent it: a sockaddr_storage
    alignas(8) std::array<std::byte, 72> backend_space;  ///< the backend's, opaque above it
};

/// Sends one datagram: all of it or, with an error, nothing. Errors: EMSGSIZE (larger than the protocol
/// carries, or in more slices than the system takes, which are at least limits::slices_per_send), EACCES (a
/// broadcast that udp_options does not allow), ECONNREFUSED (of an earlier datagram: rule 8), ENETUNREACH and
/// the rest of sendto(2). Success says that it left, not that it arrived. A UNIX-domain socket has to be
/// connected: the system does not tell when another's queue has room again.
struct send_to_operation : operation {
    explicit send_to_operation(handler on_completion) noexcept
        : operation(operation_kind::send_to, on_completion) {}

    /// The bytes are lent, and so is `to_address`, a sockaddr of `address_size` bytes in the socket's family.
    /// Without one it goes to whom the socket is connected to.
    void set(handle via, bytes_view bytes, const void* to_address, std::uint32_t address_size) noexcept {
        own_ = slice(bytes);
        set(via, &own_, 1, to_address, address_size);
    }
    /// Several pieces make one datagram. The slices are lent with the bytes they name, and not modified.
    void set(handle via, slice* pieces, std::uint32_t pieces_count, const void* to_address,
             std::uint32_t address_size) noexcept {
        target = via;
        slices = pieces;
        count = pieces_count;
        peer = to_address;
        peer_size = address_size;
    }

    const void* peer = nullptr;
    std::uint32_t peer_size = 0;

 private:
    slice own_;
};

}  // namespace naru
