#include <naru/http/websocket/outgoing.hpp>

#include <new>

namespace naru::websocket {

out_frame* make_own_frame(std::size_t payload) noexcept {
    std::size_t bytes = sizeof(out_frame) + payload;
    std::byte* const block = acquire_block(bytes);
    if (block == nullptr) return nullptr;
    auto* const frame = new (block) out_frame;
    frame->block = bytes;
    return frame;
}

out_frame* make_shared_frame(const prepared_message& what) noexcept {
    std::size_t bytes = sizeof(shared_out_frame);
    std::byte* const block = acquire_block(bytes);
    if (block == nullptr) return nullptr;
    auto* const frame = new (block) shared_out_frame(what);
    frame->block = bytes;
    return frame;
}

void free_frame(out_frame& frame) noexcept {
    const std::size_t bytes = frame.block;
    if (frame.whose == out_frame::memory::shared) static_cast<shared_out_frame&>(frame).~shared_out_frame();
    release_block(reinterpret_cast<std::byte*>(&frame), bytes);
}

out_frame* out_queue::take_oldest(std::size_t leaving) noexcept {
    out_frame* before = nullptr;
    out_frame* each = first_;
    for (; each != nullptr; before = each, each = each->next) {
        if (leaving > 0) {
            --leaving;
            continue;
        }
        if (!each->control && each->whose != out_frame::memory::lent) break;
    }
    if (each == nullptr) return nullptr;
    (before == nullptr ? first_ : before->next) = each->next;
    if (last_ == each) last_ = before;
    bytes_ -= each->size();
    return each;
}

}  // namespace naru::websocket
