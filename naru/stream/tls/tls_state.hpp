// The insides of tls_context, for the sources beside it.
#pragma once

#include <naru/os/socket.hpp>
#include <naru/stream/tls/tls_context.hpp>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace naru::detail {

struct openssl_deleter {
    void operator()(SSL_CTX* each) const noexcept { SSL_CTX_free(each); }
    void operator()(X509* each) const noexcept { X509_free(each); }
    void operator()(EVP_PKEY* each) const noexcept { EVP_PKEY_free(each); }
    void operator()(STACK_OF(X509) * each) const noexcept { sk_X509_pop_free(each, X509_free); }
    void operator()(BIO* each) const noexcept { BIO_free_all(each); }
    void operator()(X509_STORE* each) const noexcept { X509_STORE_free(each); }
    void operator()(STACK_OF(X509_NAME) * each) const noexcept {
        sk_X509_NAME_pop_free(each, X509_NAME_free);
    }
};
template <class T>
using openssl_pointer = std::unique_ptr<T, openssl_deleter>;

/// OpenSSL has a place for one certificate of each kind of key.
enum class key_kind : unsigned char { ecdsa, rsa, ed25519 };
inline constexpr std::size_t key_kinds = 3;

struct loaded_certificate {
    openssl_pointer<X509> certificate;
    openssl_pointer<STACK_OF(X509)> issuers;
    openssl_pointer<EVP_PKEY> key;
    key_kind kind = key_kind::ecdsa;
    std::vector<std::string> names;  ///< in small letters; "*.example.org" is a wildcard
    std::string staple;
};

/// Reads one, and looks whether it can be served: key, order of the chain, dates.
std::expected<loaded_certificate, std::string> load_certificate(const tls_certificate& files);

/// One that nobody else vouches for, made now, for a month. The error is a sentence.
std::expected<loaded_certificate, std::string> make_self_signed(const std::vector<std::string>& names);

/// The certificates for a name: an index for each kind of key.
struct certificate_choice {
    static constexpr int none = -1;
    std::array<int, key_kinds> of_kind{none, none, none};
    bool operator==(const certificate_choice&) const = default;
};

/// A tls_host_policy, ready to be used.
struct host_policy {
    std::string name;  ///< in small letters
    int verify = 0;    ///< SSL_VERIFY_*
    openssl_pointer<X509_STORE> issuers;
    openssl_pointer<STACK_OF(X509_NAME)> names;  ///< that clients are told
};

/// Whether a name that was asked for is the pattern's; both in small letters.
bool is_name_of(std::string_view pattern, std::string_view name) noexcept;
std::string small_letters(std::string_view name);

struct tls_state {
    openssl_pointer<SSL_CTX> context;
    bool client = false;
    bool verify = true;         ///< of a client
    bool has_dear_key = false;  ///< a handshake may take milliseconds: RSA
    std::vector<loaded_certificate> certificates;
    std::unordered_map<std::string, certificate_choice> exact;
    std::unordered_map<std::string, certificate_choice> wildcards;  ///< by what follows "*."
    certificate_choice standard;
    std::string protocols;  ///< as ALPN has them: each with its length before it
    std::vector<host_policy> policies;
    std::shared_ptr<tls_ticket_keys> ticket_keys;
    unique_descriptor key_log;

    /// The certificates for a name that a client asks for, as it is written.
    const certificate_choice& choose(std::string_view name) const;
    /// The choice of what is to be shown: fills exact, wildcards, standard from certificates.
    void index_names();
};

}  // namespace naru::detail
