#include <naru/http/server/address_counts.hpp>

#include <naru/core/check.hpp>
#include <naru/loop/environment.hpp>

#include <algorithm>
#include <bit>
#include <new>

namespace naru::http {

namespace {

// splitmix64's finalizer: every bit of the input reaches every bit of the output.
std::uint64_t mix(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

}  // namespace

address_counts::address_counts(std::size_t networks) noexcept
    : block_count_(std::bit_ceil(std::clamp<std::size_t>(networks, 1, std::size_t{1} << 24)) / block_buckets),
      seed_(environment::current().entropy()) {
    if (block_count_ == 0) block_count_ = 1;
}

// Throws std::bad_alloc.
std::uint32_t& address_counts::bucket_of(std::uint64_t network) {
    if (blocks_.empty()) blocks_.resize(block_count_);
    const std::uint64_t mixed = mix(network ^ seed_);
    std::unique_ptr<block>& home = blocks_[mixed / block_buckets % block_count_];
    if (home == nullptr) {
        home = std::make_unique<block>();
        home->fill(none);
    }
    return (*home)[mixed % block_buckets];
}

std::uint32_t address_counts::add(std::uint64_t network) noexcept try {
    std::uint32_t& first = bucket_of(network);
    for (std::uint32_t place = first; place != none; place = entries_[place].next) {
        if (entries_[place].network != network) continue;
        ++entries_[place].connections;
        return place;
    }
    std::uint32_t place = free_;
    if (place == none) {
        place = static_cast<std::uint32_t>(entries_.size());
        entries_.push_back({network, 1, first});
    } else {
        free_ = entries_[place].next;
        entries_[place] = {network, 1, first};
    }
    first = place;
    ++size_;
    return place;
} catch (const std::bad_alloc&) {
    return none;
}

void address_counts::remove(std::uint32_t place) noexcept {
    if (place == none) return;
    entry& one = entries_[place];
    NARU_ASSERT(one.connections > 0);
    if (--one.connections > 0) return;
    std::uint32_t* link = &bucket_of(one.network);  // its block is there
    while (*link != place)
        link = &entries_[*link].next;
    *link = one.next;
    one.next = free_;
    free_ = place;
    --size_;
}

}  // namespace naru::http
