// Connecting, and what reads on a socket that is not connected yet.
#include <naru/backend/attempt.hpp>
#include <naru/backend/uring/backend.hpp>
#include <naru/core/limits.hpp>
#include <naru/os/system_calls.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

#include <linux/time_types.h>
#include <poll.h>

namespace naru {

namespace {

// The kernel may look at them at any time (SQPOLL), so they live as long as the program.
constexpr auto pauses = [] {
    std::array<__kernel_timespec, limits::connect_pauses> each{};
    unsigned milliseconds = limits::connect_pause_milliseconds;
    for (__kernel_timespec& pause : each) {
        pause.tv_nsec = milliseconds * 1'000'000LL;
        milliseconds *= 2;
    }
    return each;
}();
static_assert(pauses.size() <= uring::put_off_mask, "they are counted in so many bits");

}  // namespace

void uring_backend::put_connect(record& of, operation& op) noexcept {
    io_uring_sqe& submission = entry_for(op, of, IORING_OP_CONNECT);
    submission.addr = reinterpret_cast<std::uint64_t>(op.address);
    submission.off = op.count;
}

// `result` is that of the connect, or of what it has waited by. False if it goes on.
bool uring_backend::on_connect(record& of, operation& op, std::int64_t& result) noexcept {
    const bool watched = uring::connecting_of(op) == uring::connecting::watching;
    const bool paused = uring::connecting_of(op) == uring::connecting::pausing;
    if (watched || paused) uring::to(op, uring::connecting::asking);
    const bool waited = (watched && result > 0) || (paused && result == -ETIME);
    // EAGAIN: the queue of a Unix listener is full. EINTR: a worker thread of the kernel waited for room in
    // it (a descriptor in blocking mode), and was told not to.
    const bool full = result == -EAGAIN || result == -EINTR;
    const bool begun = result == -EINPROGRESS;
    // The end of one that was refused before, which some kernels tell the next: the socket is free from here
    // on.
    const bool old = result == -ECONNABORTED && uring::put_off_count_of(op) == 0;
    if (!waited && !full && !begun && !old) {
        // The number of one that is being closed may be somebody else's already.
        if (result == 0 && !of.closing()) result = refuse_itself(of, op);
        if (result == 0) {
            of.kind = descriptor_kind::stream;
            of.failed = false;  // as one before it had
        }
        return true;
    }
    if (op.state == operation_state::canceling) {
        result = outcome::canceled;
        return true;
    }
    if (old) op.backend_bits += uring::one_counted;
    if (waited || old) {
        put_connect(of, op);
    } else if (full) {
        uring::to(op, uring::connecting::pausing);
        const std::size_t tried = uring::put_off_count_of(op);
        const auto& pause = pauses[std::min(tried, pauses.size() - 1)];
        if (tried < pauses.size()) op.backend_bits += uring::one_counted;
        io_uring_sqe& submission = entry_for(op, of, IORING_OP_TIMEOUT);
        submission.fd = -1;
        submission.flags = 0;
        submission.addr = reinterpret_cast<std::uint64_t>(&pause);
        submission.len = 1;
    } else {
        uring::to(op, uring::connecting::watching);
        io_uring_sqe& submission = entry_for(op, of, IORING_OP_POLL_ADD);
        submission.poll32_events = POLLOUT;
    }
    return false;
}

// A connect that has succeeded: 0, or ECONNREFUSED if it is to ourselves.
std::int64_t uring_backend::refuse_itself(const record& of, const operation& op) noexcept {
    const int socket = of.direct ? install(of.descriptor) : of.descriptor;
    if (socket < 0) return 0;
    const std::int64_t result = naru::refuse_itself(socket, op);
    if (of.direct) system_calls::close(socket);
    return result;
}

// A read beside a connect stays here: in the kernel it could take the error that is the connect's. One that
// comes before it is not refused yet: its connect may be the next in the same batch, or come from the handler
// of one that has failed. So what is submitted in its place does nothing, and comes back when all of them
// have been.
void uring_backend::put_unconnected(record& of, operation& op) noexcept {
    io_uring_sqe& submission = entry_for(op, of, IORING_OP_NOP, uring::place::unconnected);
    submission.fd = -1;
    submission.flags = 0;
}

void uring_backend::on_unconnected(std::uint32_t slot, record& of, operation& op,
                                   operation_queue& done) noexcept {
    if (of.closing() || op.state == operation_state::canceling) {
        finish(slot, of, op, outcome::canceled, done);
    } else if (of.kind == descriptor_kind::socket && !is_connecting(of.writes)) {
        finish(slot, of, op, outcome::from_errno(ENOTCONN), done);
    } else {
        serve_reads(slot, of, done);
    }
}

}  // namespace naru
