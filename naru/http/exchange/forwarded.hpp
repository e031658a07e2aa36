// What proxies say of a request's client: X-Forwarded-For, X-Forwarded-Proto, and Forwarded (RFC 7239).
#pragma once

#include <naru/http/exchange/exchange.hpp>
#include <naru/http/server/trusted_proxies.hpp>
#include <naru/os/address.hpp>

#include <optional>
#include <string_view>

namespace naru::http::detail {

struct forwarded_facts {
    std::optional<address> client;  ///< as they name it (port 0 if they name none); else the sender
    std::string_view scheme;        ///< "https", as it came; empty if they do not say
};

/// Read from the right: the sender is trusted, and says who came to it; while that is a trusted proxy, too,
/// what it has said counts. A name that is no address ends the way there. The scheme is the one that was said
/// of the hop of the client, or the last one if there are not as many as hops. `sender`: none if it is of the
/// UNIX domain.
forwarded_facts read_forwarded(const field_list& fields, const trusted_proxies& by,
                               const std::optional<address>& sender) noexcept;

}  // namespace naru::http::detail
