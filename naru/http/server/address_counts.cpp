#include <naru/http/server/address_counts.hpp>

#include <naru/core/check.hpp>
#include <naru/loop/environment.hpp>

#include <new>

namespace naru::http {

// splitmix64's finalizer: every bit of the input reaches every bit of the output.
std::size_t address_counts::seeded::operator()(std::uint64_t network) const noexcept {
    std::uint64_t mixed = network ^ seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return static_cast<std::size_t>(mixed ^ (mixed >> 31));
}

address_counts::address_counts() : places_(0, seeded{environment::current().entropy()}) {}

std::uint32_t address_counts::add(std::uint64_t network) noexcept {
    try {
        const auto [found, is_new] = places_.try_emplace(network, free_);
        if (!is_new) {
            ++entries_[found->second].connections;
            return found->second;
        }
        if (free_ == none) {
            try {
                entries_.push_back({network, 1, none});
            } catch (...) {
                places_.erase(found);
                throw;
            }
            found->second = static_cast<std::uint32_t>(entries_.size() - 1);
        } else {
            free_ = entries_[found->second].next_free;
            entries_[found->second] = {network, 1, none};
        }
        return found->second;
    } catch (const std::bad_alloc&) {
        return none;
    }
}

void address_counts::remove(std::uint32_t place) noexcept {
    if (place == none) return;
    entry& one = entries_[place];
    NARU_ASSERT(one.connections > 0);
    if (--one.connections > 0) return;
    places_.erase(one.network);
    one.next_free = free_;
    free_ = place;
}

}  // namespace naru::http
