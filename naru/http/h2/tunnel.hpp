// Another protocol on a stream of HTTP/2 (RFC 8441): a handle like a socket's, so that what speaks over a
// connection speaks over a stream without knowing.
#pragma once

#include <naru/http/link/connection.hpp>
#include <naru/loop/loop.hpp>

#include <cstddef>
#include <cstdint>

namespace naru::http::h2 {

class stream;

/// Between operations on its handle and the DATA of its stream, which it belongs to. Ended by a close of its
/// handle; the stream counts until then, whoever has reset it. On the loop's thread.
///
// clang-format off
/// | operation on the handle | result |
/// |---|---|
/// | recv, recv_into | what has come in DATA; the stream's window opens by as much. end_of_stream after END_STREAM; ECONNRESET when the stream was reset, or its connection has ended |
/// | send | when its bytes have left in DATA: the client's windows hold it up |
/// | shutdown | END_STREAM behind the sends before it |
/// | writable | 0 |
/// | close | END_STREAM; RST_STREAM if sends were cut off or reset_on_close was called |
/// | others | EINVAL |
// clang-format on
class tunnel final : public handle_layer {
 public:
    /// `beneath`: its connection, for addresses and options.
    tunnel(loop& on, stream& of, handle beneath) noexcept : handle_layer(beneath), loop_(on), stream_(of) {}

    /// Errors: handle_limit, ENOMEM.
    result<handle> take_place() noexcept;

    void take(operation& op) noexcept override;
    void cancel(operation& op) noexcept override;
    result<void> shutdown_send() noexcept override;
    void reset_on_close() noexcept override { cut_ = true; }
    bool waits_for_buffer() noexcept override { return lacks_buffer_; }
    std::size_t kept() noexcept override { return 0; }

    // For the stream.
    /// More has come, or its end.
    void advance_reads() noexcept;
    /// Nothing more comes or goes: what waits ends with ECONNRESET, behind what has come.
    void break_off() noexcept;
    /// What is to be sent next.
    body_piece front() const noexcept;
    /// So much of it has been taken.
    void gone(std::size_t bytes) noexcept;
    /// Nothing is lent any more. The last touch: it may be the tunnel's end.
    void returned() noexcept;

 private:
    // How a send or shutdown ends that is not to go on (operation::backend_bits).
    enum class ending : std::uint8_t { well, canceled, reset };

    bool read_into(operation& op, std::size_t size) noexcept;
    void write(operation& op) noexcept;
    void advance_writes() noexcept;
    void end_writes(ending how) noexcept;
    void hand_back_writes() noexcept;
    void begin_close(operation& op) noexcept;
    void end() noexcept;

    loop& loop_;
    stream& stream_;
    handle own_;
    operation_queue reads_;
    operation_queue writes_;
    operation_queue gone_;  // which end when nothing is lent any more
    operation* closing_ = nullptr;
    bool shut_ = false;    // no send is taken any more
    bool broken_ = false;  // the stream is no more
    bool cut_ = false;     // it ends by a reset
    bool lacks_buffer_ = false;
};

}  // namespace naru::http::h2
