// Many WebSockets that get the same messages.
#pragma once

#include <naru/core/intrusive.hpp>
#include <naru/http/websocket/peer.hpp>

#include <cstddef>

namespace naru::websocket {

/// The WebSockets of one loop that belong together; on its thread. A room over several loops is one on each,
/// and a post of the prepared message to the others (examples/chat.cpp). Must outlive its members.
class room {
 public:
    room() noexcept = default;
    ~room() {
        if (!members_.empty()) fatal("bug: a WebSocket room ended before its members");
    }
    room(const room&) = delete;
    room& operator=(const room&) = delete;

    /// In the room as long as it lives: a local of the handler. `of` stays where it is, and open or not,
    /// until then.
    class member : private list_node {
     public:
        member(room& in, peer& of) noexcept : in_(&in), peer_(&of) {
            in.members_.push_back(*this);
            ++in.count_;
        }
        ~member() {
            unlink();
            --in_->count_;
        }
        member(const member&) = delete;
        member& operator=(const member&) = delete;

     private:
        friend class room;
        room* in_;
        peer* peer_;
    };

    std::size_t size() const noexcept { return count_; }

    /// Queues the message for all members, in the memory of one. How many have got it: not those who have
    /// closed, and not those whose queue is full under send_policy::wait, since nobody waits here.
    std::size_t broadcast(const prepared_message& what) noexcept {
        std::size_t reached = 0;
        for (list_node* each = members_.next_node; each != &members_; each = each->next_node) {
            if (static_cast<member*>(each)->peer_->try_send(what)) ++reached;
        }
        return reached;
    }

 private:
    list_head members_;
    std::size_t count_ = 0;
};

}  // namespace naru::websocket
