// The one HTTP handler of the lab: every I/O model runs exactly this between "bytes have come" and "bytes are
// to go". It neither reads nor writes, so what differs between two models is the model.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/limits.hpp>

#include <array>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace naru::lab {

/// Answers GET /N with N bytes, for the sizes it was made with; everything else with 404, and what is not
/// HTTP with 400. Answers are prepared, so that what is measured is not their making. Const functions may be
/// called by any thread.
class handler {
 public:
    /// Prepares bodies of these sizes, in bytes.
    explicit handler(std::span<const std::size_t> sizes);

    struct outcome {
        std::size_t used = 0;       ///< bytes of whole requests, from the front; what follows is part of one
        std::uint32_t answers = 0;  ///< slices that were set
        bool end = false;           ///< the connection is to be closed behind the last answer
    };

    /// Looks for whole requests in `input` and sets a slice of `answers` for each, until either is used up.
    /// The memory that the slices name lives as long as the handler.
    outcome answer(std::string_view input, std::span<slice> answers) const noexcept;

 private:
    std::map<std::string, std::string, std::less<>> prepared_;  // by path
    std::string not_found_;
    std::string bad_request_;
};

/// Requests that are answered with one write at most.
inline constexpr std::size_t answers_per_write = limits::slices_per_send;

/// Bytes that part of a request may have: more is answered with 400.
inline constexpr std::size_t request_bytes = 8 * 1024;

/// The body sizes that the lab's scenarios ask for, in bytes.
inline constexpr std::array<std::size_t, 8> body_sizes{64,        256,       1024,       4 * 1024,
                                                       16 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024};

/// Where naru lab-server --websockets makes WebSockets of connections.
inline constexpr std::string_view websocket_path = "/websocket";

}  // namespace naru::lab
