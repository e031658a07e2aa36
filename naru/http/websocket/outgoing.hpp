// What waits to be sent on one WebSocket: frames in their order, in memory of their own, of somebody else, or
// shared with other connections.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/http/websocket/message.hpp>

#include <cstddef>
#include <cstdint>

namespace naru::websocket {

/// A frame, or a message's only one.
struct out_frame {
    enum class memory : std::uint8_t { own, shared, lent };

    out_frame* next = nullptr;
    slice head;  ///< the frame's head; the whole frame where that is in one piece
    slice payload;
    std::size_t block = 0;  ///< own: the size of the block that this lies at the front of
    memory whose = memory::own;
    bool control = false;  ///< is never dropped

    std::size_t size() const noexcept { return head.size + payload.size; }
};

/// In a block of its own.
struct shared_out_frame : out_frame {
    explicit shared_out_frame(prepared_message what) noexcept : kept(std::move(what)) {
        whose = memory::shared;
        head = slice(kept.frame());
    }
    prepared_message kept;
};

/// An empty frame in a block that has `payload` bytes behind it; nullptr without memory.
out_frame* make_own_frame(std::size_t payload) noexcept;
/// Where an own frame's bytes begin.
inline std::byte* own_bytes(out_frame& frame) noexcept {
    return reinterpret_cast<std::byte*>(&frame) + sizeof(out_frame);
}
/// nullptr without memory.
out_frame* make_shared_frame(const prepared_message& what) noexcept;
/// Of own and shared ones.
void free_frame(out_frame& frame) noexcept;

/// First in, first out; the first `leaving` of them are in a send that is under way.
class out_queue {
 public:
    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t bytes() const noexcept { return bytes_; }
    /// How many control frames it holds.
    std::size_t controls() const noexcept { return controls_; }
    out_frame* front() noexcept { return first_; }

    void push(out_frame& frame) noexcept {
        frame.next = nullptr;
        (first_ == nullptr ? first_ : last_->next) = &frame;
        last_ = &frame;
        bytes_ += frame.size();
        controls_ += frame.control ? 1 : 0;
    }
    /// The front, which has been sent.
    out_frame& pop() noexcept {
        out_frame& frame = *first_;
        first_ = frame.next;
        if (first_ == nullptr) last_ = nullptr;
        bytes_ -= frame.size();
        controls_ -= frame.control ? 1 : 0;
        return frame;
    }
    /// Takes out the oldest message behind the first `leaving` frames that may be dropped; nullptr if there
    /// is none.
    out_frame* take_oldest(std::size_t leaving) noexcept;

 private:
    out_frame* first_ = nullptr;
    out_frame* last_ = nullptr;
    std::size_t bytes_ = 0;
    std::uint32_t controls_ = 0;
};

}  // namespace naru::websocket
