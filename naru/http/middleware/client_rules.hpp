// Which clients may ask, and how often: for site::before. A client is exchange::client.
#pragma once

#include <naru/http/exchange/exchange.hpp>
#include <naru/http/server/client_rates.hpp>
#include <naru/os/address.hpp>
#include <naru/os/network.hpp>

#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace naru::http {

/// 403 for clients who may not ask. Of all networks with the client's address the most specific one counts;
/// of two that are the same, that it is denied. Who is in none may ask unless there are allowed ones. So may,
/// and may not, who has no address: by a socket of the UNIX domain that is no trusted proxy's. Allocates
/// nothing.
class address_rules {
 public:
    address_rules(std::span<const network> allowed, std::span<const network> denied);

    bool allows(const std::optional<address>& client) const noexcept;
    void operator()(exchange& x) const noexcept;

 private:
    std::shared_ptr<const network_table> table_;
    bool otherwise_;
};

/// 429 with Retry-After (RFC 6585, section 4) for clients that ask too often. `limit` may be shared: by
/// hosts, or with other sites. Who has no address is not counted. Allocates nothing for who is admitted.
class rate_limit {
 public:
    explicit rate_limit(std::shared_ptr<client_rates> limit) noexcept : limit_(std::move(limit)) {}
    /// Throws std::invalid_argument for a rate that cannot be.
    explicit rate_limit(rate limit) : rate_limit(std::make_shared<client_rates>(limit)) {}

    void operator()(exchange& x) const noexcept;

 private:
    std::shared_ptr<client_rates> limit_;
};

}  // namespace naru::http
