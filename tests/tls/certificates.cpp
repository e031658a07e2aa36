#include "tls/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace naru::testing {

namespace {

void must(bool succeeded, const char* what) {
    if (!succeeded) throw std::runtime_error(std::string("OpenSSL: ") + what);
}

void add_extension(X509* to, X509* issuer, int which, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, to, nullptr, nullptr, 0);
    X509_EXTENSION* const made = X509V3_EXT_conf_nid(nullptr, &context, which, value.c_str());
    must(made != nullptr, "extension");
    must(X509_add_ext(to, made, -1) == 1, "add extension");
    X509_EXTENSION_free(made);
}

template <class Write>
std::string pem_of(Write write) {
    BIO* const memory = BIO_new(BIO_s_mem());
    must(write(memory) == 1, "PEM");
    char* start = nullptr;
    const long size = BIO_get_mem_data(memory, &start);
    std::string text(start, static_cast<std::size_t>(size));
    BIO_free(memory);
    return text;
}

}  // namespace

scratch_directory::scratch_directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "naru-tls-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    where_ = pattern;
}

scratch_directory::~scratch_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(where_, ignored);
}

std::string scratch_directory::write(std::string_view name, std::string_view content) const {
    const std::string where = path(name);
    std::ofstream(where, std::ios::binary) << content;
    return where;
}

std::string read_whole(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

authority::authority(std::string name) : name_(std::move(name)), key_(make_key(key_type::ecdsa)) {
    root_ = make(key_.get(), name_, "", 365, true);
    root_file_ = write_pem("root.pem", root_.get());
}

authority::key authority::make_key(key_type type) {
    EVP_PKEY* const made = type == key_type::rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    must(made != nullptr, "key");
    return key(made);
}

authority::certificate authority::make(EVP_PKEY* subject_key, const std::string& subject,
                                       const std::string& names, int days, bool is_authority) {
    certificate made(X509_new());
    X509* const raw = made.get();
    X509_set_version(raw, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(raw), ++issued_);
    X509_gmtime_adj(X509_getm_notBefore(raw), -86'400L * 60);
    X509_gmtime_adj(X509_getm_notAfter(raw), 86'400L * days);
    X509_set_pubkey(raw, subject_key);
    const auto put_name = [](X509_NAME* into, const std::string& text) {
        must(X509_NAME_add_entry_by_txt(into, "CN", MBSTRING_UTF8,
                                        reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0) == 1,
             "name");
    };
    put_name(X509_get_subject_name(raw), subject);
    X509* const issuer = is_authority ? raw : root_.get();
    X509_set_issuer_name(raw, X509_get_subject_name(issuer));
    add_extension(raw, issuer, NID_basic_constraints,
                  is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (is_authority) add_extension(raw, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
    if (!names.empty()) add_extension(raw, issuer, NID_subject_alt_name, names);
    must(X509_sign(raw, key_.get(), EVP_sha256()) > 0, "sign");
    return made;
}

std::string authority::write_pem(const std::string& name, X509* each) {
    return files_.write(name, pem_of([each](BIO* into) { return PEM_write_bio_X509(into, each); }));
}

std::string authority::write_pem(const std::string& name, EVP_PKEY* each) {
    return files_.write(name, pem_of([each](BIO* into) {
                            return PEM_write_bio_PrivateKey(into, each, nullptr, nullptr, 0, nullptr,
                                                            nullptr);
                        }));
}

tls_certificate authority::issue(const std::vector<std::string>& names, key_type type, int days) {
    const key fresh = make_key(type);
    std::string list;
    for (const std::string& each : names)
        list += (list.empty() ? "" : ",") + (each.starts_with("IP:") ? each : "DNS:" + each);
    const certificate made = make(fresh.get(), names.empty() ? "nobody" : names.front(), list, days, false);
    const std::string base = "certificate" + std::to_string(issued_);
    return {write_pem(base + ".pem", made.get()), write_pem(base + ".key", fresh.get())};
}

authority& common_authority() {
    static authority one;
    return one;
}

}  // namespace naru::testing
