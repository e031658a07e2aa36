#include <naru/http/server/client_rates.hpp>

#include <naru/loop/environment.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <stdexcept>

namespace naru::http {

namespace {

// splitmix64's finalizer; with a seed, so that nobody can choose networks that collide.
std::uint64_t mixed(std::uint64_t value) noexcept {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

}  // namespace

client_rates::client_rates(rate limit, std::size_t clients) : seed_(environment::current().entropy()) {
    if (!(limit.per_second >= 0.001 && limit.per_second <= 1e6) || limit.burst < 1 || limit.burst > 1'000'000)
        throw std::invalid_argument(
            "a rate wants between 0.001 and 1000000 a second, and a burst between 1 and 1000000");
    between_ = std::llround(1e9 / limit.per_second);
    tolerance_ = between_ * static_cast<std::int64_t>(limit.burst - 1);
    sets_ = std::bit_ceil(std::max(clients, ways)) / ways;
    buckets_ = std::make_unique<bucket[]>(sets_ * ways);
}

// The client's own bucket, or the one of its set that has been full for longest.
client_rates::bucket& client_rates::place_of(std::uint64_t network, std::int64_t now) noexcept {
    bucket* const set = &buckets_[(mixed(network ^ seed_) & (sets_ - 1)) * ways];
    while (true) {
        bucket* oldest = set;
        std::int64_t oldest_full = INT64_MAX;
        for (bucket* each = set; each != set + ways; ++each) {
            if (each->network.load(std::memory_order_relaxed) == network) return *each;
            const std::int64_t full = each->full_at.load(std::memory_order_relaxed);
            if (full < oldest_full) {
                oldest = each;
                oldest_full = full;
            }
        }
        std::uint64_t whose = oldest->network.load(std::memory_order_relaxed);
        if (whose == network) return *oldest;
        if (!oldest->network.compare_exchange_strong(whose, network, std::memory_order_relaxed)) continue;
        std::int64_t full = oldest_full;  // unless the other one has asked meanwhile
        oldest->full_at.compare_exchange_strong(full, now, std::memory_order_relaxed);
        return *oldest;
    }
}

std::optional<duration> client_rates::ask(std::uint64_t network, instant now) noexcept {
    const std::int64_t at =
        std::chrono::duration_cast<std::chrono::nanoseconds>(now.time_since_epoch()).count();
    // 0 is nobody's network: no client comes from ::/64, and those of IPv4 are mapped.
    bucket& own = place_of(network == 0 ? ~std::uint64_t{0} : network, at);
    std::int64_t full = own.full_at.load(std::memory_order_relaxed);
    while (true) {
        const std::int64_t begins = std::max(full, at);
        if (begins - at > tolerance_) return std::chrono::nanoseconds(begins - at - tolerance_);
        if (own.full_at.compare_exchange_weak(full, begins + between_, std::memory_order_relaxed))
            return std::nullopt;
    }
}

}  // namespace naru::http
