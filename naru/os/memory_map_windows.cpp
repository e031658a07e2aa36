#include <naru/os/memory_map.hpp>
#include <naru/os/windows_api.hpp>

#include <new>

namespace naru {

// Committed at once: that counts against the system's commit limit, but takes no memory before it is touched.
std::byte* map_pages(std::size_t bytes) {
    void* mapped = VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (mapped == nullptr) throw std::bad_alloc();
    return static_cast<std::byte*>(mapped);
}

void unmap_pages(std::byte* first, std::size_t /*bytes*/) noexcept { VirtualFree(first, 0, MEM_RELEASE); }

void forget_pages(std::byte* first, std::size_t bytes) noexcept {
    VirtualAlloc(first, bytes, MEM_RESET, PAGE_READWRITE);
}

}  // namespace naru
