// The receive (and response) memory of one loop. Bytes are leased only while data is in flight, so an idle
// connection owns no buffer, whatever the backend.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/clock.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/slot_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace naru {

/// Buffers of limits::buffer_bytes from one reserved mapping. Last in, first out: the next lease is likely
/// to be in a cache, and pages beyond the busiest moment are never touched; some time after it, those that
/// nobody takes any more are the system's again (cool). Not thread-safe.
class buffer_pool {
 public:
    /// Throws std::length_error if `buffers` is 0 or more than limits::pool_buffers_max, std::bad_alloc if
    /// the address space cannot be reserved.
    explicit buffer_pool(std::size_t buffers = limits::pool_buffers);
    ~buffer_pool();
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;

    /// A whole buffer, or nullptr when all are leased. Never allocates.
    std::byte* acquire() noexcept;

    /// Gives back the buffer that contains `inside`.
    void release(const std::byte* inside) noexcept;

    /// The first byte of the buffer that contains `inside`, and the one past its last.
    std::byte* begin_of(const std::byte* inside) const noexcept { return at(index_of(inside)); }
    std::byte* end_of(const std::byte* inside) const noexcept {
        return begin_of(inside) + limits::buffer_bytes;
    }

    std::uint32_t index_of(const std::byte* inside) const noexcept {
        return static_cast<std::uint32_t>(static_cast<std::size_t>(inside - base_) / limits::buffer_bytes);
    }
    std::byte* at(std::uint32_t index) const noexcept {
        return base_ + std::size_t{index} * limits::buffer_bytes;
    }

    /// Writes down for whom the buffer that contains `inside` is leased, until it is given back.
    void note_holder(const std::byte* inside, handle holder) noexcept { holders_[index_of(inside)] = holder; }
    /// Who holds the buffer `index`; no handle if nobody has been noted.
    handle holder(std::size_t index) const noexcept { return index < used_ ? holders_[index] : handle(); }
    /// Buffers given back since the pool was made.
    std::uint64_t given_back() const noexcept { return given_back_; }
    /// Whether half of the pool is out: then somebody may be waiting for a buffer.
    bool scarce() const noexcept { return leased() * 2 >= capacity_; }

    /// How long a coroutine's receive may wait for a buffer while none is given back.
    duration patience() const noexcept { return patience_; }
    void set_patience(duration longest) noexcept { patience_ = longest; }

    /// Whether there is something to `cool`.
    bool is_warm() const noexcept { return free_.size() > cold_ + limits::warm_buffers; }
    /// Once in limits::buffers_stay_warm: the memory of those that nobody has taken since goes back to the
    /// system. When to call it again; `never` if only once it is_warm again.
    instant cool(instant now) noexcept;

    std::size_t capacity() const noexcept { return capacity_; }
    std::size_t leased() const noexcept { return used_ - free_.size(); }
    bool available() const noexcept { return leased() < capacity_; }

    /// A backend that lends buffers to the kernel takes them back first: `offer` returns true when it did.
    using offer = bool (*)(void* context, std::uint32_t index) noexcept;
    void on_release(offer function, void* context) noexcept { offer_ = function, offer_context_ = context; }

 private:
    std::byte* base_ = nullptr;
    std::size_t capacity_;
    std::size_t used_ = 0;             // leased once or more: those before it
    std::vector<std::uint32_t> free_;  // of the used ones
    std::size_t cold_ = 0;             // of the free ones, those at the bottom whose memory went back
    std::size_t fewest_ = 0;           // free ones since the last look at them
    instant cools_at_ = instant::min();
    std::unique_ptr<handle[]> holders_;
    std::uint64_t given_back_ = 0;
    duration patience_ = limits::lease_patience;
    offer offer_ = nullptr;
    void* offer_context_ = nullptr;
};

/// A pool buffer on loan, given back once. Move-only; must not outlive its loop.
class lease {
 public:
    lease() noexcept = default;
    /// Takes over `bytes`, which lie in a buffer acquired from `pool`.
    lease(buffer_pool& pool, mutable_bytes bytes) noexcept : pool_(&pool), bytes_(bytes) {}
    lease(lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
    lease& operator=(lease&& other) noexcept {
        if (this != &other) {
            reset();
            pool_ = std::exchange(other.pool_, nullptr);
            bytes_ = std::exchange(other.bytes_, {});
        }
        return *this;
    }
    ~lease() { reset(); }

    void reset() noexcept {
        if (pool_ != nullptr) pool_->release(bytes_.data());
        pool_ = nullptr;
        bytes_ = {};
    }

    /// So many of its bytes count from here on, or all of them.
    void keep_first(std::size_t bytes) noexcept { bytes_ = bytes_.first(std::min(bytes, bytes_.size())); }

    /// Lets go of the buffer without giving it back: that is up to the caller, who gets the bytes.
    mutable_bytes take() noexcept {
        pool_ = nullptr;
        return std::exchange(bytes_, {});
    }

    mutable_bytes bytes() const noexcept { return bytes_; }
    std::string_view text() const noexcept { return as_text(bytes_); }
    std::size_t size() const noexcept { return bytes_.size(); }

 private:
    buffer_pool* pool_ = nullptr;
    mutable_bytes bytes_;
};

}  // namespace naru
