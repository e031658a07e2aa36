#include "counted_memory.hpp"

#include <cstdlib>
#include <new>

namespace naru::testing {

std::atomic<std::size_t> allocations{0};
thread_local bool out_of_memory = false;

}  // namespace naru::testing

using naru::testing::allocations;
using naru::testing::out_of_memory;

namespace {

void* counted(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (out_of_memory) throw std::bad_alloc();
    if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    ++allocations;
    return out_of_memory ? nullptr : std::malloc(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    ++allocations;
    return out_of_memory ? nullptr : std::malloc(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    if (out_of_memory) throw std::bad_alloc();
    const auto boundary = static_cast<std::size_t>(alignment);
    if (void* memory = std::aligned_alloc(boundary, (size + boundary - 1) / boundary * boundary))
        return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
