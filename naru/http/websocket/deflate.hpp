// permessage-deflate (RFC 7692): what the two sides agree on, and the two directions of a connection.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/http/websocket/block.hpp>
#include <naru/http/websocket/options.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace naru::websocket {

/// Whether this build can compress: it has zlib.
bool deflate_available() noexcept;

/// What was agreed on (RFC 7692, section 7.1).
struct deflate_parameters {
    bool server_no_context_takeover = false;
    bool client_no_context_takeover = false;
    std::uint8_t server_window_bits = 15;
    std::uint8_t client_window_bits = 15;
};

/// A server's choice among the offers of a Sec-WebSocket-Extensions field (all such fields, joined by
/// commas): the first it can take, or none. `answer` becomes the field to answer with.
std::optional<deflate_parameters> choose_deflate(std::string_view offers, const deflate_options& with,
                                                 std::string& answer);

/// A client's offer.
std::string offer_deflate(const deflate_options& with);
/// The server's answer to it: nullopt if it is not one that this offer allows (then the connection is to be
/// failed). An empty answer is nobody's business here.
std::optional<deflate_parameters> check_deflate_answer(std::string_view answer, const deflate_options& with);

/// Compresses messages. Its context is made with the first of them; without takeover it is the thread's, and
/// no connection has one of its own.
class deflater {
 public:
    deflater(int window_bits, bool context_takeover, int level) noexcept;
    ~deflater();
    deflater(deflater&& other) noexcept;
    deflater& operator=(deflater&&) = delete;

    /// Appends the message's compressed form to `into`, which has no limit: it is about as long as the
    /// message at most. False without memory: then the connection cannot send compressed messages any more.
    [[nodiscard]] bool compress(bytes_view message, buffer& into) noexcept;
    bool context_takeover() const noexcept { return takeover_; }

 private:
    struct context;
    context* context_ = nullptr;
    std::int8_t window_bits_;
    std::int8_t level_;
    bool takeover_;
};

/// Takes compressed messages apart, in pieces of any size.
class inflater {
 public:
    inflater(int window_bits, bool context_takeover) noexcept;
    ~inflater();
    inflater(inflater&& other) noexcept;
    inflater& operator=(inflater&&) = delete;

    enum class status : std::uint8_t {
        need_more,  ///< all of the input is used up, and all that it holds has come out
        full,       ///< `into` has as many bytes as it may; there may be more: call again
        invalid,    ///< no deflate stream, or cut off
        no_memory,
    };
    /// Inflates from the front of `input`, whose used bytes are taken off, to the end of `into`, which grows
    /// to `most` bytes in all at most.
    status inflate(bytes_view& input, buffer& into, std::size_t most) noexcept;
    /// The message's last frame is complete: what its sender left off (section 7.2.2) is added. Call until
    /// it is not `full`; need_more says that the message is whole.
    status finish(buffer& into, std::size_t most) noexcept;

 private:
    struct context;
    status run(bytes_view& input, buffer& into, std::size_t most) noexcept;
    void end_message() noexcept;

    context* context_ = nullptr;
    std::int8_t window_bits_;
    std::uint8_t tail_used_ = 0;
    bool takeover_;
};

}  // namespace naru::websocket
