// What holds for the connections of one listener.
#pragma once

#include <naru/http/server/tls_credentials.hpp>

#include <memory>
#include <utility>

namespace naru::http {

struct connection_terms {
    connection_terms(std::shared_ptr<tls_credentials> by = nullptr, bool proxied = false) noexcept
        : tls(std::move(by)), proxy_protocol(proxied) {}
    /// What stands before their sockets; nullptr: nothing.
    std::shared_ptr<tls_credentials> tls;
    /// Each begins with a header of the PROXY protocol, before that.
    bool proxy_protocol;
};

}  // namespace naru::http
