// Turns: thousands of connections with pipelined requests in one tick delay the others no longer than a few
// do. Each that comes has its first answer at once; what more one tick has room for goes to who asks first,
// and then to those who wait, in their order.
#include <naru/http/limits.hpp>
#include <naru/http/server/worker.hpp>

#include <algorithm>
#include <utility>

namespace naru::http {

worker::turns_post::turns_post(worker& of) noexcept
    : posted([](posted& self) noexcept {
          auto& due = static_cast<turns_post&>(self);
          due.queued = false;
          due.owner.give_turns();
      }),
      owner(of) {}

void worker::wait_for_turn(turn& who) noexcept {
    queued_.push_back(who.waiting);
    give_turns_soon();
}

void worker::wait_for_turn(h2::session::waiting_place& who) noexcept {
    queued_sessions_.push_back(who);
    give_turns_soon();
}

void worker::give_turns_soon() noexcept {
    if (std::exchange(turns_post_.queued, true)) return;
    loop_.defer(turns_post_);
}

// While buffers are scarce one at a time: the rest of the pool is for who has had nothing yet.
void worker::give_turns() noexcept {
    const bool scarce = is_scarce();
    const unsigned room = budget_.begin_turns(loop_.now());
    for (unsigned turns = scarce ? 1 : room; turns > 0 && !queued_.empty(); --turns) {
        auto& first = static_cast<turn::disk_step&>(static_cast<disk_waiter&>(*queued_.pop_front()));
        budget_.begin_turn();
        first.owner.owner.take_turn();
    }
    for (unsigned turns = std::min(room, limits::h2_turns_per_tick); turns > 0; --turns) {
        list_node* const first = queued_sessions_.pop_front();
        if (first == nullptr) break;
        static_cast<h2::session::waiting_place*>(first)->owner.take_turn();
    }
    budget_.end_turns();
    if (!queued_sessions_.empty() || (!queued_.empty() && !scarce)) return give_turns_soon();
    if (!queued_.empty()) look_soon();
}

}  // namespace naru::http
