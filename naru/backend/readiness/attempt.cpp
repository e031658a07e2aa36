// What an operation tries when its direction is ready: one call, and what its answer says of the descriptor.
#include <naru/backend/datagram_call.hpp>
#include <naru/backend/readiness/backend.hpp>

#include <naru/backend/connection_failure.hpp>
#include <naru/core/push.hpp>
#include <naru/loop/datagram.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <cerrno>

namespace naru {

namespace {

// operation::backend_bits of a connect
constexpr std::uint8_t connecting = 1;
constexpr std::uint8_t knocking = 2;  // the listener's queue was full: tried again by the clock

constexpr duration first_pause = std::chrono::milliseconds(limits::connect_pause_milliseconds);
constexpr duration longest_pause = first_pause * (1 << (limits::connect_pauses - 1));

}  // namespace

attempt readiness_backend::try_now(std::uint32_t slot, record& of, operation& op,
                                   std::int64_t& result) noexcept {
    switch (op.kind) {
        case operation_kind::accept:
            return of.read_ready ? try_accept(of, result) : attempt::blocked;
        case operation_kind::recv:
        case operation_kind::recv_into: {
            if (!can_read(of)) return attempt::blocked;
            const attempt outcome = try_recv(of, op, result);
            if (of.starved && !of.in_starved) {
                of.in_starved = true;
                starved_.push_back(slot);
            }
            return outcome;
        }
        case operation_kind::readable:
            if (!can_read(of)) return attempt::blocked;
            of.read_ready = of.hangup;  // used up; an end of stream stays readable
            of.retell = true;
            result = 0;
            return attempt::finished;
        case operation_kind::writable:
            if (!of.write_ready) return attempt::blocked;
            of.write_ready = false;
            of.retell = true;
            result = 0;
            return attempt::finished;
        case operation_kind::connect:
            return try_connect(of, op, result);
        case operation_kind::send: {
            const auto whole = [&op] { return total_size(std::span<const slice>(op.slices, op.count)); };
            // One that has nothing to send needs no room.
            if (!of.write_ready && whole() != 0) return attempt::blocked;
            if (bytes_left_ == 0 && whole() > limits::buffer_bytes) return pause(slot, of);
            return try_send(of, op, result);
        }
        case operation_kind::send_file: {
            if (!of.write_ready) return attempt::blocked;
            const attempt outcome = try_send_file(of, op, result);
            return outcome == attempt::paused ? pause(slot, of) : outcome;
        }
        case operation_kind::receive_from:
            return of.read_ready ? try_receive_from(of, op, result) : attempt::blocked;
        case operation_kind::send_to:
            return of.write_ready ? try_send_to(of, op, result) : attempt::blocked;
        case operation_kind::shutdown:
            result = system_calls::shutdown_send(of.descriptor);
            return attempt::finished;
        default:  // the loop's (file_operation.hpp, worker_pool.hpp)
            break;
    }
    result = outcome::from_errno(EINVAL);
    return attempt::finished;
}

// The rest is the next tick's.
attempt readiness_backend::pause(std::uint32_t slot, record& of) noexcept {
    if (!of.paused) paused_.push_back(slot);
    of.paused = true;
    return attempt::paused;
}

attempt readiness_backend::try_accept(record& of, std::int64_t& result) noexcept {
    result = system_calls::accept(of.descriptor);
    if (result == system_calls::would_block) {
        of.read_ready = false;
        return attempt::blocked;
    }
    if (result >= 0) {
        const auto attached = attach(static_cast<int>(result), descriptor_kind::stream, ownership::own);
        result = attached ? attached->pack() : outcome::from(attached.error());
        if (!attached) return attempt::finished;
        record& fresh = records_.at(attached->slot);
        fresh.is_tcp = counts_tell(of);
        fresh.kind_known = true;
        if (guess_readable()) fresh.read_ready = fresh.guessed = true;
    }
    return attempt::finished;
}

attempt readiness_backend::try_recv(record& of, operation& op, std::int64_t& result) noexcept {
    const receive_call call = receive_once(of.descriptor, of.kind, op, buffers_);
    of.starved = call.starved;
    if (call.starved) return attempt::blocked;
    result = call.result;
    if (of.guessed) {
        of.guessed = false;
        guess_score_ = result == system_calls::would_block ? std::max(guess_score_ - 1, 0)
                                                           : std::min(guess_score_ + 1, score_max);
    }
    if (result == system_calls::would_block) {
        of.read_ready = of.urgent = false;
        return attempt::blocked;
    }
    if (result == outcome::end_of_stream) {
        result = end_of(of.failed && !of.ended);
        of.ended = of.ended || !of.failed;
    }
    if (result > 0 && call.is_short && !of.hangup && !of.urgent && counts_tell(of)) of.read_ready = false;
    return attempt::finished;
}

// Whether a count below what was asked for says that there is no more, or no more room, and the next report
// comes when that changes: true of TCP (tcp(7): a stream without borders; urgent data is looked for apart).
// Asked once, of the socket or of the listener that it comes from, when it is first of use.
bool readiness_backend::counts_tell(record& of) noexcept {
    if (!of.kind_known) {
        of.kind_known = true;
        of.is_tcp = system_calls::is_tcp(of.descriptor);
    }
    return of.is_tcp;
}

attempt readiness_backend::try_send(record& of, operation& op, std::int64_t& result) noexcept {
    while (true) {
        const send_call call = send_once(of.descriptor, of.kind, op);
        result = call.result;
        if (call.sent > limits::buffer_bytes) bytes_left_ -= std::min(bytes_left_, call.sent);
        if (call.ended) return attempt::finished;
        // The send buffer is full, or the next call would say so.
        if (result == system_calls::would_block || (call.is_short && counts_tell(of))) {
            of.write_ready = false;
            return attempt::blocked;
        }
    }
}

attempt readiness_backend::try_send_file(record& of, operation& op, std::int64_t& result) noexcept {
    auto& transfer = static_cast<send_file_operation&>(op);
    const std::uint64_t before = transfer.progress;
    // sendfile(2) waits on a descriptor in blocking mode, and has no flag against it.
    const attempt outcome =
        send_file_turn(of.descriptor, transfer, bytes_left_ > 0 ? limits::send_file_turn : 0, result,
                       of.blocking ? system_calls::send_file_by_copy : system_calls::send_file);
    bytes_left_ -= std::min(bytes_left_, transfer.progress - before);
    if (outcome == attempt::blocked) of.write_ready = false;
    return outcome;
}

attempt readiness_backend::try_receive_from(record& of, operation& op, std::int64_t& result) noexcept {
    result = receive_datagram(of.descriptor, static_cast<receive_from_operation&>(op));
    of.read_ready = result != system_calls::would_block;
    return of.read_ready ? attempt::finished : attempt::blocked;
}

attempt readiness_backend::try_send_to(record& of, operation& op, std::int64_t& result) noexcept {
    result = send_datagram(of.descriptor, static_cast<const send_to_operation&>(op));
    of.write_ready = result != system_calls::would_block;
    return of.write_ready ? attempt::finished : attempt::blocked;
}

attempt readiness_backend::try_connect(record& of, operation& op, std::int64_t& result) noexcept {
    if (op.backend_bits == knocking) return attempt::blocked;
    if (op.backend_bits == 0) {
        result = system_calls::connect(of.descriptor, op.address, op.count);
        // The end of one that was refused before, which Linux tells the next: the socket is free from here
        // on.
        if (result == -ECONNABORTED) result = system_calls::connect(of.descriptor, op.address, op.count);
        if (result == system_calls::would_block) {
            op.backend_bits = knocking;
            if (knocking_.empty()) next_knock_ = saturating_add(clock::now(), knock_pause_ = first_pause);
            push_or_end(knocking_, op.target);
            return attempt::blocked;
        }
        if (result == -EINPROGRESS) {
            op.backend_bits = connecting;
            // What has been reported so far was said of a socket that was not connecting. A read that was
            // tried because of it could take the error that is the connect's.
            of.read_ready = of.write_ready = of.hangup = false;
            return attempt::blocked;
        }
    } else {
        if (!of.write_ready) return attempt::blocked;
        result = system_calls::socket_error(of.descriptor);
    }
    if (result == 0) result = refuse_itself(of.descriptor, op);
    if (result == 0) {
        of.kind = descriptor_kind::stream;
        of.failed = false;  // as one before it had
        of.write_ready = true;
        of.hangup = of.hangup && op.backend_bits != 0;
    }
    return attempt::finished;
}

bool readiness_backend::is_knocking(const record& of) noexcept {
    return is_connecting(of.writes) && of.writes.front()->backend_bits == knocking;
}

// Connects whose listener's queue was full (AF_UNIX): no poller reports room in it.
void readiness_backend::knock_again(operation_queue& done) noexcept {
    if (knocking_.empty() || clock::now() < next_knock_) return;
    resumed_.swap(knocking_);
    for (const handle each : resumed_) {
        record* const found = records_.find(each);
        if (found == nullptr || !is_knocking(*found)) continue;
        found->writes.front()->backend_bits = 0;
        advance(each.slot, direction::write, done);
    }
    const bool some_got_in = knocking_.size() < resumed_.size();
    resumed_.clear();
    knock_pause_ = some_got_in ? first_pause : std::min(2 * knock_pause_, longest_pause);
    next_knock_ = saturating_add(clock::now(), knock_pause_);
}

}  // namespace naru
