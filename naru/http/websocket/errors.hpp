// What may be wrong with a WebSocket beside its connection.
#pragma once

#include <naru/core/result.hpp>

#include <system_error>

namespace naru::websocket {

/// A clean close is naru::errc::end_of_stream; what the system says of the connection comes as it is.
enum class errc : int {
    no_close_frame = 1,  ///< the connection ended without one (1006)
    protocol_error,      ///< the peer has broken RFC 6455 or 7692 (1002)
    invalid_data,        ///< a text that is no UTF-8, or compressed data that is none (1007)
    message_too_big,     ///< a message past options::message_limit (1009)
    too_slow,            ///< the peer does not take what is sent to it (send_policy::close, 1008)
    queue_full,          ///< try_send: as many bytes wait as may
    no_upgrade,          ///< a client's handshake was answered with something else than 101
    bad_answer,          ///< a client's handshake was answered with a 101 that is not for it
};

const std::error_category& category() noexcept;
inline std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), category()}; }

}  // namespace naru::websocket

template <>
struct std::is_error_code_enum<naru::websocket::errc> : std::true_type {};
