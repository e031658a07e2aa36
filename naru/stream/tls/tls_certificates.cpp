// Certificates: read from files, looked at before anybody is shown them, and chosen by name.
#include <naru/stream/tls/tls_state.hpp>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

namespace naru::detail {

namespace {

using refusal = std::unexpected<std::string>;

refusal cannot_read(const std::string& file) {
    return refusal(file + ": cannot be read: " + std::generic_category().message(errno));
}

int no_passphrase(char* /*into*/, int /*size*/, int /*writing*/, void* asked) noexcept {
    *static_cast<bool*>(asked) = true;
    return -1;
}

std::expected<std::string, std::string> read_file(const std::string& file) {
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    std::string bytes;
    try {
        bytes.assign(std::istreambuf_iterator<char>(in), {});
    } catch (const std::ios_base::failure&) {  // of a directory
        return cannot_read(file);
    }
    if (!in.is_open() || in.bad()) return cannot_read(file);
    if (bytes.empty()) return refusal(file + ": is empty");
    return bytes;
}

openssl_pointer<BIO> memory_of(const std::string& bytes) {
    return openssl_pointer<BIO>(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
}

/// The DNS names that the certificate is for; the subject's common name where it has no such list.
std::vector<std::string> names_of(X509* certificate) {
    std::vector<std::string> names;
    auto* const list =
        static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
    for (int each = 0; each < sk_GENERAL_NAME_num(list); ++each) {
        const GENERAL_NAME* name = sk_GENERAL_NAME_value(list, each);
        if (name->type != GEN_DNS) continue;
        const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
        names.push_back(small_letters({text, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))}));
    }
    if (list != nullptr) {
        GENERAL_NAMES_free(list);
        return names;
    }
    char common[256];
    const int length =
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common, sizeof common);
    if (length > 0) names.push_back(small_letters({common, static_cast<std::size_t>(length)}));
    return names;
}

std::expected<void, std::string> read_chain(const std::string& file, loaded_certificate& into) {
    const auto bytes = read_file(file);
    if (!bytes) return refusal(bytes.error());
    const auto source = memory_of(*bytes);
    into.certificate.reset(PEM_read_bio_X509_AUX(source.get(), nullptr, nullptr, nullptr));
    if (!into.certificate) return refusal(file + ": there is no certificate in PEM form in it");
    into.issuers.reset(sk_X509_new_null());
    X509* last = into.certificate.get();
    for (int number = 2;; ++number) {
        openssl_pointer<X509> next(PEM_read_bio_X509(source.get(), nullptr, nullptr, nullptr));
        if (!next) break;
        if (X509_check_issued(next.get(), last) != X509_V_OK) {
            return refusal(file + ": the chain is in the wrong order: certificate " + std::to_string(number) +
                           " has not issued the one before it");
        }
        last = next.get();
        if (sk_X509_push(into.issuers.get(), last) == 0) return refusal(file + ": no memory for its chain");
        (void)next.release();
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return refusal(file + ": what follows its certificates is broken");
    if (X509_cmp_current_time(X509_get0_notAfter(into.certificate.get())) < 0)
        return refusal(file + ": the certificate has expired: get a new one");
    return {};
}

std::expected<void, std::string> read_key(const tls_certificate& files, loaded_certificate& into) {
    const std::string& file = files.key_file;
    const auto bytes = read_file(file);
    if (!bytes) return refusal(bytes.error());
    const auto source = memory_of(*bytes);
    bool encrypted = false;
    into.key.reset(PEM_read_bio_PrivateKey(source.get(), nullptr, &no_passphrase, &encrypted));
    if (encrypted) return refusal(file + ": the key is encrypted: write it without a passphrase");
    if (!into.key) return refusal(file + ": there is no private key in PEM form in it");
    if (X509_check_private_key(into.certificate.get(), into.key.get()) != 1)
        return refusal(file + ": this key does not belong to the certificate in " + files.chain_file);
    switch (EVP_PKEY_get_base_id(into.key.get())) {
        case EVP_PKEY_EC:
            into.kind = key_kind::ecdsa;
            return {};
        case EVP_PKEY_RSA:
            into.kind = key_kind::rsa;
            return {};
        case EVP_PKEY_ED25519:
            into.kind = key_kind::ed25519;
            return {};
        default:
            return refusal(file + ": a key of this kind is not served: use ECDSA, RSA or Ed25519");
    }
}

void put(std::unordered_map<std::string, certificate_choice>& into, std::string name, key_kind kind,
         int index) {
    int& place = into[std::move(name)].of_kind[static_cast<std::size_t>(kind)];
    if (place == certificate_choice::none) place = index;
}

bool share_a_name(const loaded_certificate& one, const loaded_certificate& other) {
    for (const std::string& name : one.names) {
        if (std::ranges::find(other.names, name) != other.names.end()) return true;
    }
    return false;
}

}  // namespace

std::string small_letters(std::string_view name) {
    std::string small(name);
    for (char& each : small)
        each = static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
    return small;
}

bool is_name_of(std::string_view pattern, std::string_view name) noexcept {
    if (!pattern.starts_with("*.")) return pattern == name;
    const std::size_t dot = name.find('.');
    return dot != std::string_view::npos && dot > 0 && name.substr(dot) == pattern.substr(1);
}

std::expected<loaded_certificate, std::string> load_certificate(const tls_certificate& files) {
    ERR_clear_error();
    loaded_certificate made;
    std::expected<void, std::string> step = read_chain(files.chain_file, made);
    if (step) step = read_key(files, made);
    ERR_clear_error();
    if (!step) return refusal(step.error());
    made.names = names_of(made.certificate.get());
    if (!files.staple_file.empty()) {
        auto staple = read_file(files.staple_file);
        if (!staple) return refusal(staple.error());
        made.staple = std::move(*staple);
    }
    return made;
}

void tls_state::index_names() {
    for (std::size_t each = 0; each < certificates.size(); ++each) {
        const loaded_certificate& one = certificates[each];
        const int index = static_cast<int>(each);
        for (const std::string& name : one.names) {
            if (name.starts_with("*.")) {
                put(wildcards, name.substr(2), one.kind, index);
            } else {
                put(exact, name, one.kind, index);
            }
        }
        int& place = standard.of_kind[static_cast<std::size_t>(one.kind)];
        if (place == certificate_choice::none && (each == 0 || share_a_name(one, certificates[0])))
            place = index;
    }
}

const certificate_choice& tls_state::choose(std::string_view name) const {
    const std::string small = small_letters(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
    if (const auto found = exact.find(small); found != exact.end()) return found->second;
    // A wildcard stands for one label (RFC 6125, 6.4.3).
    const std::size_t dot = small.find('.');
    if (dot == std::string::npos || dot == 0) return standard;
    if (const auto found = wildcards.find(small.substr(dot + 1)); found != wildcards.end())
        return found->second;
    return standard;
}

}  // namespace naru::detail
