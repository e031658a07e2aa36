#include <naru/backend/uring/backend.hpp>

#include <naru/backend/uring/quirks.hpp>
#include <naru/backend/uring/refusal.hpp>
#include <naru/core/check.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/os/wake_descriptor.hpp>

#include <cerrno>
#include <new>
#include <span>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace naru {

namespace {

// All that is ever submitted: the ring takes nothing else (IORING_REGISTER_RESTRICTIONS). Connecting, which
// is not for every ring, stands at the end.
constexpr std::uint8_t used_operations[] = {
    IORING_OP_ACCEPT,       IORING_OP_RECV,
    IORING_OP_SEND,         IORING_OP_SENDMSG,
    IORING_OP_SEND_ZC,      IORING_OP_SENDMSG_ZC,
    IORING_OP_POLL_ADD,     IORING_OP_CLOSE,
    IORING_OP_OPENAT,       IORING_OP_READ,
    IORING_OP_FILES_UPDATE, IORING_OP_ASYNC_CANCEL,
    IORING_OP_RECVMSG,      uring_abi::op_fixed_fd_install,
    IORING_OP_NOP,          IORING_OP_TIMEOUT,
    IORING_OP_WRITE,        IORING_OP_WRITEV,
    IORING_OP_FSYNC,        IORING_OP_CONNECT,
};

}  // namespace

uring_backend::uring_backend(const uring_options& options)
    : backend(options.pool_buffers, {operation_kind::open_file, operation_kind::read_file,
                                     operation_kind::write_file, operation_kind::sync_file}),
      options_(options),
      received_(options.pool_buffers),
      wake_descriptor_(make_wake_descriptor()),
      message_wakes_(options.message_wakes) {
    try {
        open_ring();
    } catch (...) {
        system_calls::close(wake_descriptor_);
        throw;
    }
}

void uring_backend::do_without(const std::string& what) {
    if (!given_up_.empty()) given_up_ += ", ";
    given_up_ += what;
}

void uring_backend::open_ring() {
    for (const uring_quirk& each : quirks_of_this_kernel()) {
        if (each.switches_off(options_)) do_without(each.text());
    }
    uring_setup setup;
    setup.entries = options_.entries;
    setup.completions = options_.completions;
    setup.single_issuer = options_.single_issuer;
    setup.sqpoll = options_.sqpoll;
    setup.sqpoll_idle_milliseconds = options_.sqpoll_idle_milliseconds;
    setup.sqpoll_cpu = options_.sqpoll_cpu;
    std::string steps;
    if (const std::error_code error = ring_.open(setup, steps)) throw std::system_error(error, steps);
    if (!steps.empty()) do_without(steps);
    messages_ = std::make_unique<msghdr[]>(ring_.entries());
    set_aside_.reserve(options_.completions);
    if (const std::error_code error = lent_.open(ring_)) {
        throw std::system_error(error, "no provided-buffer rings: " +
                                           explain_uring_refusal(uring_call::registration, error.value()));
    }
    if ((ring_.features() & uring_abi::feature_bundles) == 0) options_.bundles = false;
    if (!ring_.knows(IORING_OP_SENDMSG_ZC)) options_.zero_copy_from = limits::never_zero_copy;
    open_table();
    if (options_.restrictions) {
        const std::size_t used = std::size(used_operations) - (options_.connects ? 0 : 1);
        if (const std::error_code error = ring_.restrict_to(std::span(used_operations).first(used))) {
            do_without("no restrictions on the ring: " + error.message());
        }
    }
}

uring_backend::~uring_backend() {
    // A child made by fork has this object, but neither the ring nor its operations: they are the parent's.
    const bool ours = started_ && !ring_.is_inherited();
    for (std::uint32_t slot = 0; slot < records_.size(); ++slot) {
        record& left = records_.at(slot);
        NARU_ASSERT(left.reads.empty() && left.writes.empty());
        if (left.descriptor >= 0 && !left.direct) system_calls::close(left.descriptor);
    }
    if (ours) {  // what is still armed must end before the memory it may write to goes away
        io_uring_sync_cancel_reg all{};
        all.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
        all.timeout.tv_sec = 1;
        (void)ring_.register_call(IORING_REGISTER_SYNC_CANCEL, &all, 1);
        // The ring itself may end much later, and direct descriptors with it: their peers want an end now.
        if (table_ > 0) (void)ring_.register_call(IORING_UNREGISTER_FILES, nullptr, 0);
    }
    system_calls::close(wake_descriptor_);
}

// The first wait decides which thread the ring belongs to: a loop may be made on one and run on another.
void uring_backend::start_ring() noexcept {
    started_ = true;
    if (const std::error_code error = ring_.start())
        fatal(("an io_uring ring could not be enabled: " + error.message()).c_str());
    lent_.publish();
    arm_wake();
}

result<handle> uring_backend::attach(int descriptor, descriptor_kind kind, ownership whose) noexcept {
    if (descriptor < 0) return fail_errno(EBADF);
    if (whose == ownership::shared) {
        const bool blocking = system_calls::is_blocking(descriptor);
        if (blocking && needs_non_blocking(kind)) {
            system_calls::close(descriptor);
            return fail(errc::blocking_descriptor);
        }
        const auto made = name_descriptor(descriptor, kind, false);
        if (made) records_.at(made->slot).blocking = blocking;
        return made;
    }
    // A ring that has not been started yet may belong to another thread later.
    const bool connection = kind == descriptor_kind::stream || kind == descriptor_kind::socket;
    if (connection && direct_now_ && started_) {
        const int index = register_direct(descriptor);
        if (index >= 0) {
            system_calls::close(descriptor);
            return name_descriptor(index, kind, true);
        }
    }
    return name_descriptor(descriptor, kind, false);
}

// Owns the descriptor from here on: closes it if there is no room for its name.
result<handle> uring_backend::name_descriptor(int descriptor, descriptor_kind kind, bool direct) noexcept {
    handle made;
    std::error_code refused = errc::handle_limit;
    try {
        made = records_.acquire();
    } catch (const std::bad_alloc&) {
        refused = {ENOMEM, std::system_category()};
    }
    if (!made) {
        if (direct) {
            close_direct(descriptor);
        } else if (descriptor >= 0) {
            system_calls::close(descriptor);
        }
        return fail(refused);
    }
    if (direct && kind != descriptor_kind::file) ++direct_used_;
    record& fresh = records_.at(made.slot) = record();
    fresh.generation = made.generation;
    fresh.descriptor = descriptor;
    fresh.kind = kind;
    fresh.direct = direct;
    return made;
}

std::optional<descriptor_kind> uring_backend::kind_of(handle of) noexcept {
    const record* found = records_.find(of);
    if (found == nullptr || found->closing()) return std::nullopt;
    return found->kind;
}

int uring_backend::descriptor(handle of) noexcept {
    const record* found = records_.find(of);
    return found != nullptr && !found->closing() && !found->direct ? found->descriptor : -1;
}

void uring_backend::arm_wake() noexcept {
    io_uring_sqe& submission = entry();
    submission.opcode = IORING_OP_POLL_ADD;
    submission.fd = wake_descriptor_;
    submission.len = IORING_POLL_ADD_MULTI;
    submission.poll32_events = POLLIN;
    submission.user_data = word(tag::wake, 0);
}

// Any thread. A completion put straight into the ring saves its loop the poll and the read of an eventfd.
// Where the kernel cannot (before Linux 6.13 it knows no such registration, and a filter may forbid it), it
// is asked once; a refusal for want of memory or of room is one for this time, and so is that of a ring which
// has not been started yet (EBADFD).
void uring_backend::wake() noexcept {
    if (message_wakes_.load(std::memory_order_relaxed)) {
        io_uring_sqe message{};
        message.opcode = IORING_OP_MSG_RING;
        message.fd = ring_.descriptor();
        message.off = word(tag::wake, 8);
        if (syscall(__NR_io_uring_register, -1, uring_abi::register_send_msg_ring, &message, 1) == 0) return;
        const bool for_this_time =
            errno == ENOMEM || errno == EAGAIN || errno == EINTR || errno == EOVERFLOW || errno == EBADFD;
        if (!for_this_time) message_wakes_.store(false, std::memory_order_relaxed);
    }
    signal_wake_descriptor(wake_descriptor_);
}

}  // namespace naru
