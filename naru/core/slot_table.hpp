// Slots with generations: a handle names a slot and the generation it was given out in, so that an event or
// a request for a closed handle can never reach the one that got the slot next.
#pragma once

#include <naru/core/check.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace naru {

/// Names an open descriptor (or file) of one loop. Trivially copyable, 8 bytes, never a bare descriptor.
struct handle {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;  ///< 0: no handle. Live generations are odd and below 2^31.

    constexpr explicit operator bool() const noexcept { return generation != 0; }
    constexpr bool operator==(const handle&) const noexcept = default;

    /// As one non-negative integer: the result of an accept operation.
    constexpr std::int64_t pack() const noexcept {
        return static_cast<std::int64_t>((static_cast<std::uint64_t>(generation) << 32) | slot);
    }
    static constexpr handle unpack(std::int64_t packed) noexcept {
        const auto bits = static_cast<std::uint64_t>(packed);
        handle unpacked;
        unpacked.slot = static_cast<std::uint32_t>(bits);
        unpacked.generation = static_cast<std::uint32_t>(bits >> 32);
        return unpacked;
    }
};

/// Stable records of type `Record` (which has a `std::uint32_t generation` member, even while the slot is
/// free, odd while it is taken, and a `std::uint32_t next_free`). Records are never moved; chunks of them are
/// allocated when needed and kept. Not thread-safe.
template <class Record>
class slot_table {
 public:
    explicit slot_table(std::uint32_t maximum) noexcept : maximum_(maximum) {}

    /// A free slot, its generation made odd; generation 0 means the table is full. May allocate a chunk.
    handle acquire() {
        if (first_free_ == none && !grow()) return {};
        const std::uint32_t slot = first_free_;
        Record& record = at(slot);
        first_free_ = record.next_free;
        record.generation = (record.generation + 1) & 0x7fffffffu;
        ++used_;
        handle made;
        made.slot = slot;
        made.generation = record.generation;
        return made;
    }

    void release(std::uint32_t slot) noexcept {
        Record& record = at(slot);
        NARU_ASSERT((record.generation & 1u) == 1u);
        record.generation = (record.generation + 1) & 0x7fffffffu;
        record.next_free = first_free_;
        first_free_ = slot;
        --used_;
    }

    /// The record that `name` still names, or nullptr when it has been released since.
    Record* find(handle name) noexcept {
        if (name.slot >= size_ || (name.generation & 1u) == 0) return nullptr;
        Record& record = at(name.slot);
        return record.generation == name.generation ? &record : nullptr;
    }

    Record& at(std::uint32_t slot) noexcept { return chunks_[slot / chunk][slot % chunk]; }
    std::uint32_t size() const noexcept { return size_; }
    std::uint32_t used() const noexcept { return used_; }

 private:
    static constexpr std::uint32_t chunk = 128;
    static constexpr std::uint32_t none = ~0u;

    bool grow() {
        if (size_ + chunk > maximum_) return false;
        chunks_.push_back(std::make_unique<Record[]>(chunk));
        size_ += chunk;
        for (std::uint32_t slot = size_; slot-- > size_ - chunk;) {
            at(slot).next_free = first_free_;
            first_free_ = slot;
        }
        return true;
    }

    std::vector<std::unique_ptr<Record[]>> chunks_;
    std::uint32_t maximum_;
    std::uint32_t size_ = 0;
    std::uint32_t used_ = 0;
    std::uint32_t first_free_ = none;
};

}  // namespace naru

template <>
struct std::hash<naru::handle> {
    std::size_t operator()(naru::handle name) const noexcept {
        return std::hash<std::int64_t>{}(name.pack());
    }
};
