// URLs, as a client needs them (RFC 3986; RFC 9110, section 4.2).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace naru::http {

/// An absolute http or https URL, taken apart. The fragment is dropped: it is not the server's.
class url {
 public:
    url() = default;

    /// "http://host:port/path?query". Bytes that no URL has (spaces, non-ASCII) are percent-encoded; the
    /// error says in words what is wrong. User information ("user:password@") is refused.
    static std::expected<url, const char*> parse(std::string_view text);

    /// What a reference found in an answer of this URL leads to (RFC 3986, section 5.2): another URL, or
    /// "//host/path", "/path", "path", "?query".
    std::expected<url, const char*> resolve(std::string_view reference) const;

    bool secure() const noexcept { return secure_; }
    /// In lower case; an IPv6 address without its brackets.
    const std::string& host() const noexcept { return host_; }
    std::uint16_t port() const noexcept { return port_; }
    /// Path and query: what stands in the request line. Never empty.
    const std::string& target() const noexcept { return target_; }

    /// For the Host field: host, and port if it is not the scheme's.
    std::string authority() const;
    /// scheme://host:port, the same for all URLs that one connection may serve.
    std::string origin() const;
    // The same, behind what is in `to`.
    void append_authority(std::string& to) const;
    void append_origin(std::string& to) const;
    void append_text(std::string& to) const;
    bool same_origin(const url& other) const noexcept {
        return secure_ == other.secure_ && port_ == other.port_ && host_ == other.host_;
    }
    std::string text() const;

 private:
    const char* take_authority(std::string_view authority);

    std::string host_;
    std::string target_ = "/";
    std::uint16_t port_ = 80;
    bool secure_ = false;
};

}  // namespace naru::http
