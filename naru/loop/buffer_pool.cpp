#include <naru/loop/buffer_pool.hpp>

#include <naru/backend/memory_map.hpp>
#include <naru/core/check.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define NARU_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NARU_POISONS 1
#endif
#endif
#ifdef NARU_POISONS
#include <sanitizer/asan_interface.h>
#endif

namespace naru {

namespace {

// A buffer that nobody has leased is poisoned under AddressSanitizer: use after release is then an error.
void forbid([[maybe_unused]] const std::byte* from, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef NARU_POISONS
    ASAN_POISON_MEMORY_REGION(from, bytes);
#endif
}

void permit([[maybe_unused]] const std::byte* from, [[maybe_unused]] std::size_t bytes) noexcept {
#ifdef NARU_POISONS
    ASAN_UNPOISON_MEMORY_REGION(from, bytes);
#endif
}

}  // namespace

buffer_pool::buffer_pool(std::size_t buffers) : capacity_(buffers) {
    base_ = map_pages(buffers * limits::buffer_bytes);
    free_.reserve(buffers);
    for (std::size_t index = buffers; index-- > 0;)
        free_.push_back(static_cast<std::uint32_t>(index));
    forbid(base_, buffers * limits::buffer_bytes);
}

buffer_pool::~buffer_pool() {
    permit(base_, capacity_ * limits::buffer_bytes);
    unmap_pages(base_, capacity_ * limits::buffer_bytes);
}

std::byte* buffer_pool::acquire() noexcept {
    if (free_.empty()) return nullptr;
    std::byte* buffer = at(free_.back());
    free_.pop_back();
    permit(buffer, limits::buffer_bytes);
    return buffer;
}

void buffer_pool::release(const std::byte* inside) noexcept {
    const std::uint32_t index = index_of(inside);
    NARU_ASSERT(index < capacity_);
    if (offer_ != nullptr && offer_(offer_context_, index)) return;
    NARU_ASSERT(free_.size() < capacity_);
    forbid(at(index), limits::buffer_bytes);
    free_.push_back(index);
}

}  // namespace naru
