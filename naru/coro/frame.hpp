// Where the frames of coroutines come from: the global allocator, or a pool of the user's.
#pragma once

#include <naru/loop/loop.hpp>

#include <cstddef>
#include <new>
#include <utility>

namespace naru {

/// Memory for the frames that are made on one loop's thread. A frame knows its pool: one that ends on another
/// thread is posted home. Both the pool and its loop must outlive the frames.
class frame_pool {
 public:
    explicit frame_pool(loop& home) noexcept : home_(&home) {}
    virtual ~frame_pool() = default;
    frame_pool(const frame_pool&) = delete;
    frame_pool& operator=(const frame_pool&) = delete;

    /// On the pool's thread. More than 40 bytes, aligned as operator new's. Throws std::bad_alloc.
    virtual void* allocate(std::size_t bytes) = 0;
    /// On the pool's thread, with the size that was asked for.
    virtual void release(void* memory, std::size_t bytes) noexcept = 0;

    /// Frames that this thread makes while the object lives come from `pool`.
    class use {
     public:
        explicit use(frame_pool& pool) noexcept : before_(std::exchange(current_, &pool)) {}
        ~use() { current_ = before_; }
        use(const use&) = delete;
        use& operator=(const use&) = delete;

     private:
        frame_pool* before_;
    };

 private:
    friend struct frame_memory;
    static void post_back(void* memory, std::size_t bytes, frame_pool& from) noexcept;

    static constinit thread_local frame_pool* current_;
    loop* home_;
};

/// The base of promises: the last word of a frame's memory says which pool it is from.
struct frame_memory {
    static void* operator new(std::size_t frame) {
        const std::size_t bytes = with_owner(frame);
        frame_pool* const pool = frame_pool::current_;
        void* const memory = pool == nullptr ? ::operator new(bytes) : pool->allocate(bytes);
        owner_of(memory, bytes) = pool;
        return memory;
    }
    static void operator delete(void* memory, std::size_t frame) noexcept {
        const std::size_t bytes = with_owner(frame);
        if (frame_pool* const pool = owner_of(memory, bytes)) {
            if (pool == frame_pool::current_) return pool->release(memory, bytes);
            frame_pool::post_back(memory, bytes, *pool);
        } else {
            ::operator delete(memory);
        }
    }

 private:
    static constexpr std::size_t with_owner(std::size_t frame) noexcept {
        constexpr std::size_t word = sizeof(frame_pool*);
        return (frame + word - 1) / word * word + word;
    }
    static frame_pool*& owner_of(void* memory, std::size_t bytes) noexcept {
        return *reinterpret_cast<frame_pool**>(static_cast<std::byte*>(memory) + bytes - sizeof(frame_pool*));
    }
};

}  // namespace naru
