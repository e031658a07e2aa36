// A certificate for trying TLS, made in memory.
#include <naru/stream/tls/tls_state.hpp>

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <cstdint>

namespace naru::detail {

namespace {

constexpr long before_now = 24 * 60 * 60L;  // clocks differ
constexpr long days_good = 30 * 24 * 60 * 60L;

bool is_number(const std::string& name) {
    ASN1_OCTET_STRING* const read = a2i_IPADDRESS(name.c_str());
    ASN1_OCTET_STRING_free(read);
    ERR_clear_error();
    return read != nullptr;
}

bool add(X509* to, const X509V3_CTX& by, int kind, const std::string& value) {
    X509V3_CTX context = by;
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
    const bool added = made != nullptr && X509_add_ext(to, made, -1) == 1;
    X509_EXTENSION_free(made);
    return added;
}

bool fill(X509* made, EVP_PKEY* key, const std::vector<std::string>& names) {
    std::uint64_t serial = 0;
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
    X509_NAME* const subject = X509_get_subject_name(made);
    const auto* const common = reinterpret_cast<const unsigned char*>("naru, self-signed");
    if (X509_set_version(made, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), serial >> 1) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(made), -before_now) == nullptr ||
        X509_gmtime_adj(X509_getm_notAfter(made), days_good) == nullptr ||
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC, common, -1, -1, 0) != 1 ||
        X509_set_issuer_name(made, subject) != 1 || X509_set_pubkey(made, key) != 1)
        return false;
    std::string all;
    for (const std::string& each : names)
        all += (all.empty() ? "" : ",") + std::string(is_number(each) ? "IP:" : "DNS:") + each;
    X509V3_CTX by;
    X509V3_set_ctx_nodb(&by);
    X509V3_set_ctx(&by, made, made, nullptr, nullptr, 0);
    return add(made, by, NID_subject_alt_name, all) &&
           add(made, by, NID_basic_constraints, "critical,CA:FALSE") &&
           add(made, by, NID_key_usage, "critical,digitalSignature") &&
           add(made, by, NID_ext_key_usage, "serverAuth") && X509_sign(made, key, EVP_sha256()) > 0;
}

}  // namespace

std::expected<loaded_certificate, std::string> make_self_signed(const std::vector<std::string>& names) {
    loaded_certificate made;
    for (const std::string& each : names) {
        if (each.empty() || each.find_first_of(",:\n") < each.size() - (is_number(each) ? each.size() : 0))
            return std::unexpected("'" + each + "' is no name for a certificate");
        made.names.push_back(each);
    }
    made.key.reset(EVP_EC_gen("P-256"));
    made.certificate.reset(X509_new());
    made.issuers.reset(sk_X509_new_null());
    const bool filled =
        made.key && made.certificate && made.issuers && fill(made.certificate.get(), made.key.get(), names);
    ERR_clear_error();
    if (!filled) return std::unexpected(std::string("a certificate cannot be made here"));
    return made;
}

}  // namespace naru::detail
