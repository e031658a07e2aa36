// What TLS connections have in common: certificates, keys and policy.
#pragma once

#include <naru/stream/tls/tls_ticket_keys.hpp>

#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru {

namespace detail {
struct tls_state;
}

/// A certificate with its key, in files in PEM form.
struct tls_certificate {
    std::string chain_file;  ///< the certificate, then those that issued it, each by the next; no root
    std::string key_file;    ///< not encrypted
    std::string
        staple_file;  ///< an OCSP response in DER form, given to clients that ask (RFC 6066); optional

    tls_certificate(std::string chain, std::string key, std::string staple = {})
        : chain_file(std::move(chain)), key_file(std::move(key)), staple_file(std::move(staple)) {}
};

enum class tls_client_certificates : unsigned char {
    none,      ///< clients are not asked
    optional,  ///< asked; who shows one must show a valid one
    required,
};

/// What is asked of the clients of one name.
struct tls_host_policy {
    std::string name;  ///< as in a certificate: "*.example.org" stands for one label
    tls_client_certificates client_certificates = tls_client_certificates::required;
    std::string client_ca_file;

    tls_host_policy(std::string of, std::string ca_file,
                    tls_client_certificates asked = tls_client_certificates::required)
        : name(std::move(of)), client_certificates(asked), client_ca_file(std::move(ca_file)) {}
};

/// How to be a server.
struct tls_server_options {
    /// At least one, or self_signed. The name that a client asks for (SNI) chooses among them by the names in
    /// them, exact ones before wildcards; without one, or with one that none has, the first is shown. Those
    /// of different kinds of key (ECDSA, RSA, Ed25519) for the same name stand side by side, and the client's
    /// abilities choose.
    std::vector<tls_certificate> certificates;
    /// For trying: names, and addresses in numbers, for which a certificate is made in memory that nobody
    /// vouches for. Instead of files.
    std::vector<std::string> self_signed;
    /// Protocols by ALPN (RFC 7301), best first. A client that speaks of none of them is refused; one that
    /// does not speak of protocols is not.
    std::vector<std::string> protocols;
    /// With optional or required ones no session is resumed: what was verified for one name must not count
    /// for another (CVE-2025-23419).
    tls_client_certificates client_certificates = tls_client_certificates::none;
    std::string client_ca_file;  ///< who may issue clients' certificates; wanted unless `none`
    /// Names whose clients are asked for other certificates than those of all others. With any of them no
    /// session is resumed either. Who asks such a name for another's documents is told 421 by HTTP.
    std::vector<tls_host_policy> hosts;
    /// Keys of session tickets, to be shared with other contexts; nullptr: random ones of its own.
    std::shared_ptr<tls_ticket_keys> ticket_keys;
    bool tickets = true;  ///< whether sessions can be resumed
    /// Secrets are appended to this file, with which recorded traffic can be read (SSLKEYLOGFILE's form): for
    /// debugging only. No environment variable sets it.
    std::string key_log_file;

    tls_server_options() = default;
    explicit tls_server_options(tls_certificate one) { certificates.push_back(std::move(one)); }
};

/// How to be a client.
struct tls_client_options {
    /// Whether the server must show a certificate for the host's name that the system's roots, or `ca_file`,
    /// vouch for. Without, anybody in between can read and change everything.
    bool verify = true;
    std::string ca_file;                       ///< instead of the system's roots
    std::vector<std::string> protocols;        ///< by ALPN, best first
    std::vector<tls_certificate> certificate;  ///< to show to servers that ask: none or one
    std::string key_log_file;                  ///< as for servers

    tls_client_options() = default;
};

/// Shared by all connections and threads, never changed; copies are the same context. Made off the loops: it
/// reads files, and costs about a millisecond. TLS 1.2 (forward secret AEAD ciphers only) and 1.3; no
/// renegotiation, compression, or early data. To replace certificates, make another: connections that have
/// begun keep theirs.
class tls_context {
 public:
    /// The error is one sentence, with the file's name. Throws std::bad_alloc.
    static std::expected<tls_context, std::string> server(const tls_server_options& how);
    static std::expected<tls_context, std::string> client(const tls_client_options& how = {});

    /// Of a server: those that seal its tickets.
    tls_ticket_keys& ticket_keys() const noexcept;
    bool is_client() const noexcept;
    /// Of a server: which of the policies is a name's: its place among tls_server_options::hosts, from 1; 0:
    /// that of all others. Two names of the same number are treated alike.
    std::size_t policy_of(std::string_view name) const;
    bool has_host_policies() const noexcept;

    /// For tls_engine.
    const detail::tls_state& state() const noexcept { return *state_; }

 private:
    explicit tls_context(std::shared_ptr<const detail::tls_state> state) noexcept
        : state_(std::move(state)) {}
    std::shared_ptr<const detail::tls_state> state_;
};

}  // namespace naru
