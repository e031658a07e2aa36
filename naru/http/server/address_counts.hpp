// How many connections each client address has. Only kept while there are so many connections in all that it
// may come to matter (limits::counted_from): looking an address up is a system call.
#pragma once

#include <naru/core/object_pool.hpp>
#include <naru/http/limits.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

namespace naru::http {

/// Counts by network: an IPv4 address, or an IPv6 /64 (address::network). Not thread-safe. Allocates when a
/// network is new, a little at a time: no call moves what other calls have stored.
class address_counts {
 public:
    static constexpr std::uint32_t none = ~0u;

    /// `networks`: about as many as there can be at once.
    explicit address_counts(std::size_t networks) noexcept;

    /// Counts one more; the network's place, or `none` without memory for it.
    std::uint32_t add(std::uint64_t network) noexcept;
    /// One fewer. `none` is nobody's.
    void remove(std::uint32_t place) noexcept;
    std::uint32_t at(std::uint32_t place) const noexcept {
        return place == none ? 0 : entries_[place].connections;
    }

    /// Networks that have a connection.
    std::size_t size() const noexcept { return size_; }

 private:
    struct entry {
        std::uint64_t network;
        std::uint32_t connections;
        std::uint32_t next;  // in its bucket, or of the free ones
    };
    // Buckets: the first entry of each. A block of them is made when it is needed.
    static constexpr std::size_t block_buckets = 1024;
    using block = std::array<std::uint32_t, block_buckets>;
    std::uint32_t& bucket_of(std::uint64_t network);

    std::deque<entry> entries_;
    std::vector<std::unique_ptr<block>> blocks_;
    std::size_t block_count_;
    std::uint64_t seed_;  // so that nobody can choose networks that collide
    std::uint32_t free_ = none;
    std::size_t size_ = 0;
};

/// When the connections of a pool are counted. All who connect from limits::counted_from on, and at each of
/// these accepts a few of those before, until they are all counted: nobody waits for a walk of the whole
/// pool.
class address_watch {
 public:
    /// `fresh` has been made in `all`, in which there can be `most`. Calls `count` for what is to be counted
    /// and may have been already. True: it is crowded (limits::crowded), and all are counted.
    template <class Connection, class Count>
    bool came(object_pool<Connection>& all, Connection& fresh, std::size_t most, Count count) {
        static_assert(object_pool<Connection>::part_objects <= limits::counted_per_accept);
        const std::size_t open = all.live();
        if (open <= limits::counted_from(most)) {
            if (open <= limits::counted_from(most) / 2) counting_ = false;
            if (!counting_) return false;
        } else if (!counting_) {
            counting_ = true;
            all_counted_ = false;
            part_ = 0;
        }
        count(fresh);
        if (!all_counted_) all_counted_ = !all.for_each_of(part_++, count);
        return open > limits::crowded(most);
    }

 private:
    std::size_t part_ = 0;  // of the pool, to be counted next
    bool counting_ = false;
    bool all_counted_ = false;
};

}  // namespace naru::http
