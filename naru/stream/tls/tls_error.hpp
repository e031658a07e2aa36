// What can go wrong in TLS, as error codes that say it in a sentence.
#pragma once

#include <system_error>

namespace naru {

/// Kinds of failures, to compare an error with: `if (got.error() == tls_errc::certificate_refused)`. The
/// error's own message says more: which alert, what is wrong with the certificate.
enum class tls_errc : int {
    truncated = 1,        ///< the bytes ended without close_notify: what was received may not be all
    certificate_refused,  ///< the peer's certificate, or its name, did not pass our verification
    alert,                ///< the peer has ended TLS with an alert: its reason is in the message
    protocol,             ///< what came is no TLS, or none that both sides accept
    send_interrupted,     ///< an earlier send ended in the middle of a record: no more can be sent
    output_full,          ///< the peer makes us answer more than limits::tls_output_pending, reading none
};

/// Codes: an OpenSSL reason (its lists are in openssl/sslerr.h), or one of naru's.
const std::error_category& tls_category() noexcept;

/// For comparisons; see tls_errc.
std::error_condition make_error_condition(tls_errc kind) noexcept;

namespace detail {

/// A failure that has no OpenSSL reason: truncated, send_interrupted, output_full.
std::error_code tls_error(tls_errc kind) noexcept;
/// `verify_result`: X509_V_ERR_*.
std::error_code tls_certificate_error(long verify_result) noexcept;
/// From the thread's OpenSSL error queue, which is empty then. ENOMEM if it speaks of memory.
std::error_code tls_error_of_queue() noexcept;
}  // namespace detail

}  // namespace naru

template <>
struct std::is_error_condition_enum<naru::tls_errc> : std::true_type {};
