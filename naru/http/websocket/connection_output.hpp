// What waits to be sent, and the send under way, for the sources of connection.
#pragma once

#include <naru/http/websocket/connection.hpp>

#include <array>

namespace naru::websocket {

/// In a block that is there while something is to be sent.
struct connection::output : send_operation {
    explicit output(connection& of) noexcept
        : send_operation([](operation& op) noexcept { static_cast<output&>(op).owner.on_sent(); }),
          owner(of) {}
    ~output() = default;

    /// Before the first load of a send.
    void begin(instant now) noexcept {
        since = now;
        seen = 0;
        frames = pieces = 0;
        last = nullptr;
        under_way = true;
    }
    /// Takes more frames from the queue; those it has had before are unchanged.
    void load() noexcept;
    /// Whether nothing has gone for so long. Looks at what has gone.
    bool stands_still(instant now, duration span) noexcept;
    /// Whether the block can be given back.
    bool is_done() const noexcept { return queue.empty() && senders.empty() && !under_way; }

    connection& owner;
    out_queue queue;
    list_head senders;         // who waits for room, the first first
    instant since;             // when bytes were last seen to go
    std::uint64_t seen = 0;    // how many by then
    std::uint32_t frames = 0;  // of the send: the first ones of the queue
    std::uint32_t pieces = 0;
    out_frame* last = nullptr;
    bool under_way = false;  // the send
    // As many of them as there are: nothing is done for the others.
    union {
        std::array<slice, 2 * limits::frames_per_send> list;
    };
};

inline bool connection::queue_empty() const noexcept { return output_ == nullptr || output_->queue.empty(); }
inline bool connection::sending() const noexcept { return output_ != nullptr && output_->under_way; }
inline bool connection::somebody_waits_to_send() const noexcept {
    return output_ != nullptr && !output_->senders.empty();
}
/// Answers to pings that the peer does not take.
inline bool connection::too_many_controls() const noexcept {
    return output_ != nullptr && output_->queue.controls() > limits::waiting_controls;
}

}  // namespace naru::websocket
