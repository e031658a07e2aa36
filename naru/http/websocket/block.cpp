#include <naru/http/websocket/block.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

namespace naru::websocket {
namespace {

constexpr std::size_t smallest = 64;
constexpr std::size_t sizes = static_cast<std::size_t>(std::countr_zero(kept_block_bytes / smallest)) + 1;

struct free_block {
    free_block* next;
};

/// Of one thread. Trivial, so that a use of it is no call; its janitor comes with the first block that is
/// kept.
struct free_lists {
    std::array<free_block*, sizes> first{};
    std::array<std::uint32_t, sizes> count{};
    bool watched = false;  // by its janitor
    bool over = false;     // what is given back after the thread's end goes to the allocator
};
constinit thread_local free_lists lists;

struct janitor {
    janitor() noexcept = default;
    janitor(const janitor&) = delete;
    janitor& operator=(const janitor&) = delete;
    void begin() const noexcept { lists.watched = true; }
    ~janitor() {
        lists.over = true;
        for (free_block*& list : lists.first) {
            while (list != nullptr)
                std::free(std::exchange(list, list->next));
        }
    }
};
thread_local janitor cleans;

constexpr std::size_t index_of(std::size_t bytes) noexcept {
    return bytes <= smallest ? 0 : static_cast<std::size_t>(std::bit_width((bytes - 1) / smallest));
}

}  // namespace

std::byte* acquire_block(std::size_t& bytes) noexcept {
    if (bytes > kept_block_bytes) return static_cast<std::byte*>(std::malloc(bytes));
    const std::size_t index = index_of(bytes);
    bytes = smallest << index;
    free_block*& list = lists.first[index];
    if (list == nullptr) return static_cast<std::byte*>(std::malloc(bytes));
    --lists.count[index];
    return reinterpret_cast<std::byte*>(std::exchange(list, list->next));
}

void release_block(std::byte* block, std::size_t bytes) noexcept {
    if (block == nullptr) return;
    const std::size_t index = bytes <= kept_block_bytes ? index_of(bytes) : sizes;
    if (index == sizes || lists.over || lists.count[index] * bytes >= kept_bytes_per_size) {
        std::free(block);
        return;
    }
    if (!lists.watched) cleans.begin();
    ++lists.count[index];
    lists.first[index] = new (block) free_block{lists.first[index]};
}

bool buffer::reserve(std::size_t bytes) noexcept {
    if (bytes <= capacity_) return true;
    std::size_t made = bytes;
    if (capacity_ > kept_block_bytes) {  // large memory is moved by its pages
        auto* const larger = static_cast<std::byte*>(std::realloc(data_, made));
        if (larger == nullptr) return false;
        data_ = larger;
    } else {
        std::byte* const larger = acquire_block(made);
        if (larger == nullptr) return false;
        if (size_ != 0) std::memcpy(larger, data_, size_);
        release_block(data_, capacity_);
        data_ = larger;
    }
    capacity_ = made;
    return true;
}

bool buffer::make_room(std::size_t more, std::size_t most) noexcept {
    if (more <= room()) return true;
    const std::size_t needed = size_ + more;
    return reserve(std::max(needed, std::min(capacity_ * 2, most)));
}

bool buffer::append(bytes_view bytes) noexcept {
    if (bytes.empty()) return true;
    if (!make_room(bytes.size(), static_cast<std::size_t>(-1))) return false;
    std::memcpy(end(), bytes.data(), bytes.size());
    grow(bytes.size());
    return true;
}

void buffer::drop_front(std::size_t bytes) noexcept {
    size_ -= bytes;
    if (size_ != 0 && bytes != 0) std::memmove(data_, data_ + bytes, size_);
}

void buffer::clear() noexcept {
    release_block(data_, capacity_);
    data_ = nullptr;
    size_ = capacity_ = 0;
}

}  // namespace naru::websocket
