// What a master and its worker say to each other: messages of one size. One kind has a text behind it, a
// path, which the master takes only from a worker that has not begun to serve.
#pragma once

#include <naru/core/result.hpp>
#include <naru/os/socket.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace naru::program {

/// While one program takes over from another, the two may be of different versions: a number is never given
/// to something else, and what is not known is passed over.
enum class message_kind : std::uint32_t {
    // the worker's
    ready = 0,     ///< it serves
    reloaded = 1,  ///< behind a reopen
    renew = 2,     ///< it may not read what is the root by now
    drains = 3,    ///< nobody else is to listen any more
    ends = 4,      ///< by itself, for a reason that it has told
    alive = 5,     ///< each of its loops has turned since it was asked
    open_log = 6,  ///< with the path; answered by opened
    sealed = 12,   ///< it has named all the logs that it will ever ask for
    // the master's
    end = 7,     ///< value: the signal
    reopen = 8,  ///< logs and certificates
    retire = 9,  ///< a successor serves
    is_alive = 10,
    opened = 11  ///< value: 0 and a descriptor, or an errno
};

struct message {
    message_kind kind{};
    std::int32_t value = 0;
};

/// Two ends of a SOCK_SEQPACKET connection, both closed by exec. Errors: errno's.
result<std::pair<unique_descriptor, unique_descriptor>> make_channel() noexcept;

/// False if it cannot be sent at once. `descriptor`: goes with it, if not -1. `text`: of
/// limits::log_path_bytes at most.
bool send_message(int channel, message what, int descriptor = -1, std::string_view text = {}) noexcept;

struct received_message {
    message what;
    unique_descriptor descriptor;
    std::string text;
};
/// The next one, waited for. Nothing: the other end is gone, says what is no message, or there is no memory.
std::optional<received_message> receive_message(int channel) noexcept;

}  // namespace naru::program
