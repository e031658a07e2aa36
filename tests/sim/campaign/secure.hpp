// TLS for the campaign: certificates of its own, contexts of both sides, and connections with or without it.
#pragma once

#include <naru/http/http.hpp>
#include <naru/naru.hpp>
#include <naru/stream/tls/tls_context.hpp>

#include <memory>
#include <string>

namespace naru::campaign {

/// Whether this build speaks TLS and HTTP/2: everywhere but on Windows.
inline constexpr bool has_tls = http::speaks_http2;

/// For a world's life: its entropy is OpenSSL's, and the time of day that OpenSSL reads is its own.
class secrets {
 public:
    /// Makes the certificates, which takes a world of its own: once, before there is another.
    static void prepare();
    secrets();
    ~secrets();
    secrets(const secrets&) = delete;
    secrets& operator=(const secrets&) = delete;

    /// With ticket keys of its own, as a server has them that has just started.
    std::shared_ptr<http::tls_credentials> of_server() const;
    /// The same of the host with that address.
    std::shared_ptr<http::tls_credentials> of_proxy() const;
    tls_client_options of_client() const;
    /// A client's that asks for one protocol; nullptr if there is no TLS.
    const tls_context* http1() const noexcept;
    const tls_context* http2() const noexcept;

 private:
    struct state;
    std::unique_ptr<state> state_;
};

/// Connects, and shakes hands if there is a context to do it with.
task<result<tcp_stream>> reach(loop& on, std::string where, const tls_context* with);

}  // namespace naru::campaign
