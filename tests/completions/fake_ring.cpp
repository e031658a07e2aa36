// The ring, and the system calls that an io_uring engine makes, of the fake kernel: linked before naru's.
#include "completions/fake_kernel.hpp"

#include <naru/backend/uring/ring.hpp>
#include <naru/os/system_calls.hpp>
#include <naru/os/wake_descriptor.hpp>

#include <bit>
#include <cerrno>
#include <cstring>

namespace naru {

using testing::fake_kernel;
using testing::fake_kind;

uring_ring::~uring_ring() = default;

std::error_code uring_ring::open(const uring_setup& wanted, std::string& /*steps*/) noexcept {
    fake_kernel& kernel = fake_kernel::current();
    const unsigned entries = std::bit_ceil(wanted.entries);
    kernel.set_up(entries, std::max(wanted.completions, 2 * entries));
    descriptor_ = enter_descriptor_ = 0;
    features_ = IORING_FEAT_EXT_ARG | IORING_FEAT_NODROP | uring_abi::feature_bundles;
    known_.set();
    queue_ = kernel.queue().data();
    kernel_head_ = kernel.head();
    mask_ = entries - 1;
    return {};
}

std::error_code uring_ring::restrict_to(std::span<const std::uint8_t> operations) noexcept {
    fake_kernel::current().allow(operations);
    return {};
}

std::error_code uring_ring::start() noexcept { return {}; }
bool uring_ring::is_inherited() const noexcept { return false; }

io_uring_sqe* uring_ring::next_entry() noexcept {
    if (tail_ - *kernel_head_ > mask_) return nullptr;
    io_uring_sqe* const entry = &queue_[tail_ & mask_];
    ++tail_;
    std::memset(entry, 0, sizeof *entry);
    return entry;
}

unsigned uring_ring::unsubmitted() const noexcept { return tail_ - *kernel_head_; }

int uring_ring::enter(bool events, bool /*wait*/, instant /*until*/) noexcept {
    return fake_kernel::current().enter(tail_, events);
}

const io_uring_cqe* uring_ring::peek() const noexcept { return fake_kernel::current().peek(); }
void uring_ring::consume() noexcept { fake_kernel::current().consume(); }
bool uring_ring::overflowed() const noexcept { return fake_kernel::current().overflowed(); }

int uring_ring::register_call(unsigned operation, const void* argument, unsigned count) const noexcept {
    return fake_kernel::current().register_call(operation, argument, count);
}

int make_wake_descriptor() { return fake_kernel::current().make(fake_kind::wake); }
void signal_wake_descriptor(int /*descriptor*/) noexcept { fake_kernel::current().wake(); }
void drain_wake_descriptor(int descriptor) noexcept { fake_kernel::current().drain(descriptor); }

namespace system_calls {

std::int64_t accept(int listener) noexcept { return fake_kernel::current().accept(listener); }
std::int64_t shutdown_send(int socket) noexcept { return fake_kernel::current().shutdown(socket); }
std::int64_t send_file(int socket, int file, std::uint64_t offset, std::uint64_t count) noexcept {
    return fake_kernel::current().send_file(socket, file, offset, count);
}
std::int64_t read_file(int file, mutable_bytes into, std::uint64_t offset) noexcept {
    return fake_kernel::current().read_file(file, into, offset);
}
bool is_blocking(int descriptor) noexcept { return fake_kernel::current().is_blocking(descriptor); }
bool is_connected_to_itself(int socket, const void* /*address*/, std::uint32_t /*size*/) noexcept {
    return fake_kernel::current().connected_to_itself(socket);
}
void disconnect(int /*socket*/) noexcept {}
void close(int descriptor) noexcept { fake_kernel::current().close(descriptor); }
unsigned forks_counted() noexcept { return 0; }

}  // namespace system_calls

}  // namespace naru
