// HTTP/2 on one connection of the load generator, by nghttp2: bytes in, bytes out, and which stream carries
// which request.
#pragma once

#include <load/request.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct nghttp2_session;

namespace naru::load {

/// The request of a run as HTTP/2 has it. Shared by all connections.
struct http2_request {
    std::vector<std::pair<std::string, std::string>> fields;  ///< pseudo-fields first, names in lower case
    std::string body;
};

/// `text`: as build_request has made it. Errors: a field that has no place in HTTP/2 (RFC 9113, section
/// 8.2.2); that there is no HTTP/2 (Windows).
or_words<http2_request> make_http2_request(std::string_view text, bool secure);

/// Owned by its connection, and used on its thread only; pinned. Requests have places from 0 on, which their
/// owner gives out and may change.
class http2_session {
 public:
    /// How a stream has ended.
    enum class ending : std::uint8_t {
        answered,     ///< by a whole response
        refused,      ///< the server has not looked at it and never will: it may be sent again
        reset,        ///< by the server
        no_response,  ///< what has come is none
    };
    /// Called from within `take`. Must not destroy the session.
    struct listener {
        virtual void on_stream_ended(unsigned place, ending how, unsigned status, const char* what) = 0;

     protected:
        ~listener() = default;
    };

    /// nullptr without the memory. `request` and `owner` outlive it.
    static std::unique_ptr<http2_session> make(const http2_request& request, unsigned streams,
                                               listener& owner) noexcept;
    ~http2_session();
    http2_session(const http2_session&) = delete;
    http2_session& operator=(const http2_session&) = delete;

    /// A stream with the request on it, in output() from here on. False without the memory.
    bool ask(unsigned place) noexcept;
    /// The request at place `from`, which is under way, is at place `to`.
    void move(unsigned from, unsigned to) noexcept;
    /// Nobody waits for the answer any more; on_stream_ended is not called.
    void cancel(unsigned place) noexcept;

    /// What is to be sent, until the next call; empty: nothing, or no memory for it.
    std::string_view output() noexcept;
    /// False if that was no HTTP/2 or was the server's last word; see problem().
    bool take(std::string_view bytes) noexcept;

    /// Streams that may be under way at once: as many as were asked for, or as the server allows.
    unsigned most_streams() const noexcept;
    /// The server's SETTINGS have come.
    bool is_ready() const noexcept { return is_ready_; }
    /// The server has sent GOAWAY: no more streams, those under way are answered.
    bool is_leaving() const noexcept { return is_leaving_; }
    const char* problem() const noexcept { return problem_; }

 private:
    struct callbacks;
    struct stream {
        std::int32_t id = 0;
        std::uint16_t status = 0;
        bool is_whole = false;
        bool was_reset = false;
        std::size_t body_sent = 0;
    };

    http2_session(const http2_request& request, unsigned streams, listener& owner);
    stream* find(std::int32_t id) noexcept;
    void end(stream& of, ending how, const char* what) noexcept;

    const http2_request& request_;
    listener& owner_;
    nghttp2_session* http2_ = nullptr;
    std::vector<stream> streams_;  // by place
    std::string output_;
    const char* problem_ = "";
    bool any_input_ = false;
    bool is_ready_ = false;
    bool is_leaving_ = false;
};

}  // namespace naru::load
