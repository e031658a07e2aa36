#include <naru/loop/buffer_pool.hpp>

#include <naru/core/check.hpp>
#include <naru/os/memory_map.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>

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

// A buffer that has been given back is poisoned under AddressSanitizer: use after release is then an error.
// So is the first one that nobody has had yet, for who writes past the end of a buffer; poisoning the whole
// pool for every loop was 40% of what the load generator's tests took.
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
    if (buffers == 0 || buffers > limits::pool_buffers_max)
        throw std::length_error("pool_buffers: a loop has between 1 and " +
                                std::to_string(limits::pool_buffers_max) + ", not " +
                                std::to_string(buffers));
    holders_ = std::make_unique<handle[]>(buffers);
    free_.reserve(buffers);
    base_ = map_pages(buffers * limits::buffer_bytes);
    forbid(base_, limits::buffer_bytes);
}

buffer_pool::~buffer_pool() {
    permit(base_, std::min(used_ + 1, capacity_) * limits::buffer_bytes);
    unmap_pages(base_, capacity_ * limits::buffer_bytes);
}

std::byte* buffer_pool::acquire() noexcept {
    std::byte* buffer = nullptr;
    if (!free_.empty()) {
        buffer = at(free_.back());
        free_.pop_back();
        fewest_ = std::min(fewest_, free_.size());
        cold_ = std::min(cold_, fewest_);
    } else if (used_ < capacity_) {
        buffer = at(static_cast<std::uint32_t>(used_++));
        if (used_ < capacity_) forbid(buffer + limits::buffer_bytes, limits::buffer_bytes);
    } else {
        return nullptr;
    }
    permit(buffer, limits::buffer_bytes);
    return buffer;
}

void buffer_pool::release(const std::byte* inside) noexcept {
    const std::uint32_t index = index_of(inside);
    NARU_ASSERT(index < used_);
    holders_[index] = {};
    ++given_back_;
    if (offer_ != nullptr && offer_(offer_context_, index)) return;
    NARU_ASSERT(free_.size() < used_);
    forbid(at(index), limits::buffer_bytes);
    free_.push_back(index);
}

instant buffer_pool::cool(instant now) noexcept {
    if (now >= cools_at_) {
        const std::size_t unused = std::max(fewest_, limits::warm_buffers) - limits::warm_buffers;
        const std::size_t end = std::min(unused, cold_ + limits::cooled_per_tick);
        for (; cold_ < end; ++cold_)
            forget_pages(at(free_[cold_]), limits::buffer_bytes);
        fewest_ = free_.size();
        cools_at_ = now + limits::buffers_stay_warm;
    }
    return is_warm() ? cools_at_ : never;
}

}  // namespace naru
