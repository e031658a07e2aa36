#include <naru/backend/uring/buffers.hpp>

#include <naru/core/check.hpp>

#include <algorithm>
#include <bit>
#include <cerrno>

#include <sys/mman.h>

namespace naru {

uring_buffers::~uring_buffers() {
    pool_.on_release(nullptr, nullptr);
    if (ring_ != nullptr) munmap(ring_, entries_ * sizeof(io_uring_buf));
}

std::error_code uring_buffers::open(const uring_ring& ring) noexcept {
    const std::size_t most = std::max<std::size_t>(1, pool_.capacity() / 2);
    entries_ = static_cast<unsigned>(std::bit_floor(std::min(limits::ring_buffers_max, most)));
    void* mapped = mmap(nullptr, entries_ * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return {errno, std::system_category()};
    ring_ = static_cast<io_uring_buf_ring*>(mapped);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(mapped);
    registration.ring_entries = entries_;
    registration.bgid = group;
    const int registered = ring.register_call(IORING_REGISTER_PBUF_RING, &registration, 1);
    if (registered < 0) return {-registered, std::system_category()};
    pool_.on_release(
        [](void* self, std::uint32_t index) noexcept {
            auto& buffers = *static_cast<uring_buffers*>(self);
            if (buffers.lent_ >= buffers.target_ || buffers.lent_ > buffers.left()) return false;
            buffers.lend(index);
            return true;
        },
        this);
    grow();
    return {};
}

bool uring_buffers::grow() noexcept {
    const unsigned before = lent_;
    target_ =
        std::min(entries_, target_ == 0 ? static_cast<unsigned>(limits::ring_buffers_initial) : 2 * target_);
    while (lent_ < target_ && lent_ < left())
        lend(pool_.index_of(pool_.acquire()));
    return lent_ > before;
}

void uring_buffers::lend(std::uint32_t index) noexcept {
    NARU_ASSERT(lent_ < entries_);
    // The ring's tail lies in the first entry's reserved field, so entries are written field by field.
    auto* entries = reinterpret_cast<io_uring_buf*>(ring_);
    io_uring_buf& entry = entries[tail_ & (entries_ - 1)];
    entry.addr = reinterpret_cast<std::uint64_t>(pool_.at(index));
    entry.len = limits::buffer_bytes;
    entry.bid = static_cast<std::uint16_t>(index);
    ++tail_;
    ++lent_;
}

void uring_buffers::taken(std::uint32_t index) noexcept {
    NARU_ASSERT(lent_ > 0 && oldest() == index);
    (void)index;
    ++head_;
    --lent_;
}

std::uint32_t uring_buffers::oldest() const noexcept {
    return reinterpret_cast<const io_uring_buf*>(ring_)[head_ & (entries_ - 1)].bid;
}

void uring_buffers::publish() noexcept { __atomic_store_n(&ring_->tail, tail_, __ATOMIC_RELEASE); }

}  // namespace naru
