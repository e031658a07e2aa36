// What each operation tries: the network's call, and what it means for the operation.
#include <naru/sim/backend.hpp>

#include <naru/loop/datagram.hpp>
#include <naru/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace naru::sim {

namespace {

// What of a file begins at `offset`.
std::string_view part_of(const std::string& content, std::uint64_t offset, std::uint64_t count) noexcept {
    const std::string_view all = content;
    if (offset >= all.size()) return {};
    return all.substr(offset, std::min<std::uint64_t>(count, all.size() - offset));
}

}  // namespace

std::int64_t backend::try_now(record& of, operation& op) noexcept {
    if (of.what->dead && op.kind != operation_kind::connect && of.what->kind != socket_kind::stream)
        return outcome::from_errno(of.what->kind == socket_kind::listener ? EBADF : ENETDOWN);
    switch (op.kind) {
        case operation_kind::accept:
            return try_accept(of, op);
        case operation_kind::recv:
        case operation_kind::recv_into:
            return try_receive(of, op);
        case operation_kind::readable:
            if (of.kind == descriptor_kind::socket) return would_block;
            return network::is_readable(*of.what) ? 0 : would_block;
        case operation_kind::writable:
            return network::is_writable(*of.what) ? 0 : would_block;
        case operation_kind::connect:
            return try_connect(of, op);
        case operation_kind::send:
            return try_send(of, op);
        case operation_kind::shutdown:
            return world_.net().shut_down(*of.what);
        case operation_kind::send_file:
            return try_send_file(of, op);
        case operation_kind::receive_from:
            return try_receive_from(of, op);
        case operation_kind::send_to:
            return try_send_to(of, op);
        default:
            return outcome::from_errno(EINVAL);
    }
}

std::int64_t backend::try_accept(record& of, const operation& op) noexcept {
    if (!of.ahead.empty()) {
        const handle first = of.ahead.front();
        of.ahead.pop_front();
        return first.pack();
    }
    socket_ref made;
    const std::int64_t result = world_.net().accept(of.what, made);
    if (result < 0) return result;
    const auto attached = take(std::move(made), descriptor_kind::stream);
    if (!attached) return outcome::from(attached.error());
    if ((op.flags & operation_flags::more) != 0) accept_ahead(of);
    return attached->pack();
}

// Those who are in the queue, as a multishot accept takes them before anybody asks.
void backend::accept_ahead(record& of) noexcept {
    while (of.ahead.size() < limits::accepts_ahead && !of.what->queue.empty() &&
           is_late(fault::accepted_ahead)) {
        socket_ref made;
        if (world_.net().accept(of.what, made) < 0) return;
        const auto attached = take(std::move(made), descriptor_kind::stream);
        if (attached) of.ahead.push_back(*attached);
    }
}

std::int64_t backend::try_receive(record& of, operation& op) noexcept {
    of.starved = false;
    if (of.kind == descriptor_kind::socket || !network::is_readable(*of.what)) return would_block;
    if (op.kind == operation_kind::recv_into) {
        mutable_slice one;
        std::int64_t received = 0;
        for (const mutable_slice& piece : pieces_of(op, one)) {
            if (piece.size == 0) continue;
            if (received > 0 && !network::is_readable(*of.what)) break;
            const std::int64_t result = world_.net().receive(*of.what, {piece.data, piece.size});
            if (result < 0 && received == 0) return result;
            if (result <= 0) break;
            received += result;
            if (static_cast<std::size_t>(result) < piece.size) break;
        }
        return received;
    }
    std::byte* const leased = buffers_.acquire();
    if (leased == nullptr) {
        of.starved = true;
        return would_block;
    }
    const std::int64_t result = world_.net().receive(*of.what, {leased, limits::buffer_bytes});
    if (result > 0) {
        op.data = leased;
    } else {
        buffers_.release(leased);
    }
    return result;
}

std::int64_t backend::try_connect(record& of, operation& op) noexcept {
    std::int64_t result = 0;
    if (op.backend_bits == 0) {
        op.backend_bits = 1;
        const auto to = address::of(op.address, op.count);
        if (!to) return outcome::from(to.error());
        result = world_.net().connect(of.what, *to);
        if (result == outcome::from_errno(EINPROGRESS)) return would_block;
    } else {
        if (of.what->state == connection::connecting) return would_block;
        result = of.what->connect_outcome;
    }
    if (result == 0) of.kind = descriptor_kind::stream;
    return result;
}

std::int64_t backend::try_send(record& of, operation& op) noexcept {
    while (true) {
        const std::span<slice> left(op.slices, op.count);
        const std::uint64_t wanted = total_size(left);
        if (wanted == 0) return static_cast<std::int64_t>(op.progress);
        const std::int64_t result = world_.net().send(*of.what, left);
        if (result < 0) return result;
        op.progress += static_cast<std::uint64_t>(result);
        naru::advance(left, static_cast<std::size_t>(result));
        if ((op.flags & operation_flags::some) != 0) return static_cast<std::int64_t>(op.progress);
    }
}

std::int64_t backend::try_send_file(record& of, operation& op) noexcept {
    auto& transfer = static_cast<send_file_operation&>(op);
    const socket_ref file = world_.find(transfer.file.get());
    if (file == nullptr || file->content == nullptr) return outcome::from_errno(EBADF);
    while (transfer.remaining > 0) {
        const std::string_view part = part_of(file->content->bytes, transfer.offset, transfer.remaining);
        if (part.empty()) return outcome::end_of_file;
        const slice piece(part);
        const std::int64_t result = world_.net().send(*of.what, {&piece, 1});
        if (result < 0) return result;
        transfer.advance(static_cast<std::uint64_t>(result));
    }
    return static_cast<std::int64_t>(transfer.progress);
}

std::int64_t backend::try_receive_from(record& of, operation& op) noexcept {
    auto& receive = static_cast<receive_from_operation&>(op);
    datagram got;
    const std::int64_t result = world_.net().receive_from(*of.what, got);
    if (result < 0) return result;
    const std::size_t count = std::min<std::size_t>(got.bytes.size(), receive.count);
    if (count > 0) std::memcpy(receive.data, got.bytes.data(), count);
    receive.truncated = count < got.bytes.size();
    receive.peer_size = got.has_sender ? got.from.size() : 0;
    if (got.has_sender) std::memcpy(receive.peer.data(), got.from.data(), got.from.size());
    return static_cast<std::int64_t>(count);
}

std::int64_t backend::try_send_to(record& of, operation& op) noexcept {
    const auto& send = static_cast<const send_to_operation&>(op);
    const std::span<const slice> pieces(send.slices, send.count);
    if (send.peer == nullptr) return world_.net().send_to(of.what, pieces, nullptr);
    const auto to = address::of(send.peer, send.peer_size);
    if (!to) return outcome::from(to.error());
    return world_.net().send_to(of.what, pieces, &*to);
}

}  // namespace naru::sim
