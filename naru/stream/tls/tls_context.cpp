#include <naru/stream/tls/tls_context.hpp>

#include <naru/stream/tls/tls_state.hpp>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/tls1.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace naru {

namespace {

using detail::tls_state;
using refusal = std::unexpected<std::string>;
using outcome_text = std::expected<void, std::string>;

// Mozilla's "intermediate" for TLS 1.2 without DHE, whose key exchange costs the server more than the client.
// The server's order decides, but for a client that puts ChaCha20 first, as those without AES in hardware do.
constexpr const char* ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* ciphers_of_1_3 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256:P-384";

tls_state& state_of(const SSL* ssl) noexcept {
    return *static_cast<tls_state*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
}

/// OpenSSL's own words for what has just failed.
std::string last_error() {
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    std::string text = reason != nullptr ? reason : "no reason is known";
    ERR_clear_error();
    return text;
}

void log_keys(const SSL* ssl, const char* line) noexcept {
    std::array<char, 512> text;
    const std::string_view secret(line, std::min(std::strlen(line), text.size() - 1));
    *std::ranges::copy(secret, text.begin()).out = '\n';
    // One write a line: other threads and processes append to the same file. What does not fit the disk is
    // lost.
    [[maybe_unused]] const auto written =
        ::write(state_of(ssl).key_log.get(), text.data(), secret.size() + 1);
    OPENSSL_cleanse(text.data(), text.size());
}

/// Says that the name was understood: OpenSSL keeps it in the session then.
int take_name(SSL* /*ssl*/, int* /*alert*/, void* /*context*/) noexcept { return SSL_TLSEXT_ERR_OK; }

/// The client's certificates as the policy of the name that it asks for wants them.
bool ask_by_policy(SSL* ssl, const tls_state& state, const char* name) {
    if (state.policies.empty()) return true;
    const std::string small = detail::small_letters(name);
    for (const detail::host_policy& each : state.policies) {
        if (!detail::is_name_of(each.name, small)) continue;
        SSL_set_verify(ssl, each.verify, nullptr);
        if (each.verify == SSL_VERIFY_NONE) return true;
        STACK_OF(X509_NAME)* const names = SSL_dup_CA_list(each.names.get());
        if (names == nullptr || SSL_set1_verify_cert_store(ssl, each.issuers.get()) != 1) {
            sk_X509_NAME_pop_free(names, X509_NAME_free);
            return false;
        }
        SSL_set_client_CA_list(ssl, names);  // which it owns then
        return true;
    }
    return true;
}

/// Puts the certificates of the name that the client asks for into the connection.
int choose_certificate(SSL* ssl, void* /*context*/) noexcept {
    try {
        const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        const tls_state& state = state_of(ssl);
        if (name == nullptr) return 1;
        if (!ask_by_policy(ssl, state, name)) return 0;
        const detail::certificate_choice& chosen = state.choose(name);
        if (chosen == state.standard) return 1;
        SSL_certs_clear(ssl);
        for (const int index : chosen.of_kind) {
            if (index == detail::certificate_choice::none) continue;
            const auto& each = state.certificates[static_cast<std::size_t>(index)];
            if (SSL_use_cert_and_key(ssl, each.certificate.get(), each.key.get(), each.issuers.get(), 1) != 1)
                return 0;
        }
        return 1;
    } catch (const std::bad_alloc&) {
        return 0;
    }
}

int choose_protocol(SSL* ssl, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned offered_length, void* /*context*/) noexcept {
    const std::string& ours = state_of(ssl).protocols;
    unsigned char* found = nullptr;
    const int how = SSL_select_next_proto(&found, length, reinterpret_cast<const unsigned char*>(ours.data()),
                                          static_cast<unsigned>(ours.size()), offered, offered_length);
    if (how != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

int give_staple(SSL* ssl, void* /*context*/) noexcept {
    const X509* const shown = SSL_get_certificate(ssl);
    for (const auto& each : state_of(ssl).certificates) {
        if (each.certificate.get() != shown || each.staple.empty()) continue;
        void* const copy = OPENSSL_memdup(each.staple.data(), each.staple.size());  // which OpenSSL frees
        if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(each.staple.size()));
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

int seal_or_open_ticket(SSL* ssl, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int sealing) noexcept {
    constexpr int failed = -1, unknown = 0, good = 1, good_but_old = 2;
    constexpr std::size_t name_bytes = 16, cipher_bytes = 32, mac_bytes = 32;
    const tls_ticket_keys& keys = *state_of(ssl).ticket_keys;
    tls_ticket_keys::key key;
    bool newest = true;
    if (sealing != 0) {
        key = keys.current();
        std::memcpy(name, key.data(), name_bytes);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return failed;
    } else if (!keys.find(std::as_bytes(std::span<const unsigned char, 16>(name, name_bytes)), key, newest)) {
        return unknown;
    }
    auto* const bytes = reinterpret_cast<unsigned char*>(key.data());
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, bytes + name_bytes + cipher_bytes, mac_bytes),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
    const bool set =
        EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, bytes + name_bytes, iv, sealing) == 1 &&
        EVP_MAC_CTX_set_params(mac, parameters) == 1;
    OPENSSL_cleanse(key.data(), key.size());
    if (!set) return failed;
    return newest ? good : good_but_old;
}

outcome_text set_protocols(tls_state& state, const std::vector<std::string>& names) {
    for (const std::string& each : names) {
        if (each.empty() || each.size() > 255)
            return refusal("the ALPN protocol '" + each + "' has no valid length");
        state.protocols += static_cast<char>(each.size());
        state.protocols += each;
    }
    return {};
}

outcome_text set_key_log(tls_state& state, const std::string& file) {
    if (file.empty()) return {};
    state.key_log.reset(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (state.key_log.get() < 0)
        return refusal(file + ": cannot be opened for the keys: " + std::generic_category().message(errno));
    SSL_CTX_set_keylog_callback(state.context.get(), &log_keys);
    return {};
}

outcome_text use(SSL_CTX* context, const detail::loaded_certificate& each, const std::string& file) {
    if (SSL_CTX_use_cert_and_key(context, each.certificate.get(), each.key.get(), each.issuers.get(), 1) != 1)
        return refusal(file + ": OpenSSL refuses the certificate: " + last_error());
    return {};
}

std::shared_ptr<tls_state> make_state(bool client) {
    ERR_clear_error();
    auto state = std::make_shared<tls_state>();
    state->client = client;
    state->context.reset(SSL_CTX_new(client ? TLS_client_method() : TLS_server_method()));
    SSL_CTX* const context = state->context.get();
    if (context == nullptr) throw std::bad_alloc();
    SSL_CTX_set_app_data(context, state.get());
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    // What was received goes into OpenSSL's memory at once, and its pool buffer back to the pool.
    SSL_CTX_set_read_ahead(context, 1);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers) != 1 ||
        SSL_CTX_set_ciphersuites(context, ciphers_of_1_3) != 1 ||
        SSL_CTX_set1_groups_list(context, groups) != 1)
        throw std::runtime_error("this OpenSSL lacks what TLS 1.2 needs: " + last_error());
    return state;
}

outcome_text ask_for_certificates(SSL_CTX* context, const tls_server_options& how) {
    if (how.client_certificates == tls_client_certificates::none) return {};
    const std::string& file = how.client_ca_file;
    if (file.empty())
        return refusal("clients are asked for certificates, and no client_ca_file says who issues them");
    STACK_OF(X509_NAME)* const issuers = SSL_load_client_CA_file(file.c_str());
    if (issuers == nullptr || SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
        const std::string why = last_error();
        sk_X509_NAME_pop_free(issuers, X509_NAME_free);
        return refusal(file + ": the issuers of clients' certificates cannot be read: " + why);
    }
    SSL_CTX_set_client_CA_list(context, issuers);  // which it owns then
    const bool required = how.client_certificates == tls_client_certificates::required;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
    return {};
}

outcome_text set_policies(tls_state& state, const tls_server_options& how) {
    for (const tls_host_policy& each : how.hosts) {
        detail::host_policy made;
        made.name = detail::small_letters(each.name);
        const bool asks = each.client_certificates != tls_client_certificates::none;
        const bool required = each.client_certificates == tls_client_certificates::required;
        made.verify = !asks      ? SSL_VERIFY_NONE
                      : required ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
                                 : SSL_VERIFY_PEER;
        if (asks) {
            const char* const file = each.client_ca_file.c_str();
            made.issuers.reset(X509_STORE_new());
            made.names.reset(SSL_load_client_CA_file(file));
            if (!made.names || !made.issuers || X509_STORE_load_file(made.issuers.get(), file) != 1)
                return refusal(each.client_ca_file +
                               ": the issuers of clients' certificates cannot be read: " + last_error());
        }
        state.policies.push_back(std::move(made));
    }
    return {};
}

outcome_text load_all(tls_state& state, const std::vector<tls_certificate>& files) {
    for (const tls_certificate& each : files) {
        auto loaded = detail::load_certificate(each);
        if (!loaded) return refusal(loaded.error());
        state.has_dear_key |= loaded->kind == detail::key_kind::rsa;
        state.certificates.push_back(std::move(*loaded));
    }
    state.index_names();
    for (const int index : state.standard.of_kind) {
        if (index == detail::certificate_choice::none) continue;
        const auto place = static_cast<std::size_t>(index);
        if (auto used = use(state.context.get(), state.certificates[place], files[place].chain_file); !used)
            return used;
    }
    return {};
}

outcome_text make_one(tls_state& state, const std::vector<std::string>& names) {
    auto made = detail::make_self_signed(names);
    if (!made) return refusal(made.error());
    state.certificates.push_back(std::move(*made));
    state.index_names();
    return use(state.context.get(), state.certificates.front(), "the certificate that was made");
}

void set_tickets(tls_state& state, const tls_server_options& how) {
    SSL_CTX* const context = state.context.get();
    state.ticket_keys = how.ticket_keys ? how.ticket_keys : std::make_shared<tls_ticket_keys>();
    if (!how.tickets || how.client_certificates != tls_client_certificates::none || !how.hosts.empty()) {
        SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(context, 0);
        // Without a ticket TLS 1.3 would look into a cache, and OpenSSL wants a name for that.
    } else {
        SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &seal_or_open_ticket);
    }
    static constexpr unsigned char of_naru[] = {'n', 'a', 'r', 'u'};
    SSL_CTX_set_session_id_context(context, of_naru, sizeof of_naru);
}

}  // namespace

std::expected<tls_context, std::string> tls_context::server(const tls_server_options& how) {
    if (how.certificates.empty() && how.self_signed.empty())
        return refusal("a TLS server needs a certificate and its key");
    auto state = make_state(false);
    SSL_CTX* const context = state->context.get();
    outcome_text step =
        how.self_signed.empty() ? load_all(*state, how.certificates) : make_one(*state, how.self_signed);
    if (step) step = set_protocols(*state, how.protocols);
    if (step) step = ask_for_certificates(context, how);
    if (step) step = set_policies(*state, how);
    if (step) step = set_key_log(*state, how.key_log_file);
    if (!step) return refusal(step.error());
    set_tickets(*state, how);
    SSL_CTX_set_tlsext_servername_callback(context, &take_name);
    SSL_CTX_set_cert_cb(context, &choose_certificate, nullptr);
    SSL_CTX_set_tlsext_status_cb(context, &give_staple);
    if (!state->protocols.empty()) SSL_CTX_set_alpn_select_cb(context, &choose_protocol, nullptr);
    return tls_context(std::move(state));
}

std::expected<tls_context, std::string> tls_context::client(const tls_client_options& how) {
    auto state = make_state(true);
    SSL_CTX* const context = state->context.get();
    state->verify = how.verify;
    outcome_text step = load_all(*state, how.certificate);
    if (step) step = set_protocols(*state, how.protocols);
    if (step) step = set_key_log(*state, how.key_log_file);
    if (!step) return refusal(step.error());
    if (!state->protocols.empty() &&
        SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(state->protocols.data()),
                                static_cast<unsigned>(state->protocols.size())) != 0)
        throw std::bad_alloc();
    if (!how.verify) return tls_context(std::move(state));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (how.ca_file.empty()) {
        if (SSL_CTX_set_default_verify_paths(context) != 1)
            return refusal("the system's root certificates cannot be read: " + last_error());
    } else if (SSL_CTX_load_verify_file(context, how.ca_file.c_str()) != 1) {
        return refusal(how.ca_file + ": the root certificates cannot be read: " + last_error());
    }
    return tls_context(std::move(state));
}

tls_ticket_keys& tls_context::ticket_keys() const noexcept { return *state_->ticket_keys; }

bool tls_context::has_host_policies() const noexcept { return !state_->policies.empty(); }

std::size_t tls_context::policy_of(std::string_view name) const {
    const std::string small =
        detail::small_letters(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
    const auto found = std::ranges::find_if(state_->policies, [&](const detail::host_policy& each) {
        return detail::is_name_of(each.name, small);
    });
    return found == state_->policies.end() ? 0
                                           : static_cast<std::size_t>(found - state_->policies.begin()) + 1;
}

bool tls_context::is_client() const noexcept { return state_->client; }

}  // namespace naru
