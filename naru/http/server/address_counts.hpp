// How many connections each client address has. Only kept while there are so many connections in all that it
// matters (limits::crowded): looking an address up is a system call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace naru::http {

/// Counts by network: an IPv4 address, or an IPv6 /64 (address::network). Not thread-safe. Allocates when a
/// network is new.
class address_counts {
 public:
    static constexpr std::uint32_t none = ~0u;

    address_counts();

    /// Counts one more; the network's place, or `none` without memory for it.
    std::uint32_t add(std::uint64_t network) noexcept;
    /// One fewer. `none` is nobody's.
    void remove(std::uint32_t place) noexcept;
    std::uint32_t at(std::uint32_t place) const noexcept {
        return place == none ? 0 : entries_[place].connections;
    }

    /// Networks that have a connection.
    std::size_t size() const noexcept { return places_.size(); }

 private:
    struct entry {
        std::uint64_t network;
        std::uint32_t connections;
        std::uint32_t next_free;
    };
    struct seeded {  // so that nobody can choose networks that collide
        std::uint64_t seed;
        std::size_t operator()(std::uint64_t network) const noexcept;
    };

    std::vector<entry> entries_;
    std::uint32_t free_ = none;
    std::unordered_map<std::uint64_t, std::uint32_t, seeded> places_;
};

}  // namespace naru::http
