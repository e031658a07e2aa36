// How often each client may do something: token buckets in a table of fixed size.
#pragma once

#include <naru/core/clock.hpp>
#include <naru/http/limits.hpp>
#include <naru/os/address.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace naru::http {

/// So many a second, and so many at once after a rest.
struct rate {
    double per_second = 0;  ///< from 0.001 to a million
    unsigned burst = 1;     ///< at least 1
};

/// Shared by all loops: any thread may ask, without a lock, and nothing is allocated after the constructor. A
/// client is an IPv4 address or an IPv6 /64 (address::network). When the table is full the client that has
/// rested for longest gives way, and begins anew when it comes back: who has a million addresses can forget
/// others' debts so, and cannot make anybody wait. Two threads that ask about a new client in the same moment
/// may both admit it.
class client_rates {
 public:
    /// Throws std::invalid_argument for a rate that cannot be. `clients` is rounded up to a power of two.
    explicit client_rates(rate limit, std::size_t clients = limits::rated_clients);
    client_rates(const client_rates&) = delete;
    client_rates& operator=(const client_rates&) = delete;

    /// Takes a token of the client's. Nothing: admitted; else after how long there is one.
    std::optional<duration> ask(std::uint64_t network, instant now) noexcept;
    /// The same without an address (a peer of the UNIX domain): always admitted.
    std::optional<duration> ask(const std::optional<address>& client, instant now) noexcept {
        return client ? ask(client->network(), now) : std::nullopt;
    }

 private:
    // When its bucket is full again, in nanoseconds: all that a bucket's state is (GCRA). 0: nobody.
    struct bucket {
        std::atomic<std::uint64_t> network{0};
        std::atomic<std::int64_t> full_at{0};
    };
    static constexpr std::size_t ways = 8;  // a client's places in the table

    bucket& place_of(std::uint64_t network, std::int64_t now) noexcept;

    std::uint64_t seed_;
    std::int64_t between_;    // tokens
    std::int64_t tolerance_;  // how far ahead full_at may be
    std::size_t sets_;
    std::unique_ptr<bucket[]> buckets_;
};

}  // namespace naru::http
