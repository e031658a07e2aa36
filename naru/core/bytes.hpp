// Borrowed memory, and the shape the kernel wants it in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace naru {

using bytes_view = std::span<const std::byte>;
using mutable_bytes = std::span<std::byte>;

inline bytes_view as_bytes(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }
inline std::string_view as_text(bytes_view bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// One piece of a gathered send. Laid out as `struct iovec` (checked where the backends pass it on).
struct slice {
    const std::byte* data = nullptr;
    std::size_t size = 0;

    constexpr slice() noexcept = default;
    constexpr slice(const std::byte* bytes, std::size_t count) noexcept : data(bytes), size(count) {}
    slice(bytes_view bytes) noexcept : data(bytes.data()), size(bytes.size()) {}
    slice(std::string_view text) noexcept : slice(as_bytes(text)) {}
};

/// One piece of the memory that a receive scatters into. Laid out like a slice.
struct mutable_slice {
    std::byte* data = nullptr;
    std::size_t size = 0;

    constexpr mutable_slice() noexcept = default;
    constexpr mutable_slice(std::byte* memory, std::size_t count) noexcept : data(memory), size(count) {}
    mutable_slice(mutable_bytes memory) noexcept : data(memory.data()), size(memory.size()) {}
};

/// Bytes in all slices together.
inline std::uint64_t total_size(std::span<const slice> slices) noexcept {
    std::uint64_t total = 0;
    for (const slice& each : slices)
        total += each.size;
    return total;
}

inline std::uint64_t total_size(std::span<const mutable_slice> pieces) noexcept {
    std::uint64_t total = 0;
    for (const mutable_slice& each : pieces)
        total += each.size;
    return total;
}

/// Copies as much of `bytes` into the pieces, in their order, as they have room for; says how much.
inline std::size_t scatter(bytes_view bytes, std::span<const mutable_slice> pieces) noexcept {
    std::size_t copied = 0;
    for (const mutable_slice& each : pieces) {
        const std::size_t step = std::min(each.size, bytes.size() - copied);
        if (step > 0) std::memcpy(each.data, bytes.data() + copied, step);
        copied += step;
    }
    return copied;
}

/// Drops the first `count` bytes: slices that are used up become empty, the next one starts later.
inline void advance(std::span<slice> slices, std::size_t count) noexcept {
    for (slice& each : slices) {
        const std::size_t step = count < each.size ? count : each.size;
        each.data += step;
        each.size -= step;
        count -= step;
        if (count == 0) return;
    }
}

}  // namespace naru
