// Certificates for the tests, made when they run.
#pragma once

#include <naru/stream/tls/tls_context.hpp>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace naru::testing {

/// A directory that is removed, with the files in it, at the end of its life.
class scratch_directory {
 public:
    scratch_directory();
    ~scratch_directory();
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;

    std::string path(std::string_view name) const { return where_ + "/" + std::string(name); }
    /// Writes a file; its path.
    std::string write(std::string_view name, std::string_view content) const;

 private:
    std::string where_;
};

std::string read_whole(const std::string& path);

enum class key_type : unsigned char { ecdsa, rsa };

/// A root of its own, and what it issues: PEM files in a directory.
class authority {
 public:
    explicit authority(std::string name = "test root");

    /// A certificate for DNS names ("*.example.org" too) and addresses ("IP:127.0.0.1"). `days`: until it
    /// expires, from now; negative for one that has.
    tls_certificate issue(const std::vector<std::string>& names, key_type type = key_type::ecdsa,
                          int days = 30);
    /// The root's file.
    const std::string& root_file() const noexcept { return root_file_; }
    const scratch_directory& files() const noexcept { return files_; }

 private:
    struct release {
        void operator()(X509* each) const noexcept { X509_free(each); }
        void operator()(EVP_PKEY* each) const noexcept { EVP_PKEY_free(each); }
    };
    using certificate = std::unique_ptr<X509, release>;
    using key = std::unique_ptr<EVP_PKEY, release>;

    static key make_key(key_type type);
    certificate make(EVP_PKEY* subject_key, const std::string& subject, const std::string& names, int days,
                     bool is_authority);
    std::string write_pem(const std::string& name, X509* each);
    std::string write_pem(const std::string& name, EVP_PKEY* each);

    scratch_directory files_;
    std::string name_;
    key key_;
    certificate root_;
    std::string root_file_;
    int issued_ = 0;
};

/// One for all tests of a program: keys take long to make.
authority& common_authority();

}  // namespace naru::testing
