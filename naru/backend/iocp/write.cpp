// Writing: what the socket takes at once, waiting for room, and connecting.
#include <naru/backend/iocp/backend.hpp>

#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>

namespace naru {

iocp_backend::attempt iocp_backend::try_send(std::uint32_t slot, record& of, operation& op,
                                             std::int64_t& result) noexcept {
    if (!of.write_ready) return wait_writable(slot, of, result);
    std::span<slice> left(op.slices, op.count);
    while (true) {
        while (left.size() > 1 && left.front().size == 0)
            left = left.subspan(1);
        const std::uint64_t wanted = total_size(left);
        result = wanted == 0
                     ? 0
                     : system_calls::send(of.descriptor, left, (op.flags & operation_flags::more) != 0);
        if (result == system_calls::would_block) return wait_writable(slot, of, result);
        if (result < 0) return attempt::finished;
        const auto sent = static_cast<std::uint64_t>(result);
        op.progress += sent;
        naru::advance(left, sent);
        if (sent == wanted || (op.flags & operation_flags::some) != 0) {
            result = static_cast<std::int64_t>(op.progress);
            return attempt::finished;
        }
        // More than one call takes, or no more room: others' turn, either way.
        if (left.size() <= limits::slices_per_send) return wait_writable(slot, of, result);
    }
}

iocp_backend::attempt iocp_backend::try_send_file(std::uint32_t slot, record& of, operation& op,
                                                  std::int64_t& result) noexcept {
    auto& transfer = static_cast<send_file_operation&>(op);
    if (!of.write_ready) return wait_writable(slot, of, result);
    std::uint64_t turn = limits::send_file_turn;
    while (transfer.remaining > 0) {
        if (turn == 0) return attempt::paused;
        const std::uint64_t wanted = std::min(transfer.remaining, turn);
        result = system_calls::send_file(of.descriptor, transfer.file, transfer.offset, wanted);
        if (result == system_calls::would_block) return wait_writable(slot, of, result);
        if (result < 0) return attempt::finished;
        transfer.advance(static_cast<std::uint64_t>(result));
        turn -= static_cast<std::uint64_t>(result);
    }
    result = static_cast<std::int64_t>(transfer.progress);
    return attempt::finished;
}

iocp_backend::attempt iocp_backend::try_writable(std::uint32_t slot, record& of,
                                                 std::int64_t& result) noexcept {
    const attempt waited = wait_writable(slot, of, result);
    if (waited != attempt::paused) return waited;
    result = 0;
    return attempt::finished;
}

// `paused`: there is room already, and whoever wants to send goes on in the next tick.
iocp_backend::attempt iocp_backend::wait_writable(std::uint32_t slot, record& of,
                                                  std::int64_t& result) noexcept {
    of.write_ready = false;
    result = associate(of);
    if (result < 0) return attempt::finished;
    iocp_stream_request* const request = lend(iocp_request::kind::wait_writable, slot, of, result);
    if (request == nullptr) return attempt::finished;
    const attempt outcome = began(
        port_.wait_for(of.descriptor, iocp_port::writable_events, *request, of.skips), *request, of, result);
    if (outcome != attempt::finished || result < 0) return outcome;
    of.write_ready = true;
    return attempt::paused;
}

void iocp_backend::on_writable(record& of, operation_queue& done) noexcept {
    of.write_ready = true;  // or it has failed, and the next send says so
    operation* const first = of.writes.front();
    if (first == nullptr || first->kind != operation_kind::writable || of.closer != nullptr) return;
    of.writes.pop();
    complete(*first, 0, done);
}

iocp_backend::attempt iocp_backend::try_connect(std::uint32_t slot, record& of, operation& op,
                                                std::int64_t& result) noexcept {
    result = associate(of);
    if (result < 0) return attempt::finished;
    iocp_stream_request* const request = lend(iocp_request::kind::connect, slot, of, result);
    if (request == nullptr) return attempt::finished;
    const attempt outcome =
        began(port_.connect(of.descriptor, op.address, op.count, *request, of.skips), *request, of, result);
    if (outcome == attempt::finished) result = connected(of, op, result);
    return outcome;
}

// Until SO_UPDATE_CONNECT_CONTEXT shutdown, getpeername and the like do not know that there is a connection.
std::int64_t iocp_backend::connected(record& of, const operation& op, std::int64_t result) noexcept {
    if (result == 0 &&
        setsockopt(windows::socket_of(of.descriptor), SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0) != 0)
        result = windows::last_socket_outcome();
    if (result == 0 && system_calls::is_connected_to_itself(of.descriptor, op.address, op.count)) {
        system_calls::disconnect(of.descriptor);
        result = outcome::from_errno(ECONNREFUSED);
    }
    if (result == 0) of.kind = descriptor_kind::stream;
    of.write_ready = true;  // or the next send says what is wrong
    return result;
}

}  // namespace naru
