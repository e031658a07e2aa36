#include <naru/sim/links.hpp>

#include <naru/sim/host.hpp>

#include <algorithm>
#include <utility>

namespace naru::sim {

namespace {

std::pair<std::uint64_t, std::uint64_t> key_of(const host& one, const host& other) noexcept {
    return std::minmax({one.number(), other.number()});
}

}  // namespace

link_table::link& link_table::between(const host& one, const host& other) {
    return links_[key_of(one, other)];
}

link_table::link* link_table::find(const host& one, const host& other) noexcept {
    if (links_.empty()) return nullptr;
    const auto found = links_.find(key_of(one, other));
    return found == links_.end() ? nullptr : &found->second;
}

void link_table::for_each(const std::function<void(link&)>& call) {
    for (auto& [key, each] : links_)
        call(each);
}

void link_table::heal(link& of) {
    of.cut = false;
    for (auto& each : std::exchange(of.waiting, {}))
        each();
}

}  // namespace naru::sim
