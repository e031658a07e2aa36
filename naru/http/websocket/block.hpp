// Memory for messages and frames: blocks of a few sizes that a thread keeps for the next one, so that a
// connection that is used allocates nothing and one that is idle holds nothing.
#pragma once

#include <naru/core/bytes.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace naru::websocket {

/// Blocks of 64 bytes to 4 KiB, in powers of two, are kept: this many bytes of each size for a thread. Longer
/// ones come from the allocator each time.
inline constexpr std::size_t kept_block_bytes = 4096;
inline constexpr std::size_t kept_bytes_per_size = 64 * 1024;

/// A block of at least `bytes`; nullptr without memory. `bytes` becomes what it has. May be given back on
/// another thread, which keeps it then.
std::byte* acquire_block(std::size_t& bytes) noexcept;
/// `bytes` as acquire_block has made it.
void release_block(std::byte* block, std::size_t bytes) noexcept;

/// Bytes that grow at their end. Move-only; allocates nothing for what fits into a kept block.
class buffer {
 public:
    buffer() noexcept = default;
    buffer(buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}
    buffer& operator=(buffer&& other) noexcept {
        if (this != &other) {
            clear();
            data_ = std::exchange(other.data_, nullptr);
            size_ = std::exchange(other.size_, 0);
            capacity_ = std::exchange(other.capacity_, 0);
        }
        return *this;
    }
    ~buffer() { clear(); }

    const std::byte* data() const noexcept { return data_; }
    std::byte* data() noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    bytes_view view() const noexcept { return {data_, size_}; }

    /// Room for `bytes` in all; false without memory.
    [[nodiscard]] bool reserve(std::size_t bytes) noexcept;
    /// Room for `more` bytes behind those there are; grows to twice its size at least, but not past `most`
    /// if that is enough. False without memory.
    [[nodiscard]] bool make_room(std::size_t more, std::size_t most) noexcept;
    /// Where the next byte goes.
    std::byte* end() noexcept { return data_ + size_; }
    std::size_t room() const noexcept { return capacity_ - size_; }
    /// So many bytes have been written at end().
    void grow(std::size_t bytes) noexcept { size_ += bytes; }
    [[nodiscard]] bool append(bytes_view bytes) noexcept;
    void drop_front(std::size_t bytes) noexcept;
    /// Gives the memory back.
    void clear() noexcept;

 private:
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace naru::websocket
