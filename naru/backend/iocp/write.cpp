// Writing: what the socket takes at once, waiting for room, and connecting.
#include <naru/backend/iocp/backend.hpp>

#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>

namespace naru {

attempt iocp_backend::try_send(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept {
    if (!of.write_ready) return wait_writable(slot, of, result);
    while (true) {
        const send_call call = send_once(of.descriptor, of.kind, op);
        result = call.result;
        if (call.ended) return attempt::finished;
        // More than one call takes, or no more room: others' turn, either way.
        if (result == system_calls::would_block || call.in_one) return wait_writable(slot, of, result);
    }
}

attempt iocp_backend::try_send_file(std::uint32_t slot, record& of, operation& op,
                                    std::int64_t& result) noexcept {
    if (!of.write_ready) return wait_writable(slot, of, result);
    const attempt outcome =
        send_file_turn(of.descriptor, static_cast<send_file_operation&>(op), limits::send_file_turn, result);
    return outcome == attempt::blocked ? wait_writable(slot, of, result) : outcome;
}

attempt iocp_backend::try_writable(std::uint32_t slot, record& of, std::int64_t& result) noexcept {
    const attempt waited = wait_writable(slot, of, result);
    if (waited != attempt::paused) return waited;
    result = 0;
    return attempt::finished;
}

// `paused`: there is room already, and whoever wants to send goes on in the next tick.
attempt iocp_backend::wait_writable(std::uint32_t slot, record& of, std::int64_t& result) noexcept {
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

attempt iocp_backend::try_connect(std::uint32_t slot, record& of, operation& op,
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
    if (result == 0) result = refuse_itself(of.descriptor, op);
    if (result == 0) of.kind = descriptor_kind::stream;
    of.write_ready = true;  // or the next send says what is wrong
    return result;
}

}  // namespace naru
