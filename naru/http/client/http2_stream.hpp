// One request and its answer on an HTTP/2 connection.
#pragma once

#include <naru/core/intrusive.hpp>
#include <naru/loop/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace naru::http {

class http2_link;

class http2_stream;

/// Why it has ended, for an error's text: empty if `end` says it all.
std::string words_of(const http2_stream& ended, std::error_code end);

/// Stands where a connection's socket stands: HTTP/1's text goes in and comes out, so that a
/// client_connection carries a request on it as on a connection of its own, once. The first send begins with
/// the whole head; a body without a Content-Length is not chunked, and ends with shutdown_send. The answer's
/// body comes without framing, and end_of_stream says that it is whole. What has not been read lies here, and
/// no more of it comes than the stream's window (limits::client_stream_window), which opens as it is read.
class http2_stream final : public handle_layer {
 public:
    /// On a link that takes requests. Errors: ENOMEM, handle_limit.
    [[nodiscard]] static result<handle> open(http2_link& on) noexcept;
    /// The stream behind a handle; nullptr if that is none.
    static http2_stream* find(loop& on, handle of) noexcept;

    /// The server has not looked at the request and never will.
    bool was_refused() const noexcept { return was_refused_; }
    /// Its connection has ended before it had.
    bool was_lost() const noexcept { return was_lost_; }
    /// Why TLS has failed on that connection, if that is how it has ended.
    std::error_code tls_failure() const noexcept { return tls_failure_; }
    /// With which error HTTP/2 has ended it; empty without one. Static text.
    const char* problem() const noexcept { return problem_; }
    /// The socket of its connection.
    handle connection() const noexcept { return beneath(); }

    /// For nghttp2, which makes a frame: what waits of the body. Nothing that is not the last: nothing yet.
    std::size_t give_body(char* into, std::size_t most, bool& is_last) noexcept;

    void take(operation& op) noexcept override;
    void cancel(operation& op) noexcept override;
    result<void> shutdown_send() noexcept override;
    void reset_on_close() noexcept override {}
    bool waits_for_buffer() noexcept override { return !buffer_.idle(); }
    std::size_t kept() noexcept override { return 0; }

 private:
    friend class http2_link;

    // Its place among those of its link.
    struct place : list_node {
        explicit place(http2_stream& of) noexcept : owner(of) {}
        ~place() {
            if (linked()) unlink();
        }
        http2_stream& owner;
    };
    struct buffer_step : buffer_operation {
        explicit buffer_step(http2_stream& of) noexcept
            : buffer_operation(
                  [](operation& op) noexcept { static_cast<buffer_step&>(op).owner.on_buffer(); }),
              owner(of) {}
        http2_stream& owner;
    };

    explicit http2_stream(http2_link& on) noexcept;
    ~http2_stream() = default;

    // From nghttp2's callbacks.
    void take_field(std::string_view name, std::string_view value);
    void head_ended();
    void take_body(std::string_view bytes);
    void input_ended() noexcept;
    void closed(std::uint32_t code) noexcept;
    /// Its connection has ended.
    void lost(std::int64_t why, std::error_code of_tls) noexcept;
    void end_with(std::int64_t why) noexcept;

    bool begin(std::string_view head) noexcept;
    void advance_reads() noexcept;
    void deliver(operation& op, std::byte* into) noexcept;
    void advance_writes() noexcept;
    void on_buffer() noexcept;
    void begin_close(operation& op) noexcept;
    void finish_close() noexcept;

    loop& loop_;
    http2_link* link_;
    place place_{*this};
    handle own_;
    operation_queue reads_;
    operation_queue writes_;
    buffer_step buffer_{*this};
    operation* closing_ = nullptr;
    std::string head_;             // of the answer, while it comes
    std::string inbox_;            // to be read
    std::size_t taken_ = 0;        // of it
    std::size_t head_left_ = 0;    // of what is to be read: no body, for which a window would open
    std::uint64_t body_left_ = 0;  // of the request, if its length is known
    std::int64_t end_ = 0;         // how what there is to read ends
    instant begun_at_;
    std::error_code tls_failure_;
    const char* problem_ = "";
    std::int32_t id_ = 0;
    bool is_begun_ = false;
    bool is_alive_ = false;      // nghttp2 knows it
    bool body_is_open_ = false;  // its end is told by shutdown_send
    bool is_final_ = false;      // the answer's head has come: no more interim ones
    bool was_refused_ = false;
    bool was_lost_ = false;
};

}  // namespace naru::http
