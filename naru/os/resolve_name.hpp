// Names to addresses, by the system's resolver. It blocks: for worker threads.
#pragma once

#include <naru/os/address.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace naru {

/// What the resolver says when it has no address. Their texts are for people.
enum class resolve_errc : int {
    name_unknown = 1,  ///< there is no such name, or it has no address
    resolver_silent,   ///< the name servers do not answer; later they may
    resolver_failed,   ///< an answer that cannot be used
};
std::error_code make_error_code(resolve_errc code) noexcept;

/// The addresses of a name, in the order in which they should be tried, `most` of them; of a numeric address
/// (IPv6 without brackets) that one, without asking anybody. getaddrinfo(3) cannot be cancelled, and may take
/// as long as the system's resolver is told to. Errors: resolve_errc, or the system's.
result<std::vector<address>> resolve_name(const std::string& host, std::uint16_t port, std::size_t most);

}  // namespace naru

template <>
struct std::is_error_code_enum<naru::resolve_errc> : std::true_type {};
