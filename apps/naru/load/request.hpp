// The request that a run sends, and where to: a URL in, an address and the request's bytes out.
#pragma once

#include <naru/os/address.hpp>

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace naru::load {

/// An error in words, for one line on the terminal.
template <class T>
using or_words = std::expected<T, std::string>;

struct url {
    std::string host;  ///< without brackets
    std::uint16_t port = 80;
    bool secure = false;       ///< https
    std::string authority;     ///< as it stands in Host: the port only if it is not the scheme's
    std::string target = "/";  ///< path and query
};

/// An absolute http:// or https:// URL (RFC 3986). A fragment is dropped; user information is an error.
or_words<url> parse_url(std::string_view text);

/// The addresses of a name, in the resolver's order (getaddrinfo(3)); blocks.
or_words<std::vector<address>> resolve(const url& where);

struct request_settings {
    std::string method = "GET";
    std::vector<std::string> headers;  ///< "Name: value"; one named Host takes the place of ours
    std::optional<std::string> body;
    bool close = false;  ///< adds Connection: close
};

/// The bytes of the request. Errors: a method or header that would not be one.
or_words<std::string> build_request(const url& where, const request_settings& settings);

/// Source addresses: "127.0.0.2", "127.0.0.2-127.0.0.9", or several with commas. Each is bound once to see
/// that it can be. Errors: what does not parse, is of another family than `target`, or is not this machine's.
or_words<std::vector<address>> parse_sources(std::string_view text, const address& target);

/// Addresses of 127/8 after 127.0.0.1, enough for this many connections to one loopback target.
std::vector<address> loopback_sources(std::uint64_t connections);

/// Connections that one source address should have to one target. Ports are given out in two halves of
/// net.ipv4.ip_local_port_range (28,232 by default): odd and even ones. Once a half is used up, each
/// connect(2) looks at all of it before it goes to the other.
inline constexpr std::uint64_t connections_per_source = 12'000;

}  // namespace naru::load
