// What has become of a request that has no whole answer: at which step, against which address, after how
// long.
#pragma once

#include <naru/core/clock.hpp>

#include <cstdint>
#include <expected>
#include <string>
#include <system_error>

namespace naru::http {

/// The steps of a request, in their order.
enum class client_step : std::uint8_t {
    request,   ///< the request itself: its URL, method, fields
    resolve,   ///< the name's addresses
    wait,      ///< for a connection, of which the client has a limited number
    connect,   ///< to each of the addresses
    tls,       ///< the handshake
    send,      ///< head and body of the request
    head,      ///< of the answer
    body,      ///< of the answer
    redirect,  ///< where the answer leads to
};

struct client_error {
    client_step step = client_step::request;
    /// The system's error, timed_out, operation_canceled, end_of_stream where more had to come, EBADMSG for
    /// what is no HTTP, EMSGSIZE for what is more than was allowed, EINVAL for a request that is none,
    /// resolve_errc.
    std::error_code error;
    std::string detail;  ///< in words, if there is more to say than the error does
    std::string url;     ///< that was asked for last, after redirects
    std::string peer;    ///< the address that was used last; empty if it had not come to that
    duration after{0};   ///< since the request began
    /// The server may have acted on the request: part of it had been sent. It has not been sent again.
    bool maybe_processed = false;

    /// One line: "http://host/: connecting to 127.0.0.1:80: Connection refused, after 0.2 ms".
    std::string text() const;
};

template <class T>
using client_result = std::expected<T, client_error>;

}  // namespace naru::http
