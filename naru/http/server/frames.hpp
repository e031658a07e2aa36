// Where the frames of a loop's handlers come from.
#pragma once

#include <naru/coro/frame.hpp>

#include <array>
#include <cstddef>
#include <new>
#include <utility>

namespace naru::http {

/// Frames of up to 4 KiB in classes of 8 bytes, kept when they are given back: a handler costs no allocation
/// once there have been as many at a time before. Larger ones are the global allocator's.
class handler_frames final : public frame_pool {
 public:
    explicit handler_frames(loop& home) noexcept : frame_pool(home) {}
    ~handler_frames() override {
        for (free_frame*& each : free_) {
            while (each != nullptr)
                ::operator delete(std::exchange(each, each->next));
        }
    }

    void* allocate(std::size_t bytes) override {
        const std::size_t which = class_of(bytes);
        if (which >= classes) return ::operator new(bytes);
        if (free_frame* const taken = free_[which]) {
            free_[which] = taken->next;
            return taken;
        }
        return ::operator new((which + 1) * granule);
    }
    void release(void* memory, std::size_t bytes) noexcept override {
        const std::size_t which = class_of(bytes);
        if (which >= classes) return ::operator delete(memory);
        free_[which] = new (memory) free_frame{free_[which]};
    }

 private:
    struct free_frame {
        free_frame* next;
    };
    static constexpr std::size_t granule = 8;
    static constexpr std::size_t classes = 512;
    static constexpr std::size_t class_of(std::size_t bytes) noexcept { return (bytes - 1) / granule; }

    std::array<free_frame*, classes> free_{};
};

}  // namespace naru::http
