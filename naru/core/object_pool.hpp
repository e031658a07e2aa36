// Objects of one type, taken from chunks and given back to a free list: what a connection costs is its size.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace naru {

/// Chunks are kept until the pool dies, so `make` allocates only when more objects live than ever before.
/// Not thread-safe. Every object must have been destroyed before the pool is.
template <class T>
class object_pool {
 public:
    object_pool() = default;
    object_pool(const object_pool&) = delete;
    object_pool& operator=(const object_pool&) = delete;

    template <class... Arguments>
    T& make(Arguments&&... arguments) {
        if (free_ == nullptr) grow();
        cell* taken = free_;
        free_ = taken->next;
        ++live_;
        return *new (static_cast<void*>(taken->storage)) T(std::forward<Arguments>(arguments)...);
    }

    void destroy(T& object) noexcept {
        object.~T();
        cell* returned = reinterpret_cast<cell*>(&object);
        returned->next = free_;
        free_ = returned;
        --live_;
    }

    std::size_t live() const noexcept { return live_; }

 private:
    union cell {
        cell* next;
        alignas(T) std::byte storage[sizeof(T)];
    };

    // About 8 KiB a chunk: one page boundary's waste at most, and few allocations on the way to 100,000.
    static constexpr std::size_t cells_per_chunk = sizeof(cell) >= 4096 ? 2 : 8192 / sizeof(cell);

    void grow() {
        chunks_.push_back(std::make_unique_for_overwrite<cell[]>(cells_per_chunk));
        cell* chunk = chunks_.back().get();
        for (std::size_t index = cells_per_chunk; index-- > 0;) {
            chunk[index].next = free_;
            free_ = &chunk[index];
        }
    }

    std::vector<std::unique_ptr<cell[]>> chunks_;
    cell* free_ = nullptr;
    std::size_t live_ = 0;
};

}  // namespace naru
