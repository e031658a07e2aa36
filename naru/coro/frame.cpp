#include <naru/coro/frame.hpp>

namespace naru {

constinit thread_local frame_pool* frame_pool::current_ = nullptr;

namespace {

// Lies in the memory that goes home.
struct returning : posted {
    returning(void* frame, std::size_t frame_bytes, frame_pool& to) noexcept
        : posted([](posted& self) noexcept {
              const auto each = static_cast<returning&>(self);
              each.pool->release(each.memory, each.bytes);
          }),
          memory(frame),
          bytes(frame_bytes),
          pool(&to) {}
    returning(const returning& other) noexcept
        : posted(other.run), memory(other.memory), bytes(other.bytes), pool(other.pool) {}
    void* memory;
    std::size_t bytes;
    frame_pool* pool;
};

}  // namespace

void frame_pool::post_back(void* memory, std::size_t bytes, frame_pool& from) noexcept {
    static_assert(sizeof(returning) <= 40);
    from.home_->post(*new (memory) returning(memory, bytes, from));
}

}  // namespace naru
