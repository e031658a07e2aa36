#include <naru/loop/timers.hpp>

#include <algorithm>
#include <bit>

namespace naru {

namespace {

void move_all(list_head& from, list_head& to) noexcept {
    if (from.empty()) return;
    list_node* first = from.next_node;
    list_node* last = from.previous_node;
    from.next_node = from.previous_node = &from;
    first->previous_node = to.previous_node;
    to.previous_node->next_node = first;
    last->next_node = &to;
    to.previous_node = last;
}

}  // namespace

timer_wheel::timer_wheel(instant start, duration resolution) noexcept
    : start_(start), resolution_ns_(resolution.count()) {}

timer_wheel::~timer_wheel() {
    for (level_slots& level : levels_) {
        for (list_head& head : level.heads) {
            while (head.pop_front() != nullptr) {
            }
        }
    }
    while (due_.pop_front() != nullptr) {
    }
}

timer_wheel::tick timer_wheel::tick_of(instant deadline) const noexcept {
    if (deadline <= start_) return 0;
    const auto since = static_cast<std::uint64_t>((deadline - start_).count());
    const auto resolution = static_cast<tick>(resolution_ns_);
    return (since + (resolution - 1)) / resolution;  // rounded up: never early
}

void timer_wheel::insert(timer& each) noexcept {
    constexpr tick horizon = (tick{1} << (levels * slot_bits)) - 1;
    const tick when = std::min(tick_of(each.deadline), now_ | horizon);
    if (when <= now_) {
        due_.push_back(each);
        return;
    }
    // The level is where `when` and `now_` first differ: all slots of that level up to it lie in the future.
    const unsigned level = (63u - static_cast<unsigned>(std::countl_zero(when ^ now_))) / slot_bits;
    const unsigned slot = static_cast<unsigned>(when >> (level * slot_bits)) & (slots - 1);
    levels_[level].heads[slot].push_back(each);
    levels_[level].occupied |= std::uint64_t{1} << slot;
}

void timer_wheel::arm(timer& each, instant deadline) noexcept {
    if (deadline == never) {
        disarm(each);
        return;
    }
    if (each.linked()) {
        if (deadline >= each.deadline) {
            each.deadline = deadline;
            return;
        }
        each.unlink();
    }
    each.deadline = deadline;
    insert(each);
}

void timer_wheel::disarm(timer& each) noexcept {
    if (each.linked()) each.unlink();
    each.deadline = never;
}

bool timer_wheel::next_slot(unsigned& level, unsigned& slot, tick& when) noexcept {
    for (level = 0; level < levels; ++level) {
        std::uint64_t& occupied = levels_[level].occupied;
        while (occupied != 0) {
            slot = static_cast<unsigned>(std::countr_zero(occupied));
            if (!levels_[level].heads[slot].empty()) {
                const tick group = now_ >> ((level + 1) * slot_bits) << ((level + 1) * slot_bits);
                when = group | (tick{slot} << (level * slot_bits));
                return true;
            }
            occupied &= occupied - 1;  // emptied by disarm
        }
    }
    return false;
}

instant timer_wheel::next() noexcept {
    if (!due_.empty()) return start_ + duration(static_cast<std::int64_t>(now_) * resolution_ns_);
    unsigned level = 0;
    unsigned slot = 0;
    tick when = 0;
    if (!next_slot(level, slot, when)) return never;
    return start_ + duration(static_cast<std::int64_t>(when) * resolution_ns_);
}

std::size_t timer_wheel::fire(list_head& due) noexcept {
    std::size_t fired = 0;
    // Popped one by one: a handler may disarm or destroy any timer that is still in `due`.
    while (list_node* node = due.pop_front()) {
        auto& each = static_cast<timer&>(*node);
        if (tick_of(each.deadline) > now_) {  // pushed back since it was put here
            insert(each);
            continue;
        }
        each.deadline = never;
        each.on_expire(each);
        ++fired;
    }
    return fired;
}

std::size_t timer_wheel::expire(instant now) noexcept {
    // Several waits may end within one tick of the wheel.
    const bool same_tick = now - start_ < duration(static_cast<std::int64_t>(now_ + 1) * resolution_ns_);
    if (same_tick && due_.empty()) return 0;
    const tick target = now <= start_ ? 0 : static_cast<tick>((now - start_).count() / resolution_ns_);
    std::size_t fired = 0;
    list_head due;
    move_all(due_, due);  // what a handler arms for "now" waits for the next call: no endless loop here
    fired += fire(due);
    unsigned level = 0;
    unsigned slot = 0;
    tick when = 0;
    while (next_slot(level, slot, when) && when <= target) {
        now_ = std::max(now_, when);
        move_all(levels_[level].heads[slot], due);
        levels_[level].occupied &= ~(std::uint64_t{1} << slot);
        if (level == 0) {
            fired += fire(due);
        } else {
            // Down to finer levels; those due exactly now land in due_ and are fired with their equals.
            while (list_node* node = due.pop_front())
                insert(static_cast<timer&>(*node));
            move_all(due_, due);
            fired += fire(due);
        }
    }
    now_ = std::max(now_, target);
    return fired;
}

}  // namespace naru
