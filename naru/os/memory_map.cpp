#include <naru/os/memory_map.hpp>

#include <cstdint>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

namespace naru {

std::byte* map_pages(std::size_t bytes) {
    void* mapped =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    return static_cast<std::byte*>(mapped);
}

void unmap_pages(std::byte* first, std::size_t bytes) noexcept { munmap(first, bytes); }

// Where pages are larger, a part of one is not forgotten: its neighbours would be, too.
void forget_pages(std::byte* first, std::size_t bytes) noexcept {
    static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    if (reinterpret_cast<std::uintptr_t>(first) % page == 0 && bytes % page == 0)
        madvise(first, bytes, MADV_DONTNEED);
}

}  // namespace naru
