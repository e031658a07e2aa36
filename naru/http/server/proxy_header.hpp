// The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt), before a connection's
// first byte: on whose behalf it comes.
#pragma once

#include <naru/http/limits.hpp>
#include <naru/os/address.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace naru::http {

/// Takes a header apart as it comes, in pieces of any size, and never a byte more: what follows is TLS' or
/// HTTP's. Allocates nothing.
class proxy_header {
 public:
    proxy_header() noexcept {
    }  // NOLINT(modernize-use-equals-default): what has not come is not written, either
    proxy_header(const proxy_header&) = delete;  // it is looked into by views
    proxy_header& operator=(const proxy_header&) = delete;

    enum class state : std::uint8_t { need_more, complete, malformed };

    /// How many bytes are the header's for certain; at least 1 while it needs more.
    std::size_t wants() const noexcept;
    /// `bytes`: at most so many.
    state take(std::string_view bytes) noexcept;

    bool begun() const noexcept { return size_ > 0; }
    /// Once complete: the proxy speaks for itself (LOCAL: a look at our health; UNKNOWN), so that the client
    /// is the connection's peer.
    bool is_of_the_proxy() const noexcept { return of_the_proxy_; }
    /// Else the client; nothing if it is none of the Internet (a socket of the UNIX domain).
    const std::optional<address>& client() const noexcept { return client_; }

    /// What the proxy adds to version 2, as long as this lives: whether its client speaks TLS with it and
    /// which version ("TLSv1.3"; PP2_TYPE_SSL), and what it calls the connection (PP2_TYPE_UNIQUE_ID, at most
    /// 128 bytes). What is longer than it says, and types of others, are passed over.
    bool is_secure() const noexcept { return secure_; }
    std::string_view tls_version() const noexcept { return tls_version_; }
    std::string_view unique_id() const noexcept { return unique_id_; }

 private:
    static constexpr std::size_t longest_1 = 107;

    state read_1() noexcept;
    state read_2() noexcept;
    void read_additions(std::string_view behind_addresses) noexcept;
    void read_tls(std::string_view value) noexcept;
    bool is_2() const noexcept;
    std::string_view text() const noexcept { return {kept_.data(), kept_size()}; }
    std::size_t kept_size() const noexcept { return size_ < kept_.size() ? size_ : kept_.size(); }
    std::size_t size_of_2() const noexcept;

    std::array<char, limits::proxy_header_bytes> kept_;  // as far as it has come
    std::size_t size_ = 0;                               // what has come of it
    std::optional<address> client_;
    std::string_view tls_version_;
    std::string_view unique_id_;
    bool of_the_proxy_ = false;
    bool secure_ = false;
};

}  // namespace naru::http
