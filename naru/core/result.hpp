// Errors of operation are values: result<T> is a T or a std::error_code.
#pragma once

#include <naru/core/language.hpp>

#include <cerrno>
#include <cstdint>
#include <expected>
#include <system_error>

namespace naru {

template <class T>
using result = std::expected<T, std::error_code>;

/// Conditions that naru adds to the operating system's.
enum class errc : int {
    end_of_stream = 1,         ///< the peer ended its direction in order (FIN); distinct from "0 bytes"
    select_descriptor_limit,   ///< the descriptor is past FD_SETSIZE and this loop runs on select
    handle_limit,              ///< limits::handles are open in this loop
    direct_descriptor_limit,   ///< this loop's table of direct descriptors is full
    blocking_descriptor,       ///< a listener, or a socket to be connected, from outside is in blocking mode
    end_of_file,               ///< a file has fewer bytes than were to be sent of it
    buffers_held,              ///< leases hold all receive buffers of the loop, and none was given back
    channel_closed,            ///< no one sends through this channel any more, and it is empty
    wrong_kind_of_descriptor,  ///< a descriptor from outside is of another type or family than was asked for
    not_listening,             ///< a socket from outside that is to be a listener does not listen
    read_limit,   ///< a buffered_reader has its limit of bytes, and what was looked for is not among them
    ended_early,  ///< the stream has ended in the middle of what was to be read
    cut_off,      ///< the stream was poisoned by a send that had gone out in part when it was stopped
};

const std::error_category& naru_category() noexcept;

inline std::error_code make_error_code(errc code) noexcept {
    return {static_cast<int>(code), naru_category()};
}

/// The category of errno values: what the system's errors are in, here and in every std::error_code that naru
/// makes. std::system_category where the system itself speaks errno; on Windows, whose system_category is
/// Win32's, one of its own, which the backends translate into.
const std::error_category& errno_category() noexcept;

/// An operation's raw outcome: >= 0 bytes or a handle; < 0 an error. -1..-4095 are negated errno values,
/// below that come naru's own conditions, so that one 64-bit word says it all on the hot path.
namespace outcome {

inline constexpr std::int64_t own_base = -4096;

constexpr std::int64_t from_errno(int error) noexcept { return -static_cast<std::int64_t>(error); }
constexpr std::int64_t from(errc code) noexcept { return own_base - static_cast<int>(code); }

inline constexpr std::int64_t canceled = -ECANCELED;
inline constexpr std::int64_t end_of_stream = from(errc::end_of_stream);
inline constexpr std::int64_t end_of_file = from(errc::end_of_file);

/// The error in a negative outcome.
std::error_code to_error(std::int64_t negative) noexcept;

/// The reverse, for code that gets an error_code from the system and must store it in an operation.
std::int64_t from(const std::error_code& error) noexcept;

}  // namespace outcome

inline std::unexpected<std::error_code> fail(std::error_code error) noexcept {
    return std::unexpected(error);
}
inline std::unexpected<std::error_code> fail_errno(int error) noexcept {
    return std::unexpected(std::error_code(error, errno_category()));
}

}  // namespace naru

template <>
struct std::is_error_code_enum<naru::errc> : std::true_type {};
