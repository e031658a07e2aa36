// The receive buffers lent to the kernel: a provided-buffer ring (io_uring_register(2),
// IORING_REGISTER_PBUF_RING) over the loop's pool. The kernel picks a buffer when data arrives.
#pragma once

#include <naru/backend/uring/ring.hpp>
#include <naru/core/limits.hpp>
#include <naru/loop/buffer_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <system_error>

namespace naru {

class uring_buffers {
 public:
    static constexpr std::uint16_t group = 0;

    explicit uring_buffers(buffer_pool& pool) noexcept : pool_(pool) {}
    ~uring_buffers();
    uring_buffers(const uring_buffers&) = delete;
    uring_buffers& operator=(const uring_buffers&) = delete;

    /// Maps and registers the ring, and lends the first buffers. From here on buffers released to the pool
    /// come here first while fewer than the target are lent, and no more than the pool has left.
    std::error_code open(const uring_ring& ring) noexcept;

    /// Lends twice as many as before, up to the limit and half of what nobody holds: receives that come all
    /// at once leave some for writing. False if nothing could be added.
    bool grow() noexcept;

    /// The kernel has used one: it belongs to whoever reads the completion.
    void taken(std::uint32_t index) noexcept;
    /// The one the kernel takes next: a bundle goes on in it. The kernel takes them in the order of lending.
    std::uint32_t oldest() const noexcept;
    /// Gives one straight back (it came with a completion that had no data).
    void lend(std::uint32_t index) noexcept;

    /// Makes what was lent since the last call visible to the kernel.
    void publish() noexcept;

    unsigned lent() const noexcept { return lent_; }
    /// How many are lent while nobody holds them.
    unsigned target() const noexcept { return target_; }

 private:
    std::size_t left() const noexcept { return pool_.capacity() - pool_.leased(); }

    buffer_pool& pool_;
    io_uring_buf_ring* ring_ = nullptr;
    unsigned entries_ = 0;
    unsigned target_ = 0;
    unsigned lent_ = 0;
    std::uint16_t head_ = 0;  // of what is lent: the next that the kernel takes
    std::uint16_t tail_ = 0;
};

}  // namespace naru
