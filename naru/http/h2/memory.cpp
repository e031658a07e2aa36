#include <naru/http/h2/memory.hpp>

#include <naru/core/check.hpp>
#include <naru/http/h2/session.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace naru::http::h2 {

namespace {

constexpr std::size_t step = 32;
constexpr std::size_t largest = 1024;  // that is kept
constexpr std::size_t classes = largest / step;
constexpr std::uint32_t kept_of_a_class = 256;

// In front of each block; the block has the alignment of malloc's.
struct alignas(std::max_align_t) block {
    std::size_t room;
    block* next;
};

// Blocks are malloc's own, one by one: one that is given back on another thread, or when its thread has
// ended, is as good there. Without a destructor, so that to get at them is one instruction.
struct kept_blocks {
    std::array<block*, classes> first{};
    std::array<std::uint32_t, classes>
        room{};  // for so many more; none before the thread's first, and at its end
    bool begun = false;
};
constinit thread_local kept_blocks kept;

struct end_of_thread {
    end_of_thread() noexcept { kept.room.fill(kept_of_a_class); }
    end_of_thread(const end_of_thread&) = delete;
    end_of_thread& operator=(const end_of_thread&) = delete;
    ~end_of_thread() {
        for (block*& each : kept.first) {
            while (each != nullptr) {
                block* const next = each->next;
                std::free(each);
                each = next;
            }
        }
        kept.room.fill(0);
    }
};

// A session's memory for frames: one of the largest size and what stands before its payload.
constexpr std::size_t frame_bytes = 16 * 1024;
constexpr std::size_t most_frame_bytes = frame_bytes + 64;

// Marks the block that the sessions of a loop share.
block shared_mark{.room = 0, .next = nullptr};

void* share_frame(session_memory& of) noexcept {
    if (!of.frame) {
        of.frame.reset(new (std::nothrow) std::byte[sizeof(block) + most_frame_bytes]);
        if (!of.frame) return nullptr;
        new (of.frame.get()) block{.room = most_frame_bytes, .next = &shared_mark};
    }
    return of.frame.get() + sizeof(block);
}

void* allocate(std::size_t bytes, void* sessions) noexcept {
    if (sessions != nullptr && bytes > frame_bytes) {
        auto& of = *static_cast<session_memory*>(sessions);
        if (bytes <= most_frame_bytes && std::exchange(of.begins_session, false)) return share_frame(of);
    }
    const std::size_t which = (bytes - 1) / step;  // of no bytes: past all classes
    if (which < classes && kept.first[which] != nullptr) {
        block* const taken = kept.first[which];
        kept.first[which] = taken->next;
        ++kept.room[which];
        return taken + 1;
    }
    const std::size_t room = which < classes ? (which + 1) * step : bytes;
    void* const memory = std::malloc(sizeof(block) + room);
    if (memory == nullptr) return nullptr;
    return new (memory) block{.room = room, .next = nullptr} + 1;
}

// No place is kept for it, or none yet.
[[gnu::noinline]] void release_rarely(block* given) noexcept {
    if (given->next == &shared_mark) return;
    if (given->room > largest || std::exchange(kept.begun, true)) return std::free(given);
    static thread_local const end_of_thread begins;
    std::free(given);
}

void release(void* memory, void* /*unused*/) noexcept {
    if (memory == nullptr) return;
    block* const given = static_cast<block*>(memory) - 1;
    const std::size_t which = given->room / step - 1;
    if (which >= classes || kept.room[which] == 0) return release_rarely(given);
    --kept.room[which];
    given->next = kept.first[which];
    kept.first[which] = given;
}

void* allocate_zeroed(std::size_t count, std::size_t bytes, void* context) noexcept {
    if (bytes != 0 && count > SIZE_MAX / 2 / bytes) return nullptr;
    void* const memory = allocate(count * bytes, context);
    if (memory != nullptr) std::memset(memory, 0, count * bytes);
    return memory;
}

void* reallocate(void* memory, std::size_t bytes, void* context) noexcept {
    if (memory == nullptr) return allocate(bytes, context);
    const std::size_t room = (static_cast<block*>(memory) - 1)->room;
    if (bytes <= room) return memory;
    void* const larger = allocate(bytes, context);
    if (larger == nullptr) return nullptr;
    std::memcpy(larger, memory, room);
    release(memory, context);
    return larger;
}

}  // namespace

nghttp2_mem& loop_memory() noexcept {
    static nghttp2_mem memory{.mem_user_data = nullptr,
                              .malloc = allocate,
                              .free = release,
                              .calloc = allocate_zeroed,
                              .realloc = reallocate};
    return memory;
}

session_memory::session_memory() noexcept : calls(loop_memory()) { calls.mem_user_data = this; }

session_memory::use::use(session_memory& of) noexcept : of_(of) {
    NARU_ASSERT(!of.in_use);
    of.in_use = true;
}

session_memory::use::~use() {
    of_.in_use = false;
#if !defined(NDEBUG)  // who reads it later reads this
    if (of_.frame) std::memset(of_.frame.get() + sizeof(block), 0xa5, most_frame_bytes);
#endif
}

void session_memory_end::operator()(session_memory* of) const noexcept { delete of; }

}  // namespace naru::http::h2
