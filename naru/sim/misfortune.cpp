// What a world does to its programs: faults by their rates, partitions and crashes.
#include <naru/sim/world.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace naru::sim {

bool world::strikes(fault which) noexcept {
    const std::uint64_t one_in = options_.faults.one_in[which];
    if (one_in == 0 || random(one_in) != 0) return false;
    happened(which);
    return true;
}

std::vector<std::string_view> world::missed() const {
    std::vector<std::string_view> never;
    for (std::size_t each = 0; each < fault_kinds; ++each) {
        const auto which = static_cast<fault>(each);
        if (options_.faults.one_in[which] != 0 && happened_[which] == 0) never.push_back(name_of(which));
    }
    return never;
}

void world::partition(const host& one, const host& other, duration span) {
    link_table::link& between = links_.between(one, other);
    between.cut = true;
    const std::uint64_t number = ++between.cuts;
    happened(fault::partition);
    if (span == duration::max()) return;
    at(saturating_add(now_, span), [&between, number] {
        if (between.cuts == number) link_table::heal(between);
    });
}

void world::heal(const host& one, const host& other) {
    if (link_table::link* const between = links_.find(one, other)) link_table::heal(*between);
}

void world::heal() { links_.for_each(&link_table::heal); }

void world::set_link(const host& one, const host& other, duration longer, std::uint64_t one_lost_in) {
    link_table::link& between = links_.between(one, other);
    between.longer = longer;
    between.one_lost_in = one_lost_in;
}

void world::sever(host& of) {
    // By number: what is closed meanwhile is not there any more, and nothing is made.
    for (std::size_t each = 0; each < descriptors_.size(); ++each) {
        const socket_ref open = descriptors_[each];
        if (open != nullptr && open->at == &of) network_.sever(*open);
    }
}

void host::crash() {
    down_ = true;
    world_.happened(fault::crash);
    world_.note(name_ + " crashes");
    world_.sever(*this);
    for (auto each = files_.begin(); each != files_.end();) {
        const bool stays = lose_unsynced(*each->second);
        each = stays ? std::next(each) : files_.erase(each);
    }
}

void host::restart() {
    down_ = false;
    world_.happened(fault::restart);
    world_.note(name_ + " restarts");
}

// What was not synced is lost, or has been written, each write by itself. False if the file itself is lost.
bool host::lose_unsynced(stored_file& of) {
    if (of.unsynced.empty()) return of.durable;
    for (auto each = of.unsynced.rbegin(); each != of.unsynced.rend(); ++each) {
        of.bytes.resize(std::max(of.bytes.size(), each->offset + each->before.size()));
        std::copy(each->before.begin(), each->before.end(),
                  of.bytes.begin() + static_cast<std::ptrdiff_t>(each->offset));
        of.bytes.resize(each->size_before);
    }
    for (const stored_file::write& each : of.unsynced) {
        if (world_.random(2) == 0) {
            world_.happened(fault::write_lost);
            continue;
        }
        if (each.truncates) of.bytes.clear();
        const std::size_t end = each.offset + each.after.size();
        if (of.bytes.size() < end) of.bytes.resize(end);
        std::copy(each.after.begin(), each.after.end(),
                  of.bytes.begin() + static_cast<std::ptrdiff_t>(each.offset));
    }
    of.unsynced.clear();
    of.unsynced_bytes = 0;
    return of.durable;
}

void host::jump_clock(duration by) noexcept {
    clock_offset_ += by;
    world_.happened(fault::clock_jump);
}

}  // namespace naru::sim
