// Whose word counts on whom a connection or a request comes from.
#pragma once

#include <naru/os/address.hpp>
#include <naru/os/network.hpp>

#include <span>
#include <string_view>

namespace naru::http {

/// Addresses of proxies, and the fields by which they tell of their clients. Immutable; any thread.
class trusted_proxies {
 public:
    /// Which fields they set, and keep clients from setting. One kind only: what a proxy does not know of it
    /// passes on as its client has written it.
    enum class fields : std::uint8_t {
        none,         ///< the PROXY protocol alone
        x_forwarded,  ///< X-Forwarded-For and X-Forwarded-Proto
        forwarded,    ///< Forwarded (RFC 7239)
    };

    trusted_proxies() = default;
    /// `local`: who comes by a socket of the UNIX domain, too.
    explicit trusted_proxies(std::span<const network> from, fields by = fields::x_forwarded,
                             bool local = false);
    /// "10.0.0.0/8", "2001:db8::1", "unix". Throws std::invalid_argument.
    explicit trusted_proxies(std::span<const std::string_view> texts, fields by = fields::x_forwarded);

    bool trusts(const address& peer) const noexcept { return table_.at(peer, 0) != 0; }
    bool trusts_local() const noexcept { return local_; }
    fields told_by() const noexcept { return by_; }

 private:
    network_table table_;
    fields by_ = fields::x_forwarded;
    bool local_ = false;
};

}  // namespace naru::http
