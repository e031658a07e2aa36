#include <naru/os/memory_map.hpp>

#include <new>

#include <sys/mman.h>

namespace naru {

std::byte* map_pages(std::size_t bytes) {
    void* mapped =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(mapped);
}

void unmap_pages(std::byte* first, std::size_t bytes) noexcept { munmap(first, bytes); }

void forget_pages(std::byte* first, std::size_t bytes) noexcept { madvise(first, bytes, MADV_DONTNEED); }

}  // namespace naru
