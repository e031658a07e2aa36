// Objects of one type, taken from chunks and given back to a free list: what a connection costs is its size.
#pragma once

#include <naru/core/check.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace naru {

/// Chunks are kept until the pool dies, so `make` allocates only when more objects live than ever before, and
/// touches no memory ahead of need. Not thread-safe. Every object must be destroyed before the pool is.
template <class T>
class object_pool {
 public:
    /// Memory is taken in these, aligned to their size: an object finds its chunk. What an allocator touches
    /// beside an aligned one, a page, has to be little beside it: at 64 KiB, eight bytes for each connection.
    static constexpr std::size_t chunk_bytes = 256 * 1024;

    object_pool() = default;
    object_pool(const object_pool&) = delete;
    object_pool& operator=(const object_pool&) = delete;
    ~object_pool() {
        NARU_ASSERT(live_ == 0);
        for (chunk* each : chunks_) {
            each->~chunk();
            ::operator delete(static_cast<void*>(each), std::align_val_t(chunk_bytes));
        }
    }

    template <class... Arguments>
    T& make(Arguments&&... arguments) {
        cell* taken = free_;
        if (taken != nullptr) {
            free_ = taken->next;
        } else {
            if (chunks_.empty() || fresh_ == cells_per_chunk) grow();
            taken = chunks_.back()->cell_at(fresh_++);
        }
        T* made = new (static_cast<void*>(taken)) T(std::forward<Arguments>(arguments)...);
        mark(made, true);
        ++live_;
        return *made;
    }

    void destroy(T& object) noexcept {
        mark(&object, false);
        object.~T();
        cell* returned = reinterpret_cast<cell*>(&object);
        returned->next = free_;
        free_ = returned;
        --live_;
    }

    std::size_t live() const noexcept { return live_; }

    /// Calls `visit` with every live object; it may destroy the one it is given, and no other.
    template <class Visit>
    void for_each(Visit visit) {
        for (std::size_t part = 0; for_each_of(part, visit); ++part) {
        }
    }

    /// The same with those of one part of the places that objects live in, at most `part_objects`: whoever
    /// goes from part to part, and makes objects in between, has met all that were there when it began.
    /// False: there is no such part.
    static constexpr std::size_t part_objects = 64;
    template <class Visit>
    bool for_each_of(std::size_t part, Visit&& visit) {
        if (part / parts_per_chunk >= chunks_.size()) return false;
        chunk& home = *chunks_[part / parts_per_chunk];
        const std::size_t word = part % parts_per_chunk;
        std::uint64_t bits = home.used[word];
        while (bits != 0) {
            const auto bit = static_cast<std::size_t>(std::countr_zero(bits));
            bits &= bits - 1;
            if ((home.used[word] >> bit & 1) == 0) continue;  // a visit before has destroyed it
            visit(*std::launder(reinterpret_cast<T*>(home.cell_at(word * part_objects + bit))));
        }
        return true;
    }

 private:
    union cell {
        cell* next;
        alignas(T) std::byte storage[sizeof(T)];
    };
    static constexpr std::size_t header_unit = std::max<std::size_t>(64, alignof(cell));
    static constexpr std::size_t header_bytes =
        (chunk_bytes / sizeof(cell) / 8 + header_unit) / header_unit * header_unit;  // a bit for each
    static constexpr std::size_t cells_per_chunk = (chunk_bytes - header_bytes) / sizeof(cell);
    static constexpr std::size_t parts_per_chunk = (cells_per_chunk + part_objects - 1) / part_objects;

    struct chunk {
        std::array<std::uint64_t, parts_per_chunk> used{};
        cell* cell_at(std::size_t index) noexcept {
            return reinterpret_cast<cell*>(reinterpret_cast<std::byte*>(this) + header_bytes) + index;
        }
    };
    static_assert(sizeof(chunk) <= header_bytes);

    void grow() {
        chunks_.reserve(chunks_.size() + 1);
        void* memory = ::operator new(chunk_bytes, std::align_val_t(chunk_bytes));
        chunks_.push_back(new (memory) chunk);
        fresh_ = 0;
    }

    void mark(T* object, bool used) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(object);
        auto* home = reinterpret_cast<chunk*>(address & ~std::uintptr_t{chunk_bytes - 1});
        const std::size_t index =
            static_cast<std::size_t>(reinterpret_cast<cell*>(object) - home->cell_at(0));
        const std::uint64_t bit = std::uint64_t{1} << (index % 64);
        home->used[index / 64] = used ? home->used[index / 64] | bit : home->used[index / 64] & ~bit;
    }

    std::vector<chunk*> chunks_;
    std::size_t fresh_ = 0;  // cells taken from the newest chunk for the first time
    cell* free_ = nullptr;
    std::size_t live_ = 0;
};

}  // namespace naru
