// Reading: waiting without a buffer, receiving, and files.
#include <naru/backend/iocp/backend.hpp>

#include <naru/core/push.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/os/windows_files.hpp>

#include <cerrno>
#include <utility>

namespace naru {

attempt iocp_backend::try_recv(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept {
    of.starved = false;
    if (of.kind == descriptor_kind::socket) return wait_for_connection(of, op, result);
    if (of.read_error != 0) {
        result = outcome::from_errno(of.read_error);
        of.read_error = 0;
        return attempt::finished;
    }
    if (!of.read_ready) {
        const bool one_piece = (op.flags & operation_flags::scatter) == 0;
        if (op.kind == operation_kind::recv_into && one_piece) return begin_receive(slot, of, op, result);
        const attempt waited = wait_readable(slot, of, result);
        if (waited != attempt::finished || result < 0) return waited;
        of.read_ready = true;
    }
    return recv_ready(slot, of, op, result);
}

// A read waits for the connect beside it. Where there is none, it may still be submitted in this tick.
attempt iocp_backend::wait_for_connection(const record& of, operation& op, std::int64_t& result) noexcept {
    if (is_connecting(of.writes)) {
        op.backend_bits = 0;
        return attempt::blocked;
    }
    if (std::exchange(op.backend_bits, 1) == 0) return attempt::paused;
    result = outcome::from_errno(ENOTCONN);
    return attempt::finished;
}

// Something is there, most likely.
attempt iocp_backend::recv_ready(std::uint32_t slot, record& of, operation& op,
                                 std::int64_t& result) noexcept {
    const receive_call call = receive_once(of.descriptor, of.kind, op, buffers_);
    if (call.starved) {
        of.starved = true;
        push_or_end(starved_, slot);
        return attempt::blocked;
    }
    result = call.result;
    if (call.is_short) of.read_ready = result == outcome::end_of_stream;  // an end stays readable
    return result == system_calls::would_block ? attempt::paused : attempt::finished;
}

attempt iocp_backend::try_readable(std::uint32_t slot, record& of, operation& op,
                                   std::int64_t& result) noexcept {
    if (of.kind == descriptor_kind::socket) return wait_for_connection(of, op, result);
    if (of.read_error != 0) return attempt::finished;  // a read will tell
    const attempt waited = wait_readable(slot, of, result);
    if (waited == attempt::finished && result > 0) result = 0;
    return waited;
}

// Connections: a WSARecv of no bytes, which completes when there are some, at the end of the stream, or when
// the connection has failed. Of other sockets it would take a datagram, and a listener has nothing to
// receive.
attempt iocp_backend::wait_readable(std::uint32_t slot, record& of, std::int64_t& result) noexcept {
    result = associate(of);
    if (result < 0) return attempt::finished;
    iocp_stream_request* const request = lend(iocp_request::kind::wait_readable, slot, of, result);
    if (request == nullptr) return attempt::finished;
    const iocp_started start =
        of.kind == descriptor_kind::stream
            ? port_.receive(of.descriptor, {}, *request, of.skips)
            : port_.wait_for(of.descriptor, iocp_port::readable_events, *request, of.skips);
    return began(start, *request, of, result);
}

void iocp_backend::on_readable(const iocp_request& request, record& of, operation_queue& done) noexcept {
    const int error = windows::errno_of_status(request.status());
    if (error == ECANCELED) return;
    // The kernel may tell of a reset once only. A datagram socket goes on, and its next receive tells.
    of.read_error = of.kind == descriptor_kind::datagram ? 0 : error;
    of.read_ready = true;
    operation* const first = of.reads.front();
    if (first == nullptr || first->kind != operation_kind::readable || of.closer != nullptr) return;
    of.reads.pop();
    of.read_ready = false;  // whoever asked reads by itself
    complete(*first, 0, done);
}

attempt iocp_backend::begin_receive(std::uint32_t slot, record& of, operation& op,
                                    std::int64_t& result) noexcept {
    result = associate(of);
    if (result < 0) return attempt::finished;
    iocp_stream_request* const request = lend(iocp_request::kind::receive, slot, of, result);
    if (request == nullptr) return attempt::finished;
    const iocp_started start = port_.receive(of.descriptor, {op.data, op.count}, *request, of.skips);
    const attempt outcome = began(start, *request, of, result);
    if (outcome == attempt::finished && result == 0) result = outcome::end_of_stream;
    return outcome;
}

// A receive into lent memory, or a read of a file: its operation is at the head of the queue.
void iocp_backend::on_read(const iocp_request& request, record& of, operation_queue& done) noexcept {
    operation* const op = of.reads.pop();
    std::int64_t result = static_cast<std::int64_t>(request.bytes());
    const int error = windows::errno_of_status(request.status());
    if (error != 0) {
        result = outcome::from_errno(error);
    } else if (op->kind == operation_kind::recv_into) {
        if (result == 0) result = outcome::end_of_stream;
        of.read_ready = result == static_cast<std::int64_t>(op->count) || result < 0;
    }
    constexpr auto end_of_file = static_cast<NTSTATUS>(0xC0000011);
    if (op->kind == operation_kind::read_file && request.status() == end_of_file) result = 0;
    complete(*op, result, done);
}

attempt iocp_backend::try_file(std::uint32_t slot, record& of, operation& op, std::int64_t& result) noexcept {
    if (op.kind == operation_kind::open_file) {
        const auto& open = static_cast<const open_file_operation&>(op);
        result = windows::open_file(open.directory.get(), open.path, open.open_flags, open.mode,
                                    windows::io::overlapped);
        if (result < 0) return attempt::finished;
        if (of.descriptor >= 0) system_calls::close(of.descriptor);  // opened twice
        of.descriptor = static_cast<int>(result);
        of.associated = false;
        result = 0;
        return attempt::finished;
    }
    const auto& read = static_cast<const read_file_operation&>(op);
    result = of.descriptor < 0 ? outcome::from_errno(EBADF) : associate(of);
    if (result < 0) return attempt::finished;
    iocp_stream_request* const request = lend(iocp_request::kind::read_file, slot, of, result);
    if (request == nullptr) return attempt::finished;
    const iocp_started start =
        port_.read_file(of.descriptor, {read.data, read.count}, read.offset, *request, of.skips);
    return began(start, *request, of, result);
}

}  // namespace naru
