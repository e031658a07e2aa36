#include <naru/stream/tls/tls_error.hpp>

#include <naru/core/result.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cerrno>
#include <string>

namespace naru {

namespace {

// Values of codes: OpenSSL's reasons are below 4,096.
constexpr int own_base = 10'000;
constexpr int certificate_base = 20'000;

bool is_alert(int reason) noexcept {
    return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256;
}

const char* text_of(tls_errc kind) noexcept {
    switch (kind) {
        case tls_errc::truncated:
            return "the connection ended without TLS's close_notify: what was received may have been cut";
        case tls_errc::certificate_refused:
            return "the peer's certificate was refused";
        case tls_errc::alert:
            return "the peer has ended TLS with an alert";
        case tls_errc::protocol:
            return "what the peer sent is no TLS that is accepted here";
        case tls_errc::send_interrupted:
            return "an earlier send was ended when part of its record may have left: nothing more can be "
                   "sent on "
                   "this TLS connection, close it";
        case tls_errc::output_full:
            return "the peer asks for more TLS answers than are kept for it";
    }
    return "unknown TLS failure";
}

class category final : public std::error_category {
 public:
    const char* name() const noexcept override { return "tls"; }

    std::string message(int code) const override {
        if (code >= certificate_base) {
            return std::string("the peer's certificate was refused: ") +
                   X509_verify_cert_error_string(code - certificate_base);
        }
        if (code >= own_base) return text_of(static_cast<tls_errc>(code - own_base));
        const char* reason =
            code > 0 ? ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, static_cast<unsigned long>(code)))
                     : nullptr;
        if (is_alert(code)) {
            return "the peer has ended TLS: " +
                   (reason != nullptr ? std::string(reason)
                                      : "alert " + std::to_string(code - SSL_AD_REASON_OFFSET));
        }
        return std::string("TLS failed: ") + (reason != nullptr ? reason : "no reason is known");
    }

    std::error_condition default_error_condition(int code) const noexcept override {
        if (code >= certificate_base) return make_error_condition(tls_errc::certificate_refused);
        if (code >= own_base) return make_error_condition(static_cast<tls_errc>(code - own_base));
        return make_error_condition(is_alert(code) ? tls_errc::alert : tls_errc::protocol);
    }
};

// Of its own: a condition's value must not be taken for a code of the category above.
class condition_category final : public std::error_category {
 public:
    const char* name() const noexcept override { return "tls condition"; }
    std::string message(int kind) const override { return text_of(static_cast<tls_errc>(kind)); }
};

}  // namespace

const std::error_category& tls_category() noexcept {
    static const category instance;
    return instance;
}

std::error_condition make_error_condition(tls_errc kind) noexcept {
    static const condition_category instance;
    return {static_cast<int>(kind), instance};
}

namespace detail {

std::error_code tls_error(tls_errc kind) noexcept {
    return {own_base + static_cast<int>(kind), tls_category()};
}

std::error_code tls_certificate_error(long verify_result) noexcept {
    return {certificate_base + static_cast<int>(verify_result), tls_category()};
}

std::error_code tls_error_of_queue() noexcept {
    // The first one is the cause; what follows is told by those who called it.
    int reason = 0;
    bool memory = false;
    while (const unsigned long each = ERR_get_error()) {
        memory = memory || ERR_GET_REASON(each) == ERR_R_MALLOC_FAILURE;
        if (reason == 0 && ERR_GET_LIB(each) == ERR_LIB_SSL) reason = ERR_GET_REASON(each);
    }
    if (memory) return {ENOMEM, errno_category()};
    return {reason, tls_category()};
}

}  // namespace detail

}  // namespace naru
