// TLS as a layer: a handle like a socket's, so that code made of operations speaks TLS without knowing.
#pragma once

#include <naru/loop/loop.hpp>
#include <naru/stream/tls/tls_engine.hpp>
#include <naru/stream/tls/tls_handshakes.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace naru {

/// One connection's TLS, between operations on its handle and those on the socket beneath, which it owns.
/// Made by accept or connect, ended by a close of its handle (loop::close). On the loop's thread.
///
// clang-format off
/// | operation on the handle | result |
/// |---|---|
/// | recv, recv_into | plaintext; end_of_stream after the peer's close_notify; ECONNRESET when the connection ends without one; EPROTO when TLS fails; ETIMEDOUT when a server's handshake takes too long |
/// | send, send_file | as of a socket, but for `progress`: see show_progress; a file is read on the loop's thread, in one read what limits::tls_send_buffers buffers of records hold |
/// | shutdown | close_notify, then the socket's own |
/// | writable | 0 when the handshake is done, or why it failed; for clients that want to know before they send |
/// | close | close_notify first, unless sends were cut off or reset_on_close was called; for limits::tls_farewell at most |
/// | others | EINVAL |
// clang-format on
///
/// The handshake is made with the first of these operations. A connection that waits for its peer holds no
/// pool buffer; what is sent does not wait for one. What is sent with operation_flags::more has ended when it
/// is enciphered, and leaves with what follows, after limits::tls_gather_time at the latest. A send that is
/// cancelled when part of a record has gone ends our direction (errc::cut_off).
class tls_layer final : public handle_layer {
 public:
    /// A server's side of a connection. `among`: the loop's handshakes; outlives it. On an error (EAGAIN: so
    /// many handshakes are under way, ENOMEM, handle_limit) `beneath` stays the caller's.
    [[nodiscard]] static result<handle> accept(loop& on, handle beneath, const tls_context& context,
                                               tls_handshakes& among) noexcept;
    /// A client's: see tls_engine::connect.
    [[nodiscard]] static result<handle> connect(loop& on, handle beneath, const tls_context& context,
                                                std::string_view host,
                                                const tls_session& resumed = {}) noexcept;
    /// The layer behind a handle; nullptr if that is no TLS connection's.
    static tls_layer* find(loop& on, handle of) noexcept;

    /// What was agreed upon. Before the handshake's first step a server's has nothing to tell: see
    /// established.
    const tls_engine& engine() const noexcept { return engine_; }
    bool established() const noexcept { return phase_ == phase::open; }
    /// The whole reason for which operations fail, where an outcome has no room for it (see tls_errc).
    std::error_code failure() const noexcept { return failure_; }
    /// A server's, as given to accept.
    const tls_context& context() const noexcept { return context_; }

    /// Brings operation::progress of the send that is under way up to what has gone of its records, in
    /// proportion: by itself it moves only when several buffers of them have gone.
    void show_progress() noexcept;

    void take(operation& op) noexcept override;
    void cancel(operation& op) noexcept override;
    result<void> shutdown_send() noexcept override;
    void reset_on_close() noexcept override;
    bool waits_for_buffer() noexcept override;
    std::size_t kept() noexcept override;

 private:
    enum class phase : std::uint8_t { handshaking, open, failed };
    // What send_ carries; `held`: nothing yet, records wait for what follows them.
    enum class sending : std::uint8_t { idle, held, kept, operation, shutdown };
    struct away_step;  // a step of the handshake on a worker
    struct flight;     // the buffers of records that go out together

    friend class tls_handshakes;

    tls_layer(loop& on, handle beneath, const tls_context& context, tls_handshakes* among) noexcept;
    ~tls_layer();
    result<handle> take_place() noexcept;

    void advance() noexcept;
    void advance_reads() noexcept;
    void advance_writes() noexcept;
    void end_cancelled_reads() noexcept;
    bool read_into(operation& op, std::int64_t& got) noexcept;
    bool room_for_plaintext() noexcept;
    void receive_more() noexcept;
    void on_received() noexcept;
    void drop_input() noexcept;
    void release(std::byte*& buffer) noexcept;

    bool shake() noexcept;
    bool give_away() noexcept;
    void have_turn() noexcept;
    bool put_aside() noexcept;
    void step() noexcept;
    void stepped(const result<bool>& done) noexcept;
    void leave_handshakes() noexcept;
    void fail_with(std::error_code why) noexcept;
    std::int64_t failed_outcome() const noexcept;

    bool lend_room(std::uint64_t plaintext) noexcept;
    std::size_t record_now() const noexcept;
    void make_records(operation& op) noexcept;
    bool hold_room() noexcept;
    void send_held() noexcept;
    void drop_room(std::size_t kept = 0) noexcept;
    void send_room(std::size_t bytes, sending what, bool more) noexcept;
    bool flush_kept() noexcept;
    bool encipher(operation& op) noexcept;
    bool end_direction() noexcept;
    void on_sent() noexcept;
    void finish_write(std::int64_t result) noexcept;

    void begin_close(operation& op) noexcept;
    void farewell() noexcept;
    void close_beneath() noexcept;
    void on_closed() noexcept;
    void on_deadline() noexcept;

    template <void (tls_layer::*Then)() noexcept>
    struct part : operation {
        part(operation_kind of_kind, tls_layer& of) noexcept
            : operation(of_kind, [](operation& op) noexcept { (static_cast<part&>(op).owner.*Then)(); }),
              owner(of) {}
        tls_layer& owner;
    };
    struct limit : timer {
        explicit limit(tls_layer& of) noexcept
            : timer([](timer& self) noexcept { static_cast<limit&>(self).owner.on_deadline(); }), owner(of) {}
        tls_layer& owner;
    };

    loop& loop_;
    handle own_;
    tls_context context_;
    tls_engine engine_;
    tls_handshakes* among_;           // until its handshake has ended
    tls_layer* next_turn_ = nullptr;  // of those that wait for one
    operation_queue reads_;
    operation_queue writes_;
    part<&tls_layer::on_received> receive_{operation_kind::recv, *this};  // or a buffer, for plaintext
    part<&tls_layer::on_sent> send_{operation_kind::send, *this};
    part<&tls_layer::on_closed> close_{operation_kind::close, *this};
    limit deadline_{*this};               // of the handshake, then of what is held, then of the farewell
    std::byte* input_ = nullptr;          // ciphertext: what the engine has not used up of it is lent to it
    std::unique_ptr<std::byte[]> aside_;  // the same, when its buffer was needed
    std::byte* plain_ = nullptr;          // a buffer for plaintext
    flight* flight_ = nullptr;            // records on their way
    std::unique_ptr<away_step> away_;
    operation* closing_ = nullptr;
    std::error_code failure_;
    std::int64_t end_ = 0;      // how the socket's bytes ended
    std::int64_t broken_ = 0;   // why nothing more can be sent
    std::int64_t refused_ = 0;  // why there is no more of what is in the room
    std::size_t taken_ = 0;     // plaintext in the room
    instant sent_at_;           // when records of plaintext were made last
    std::size_t early_ = 0;     // bytes of it since our last silence, as far as they count
    phase phase_ = phase::handshaking;
    sending sends_ = sending::idle;
    bool begun_ = false;        // the engine
    bool needs_input_ = false;  // the next step of the handshake does
    bool had_turn_ = false;
    bool waits_turn_ = false;
    bool is_away_ = false;
    bool is_last_ = false;    // what is in the room ends its operation
    bool cut_ = false;        // no close_notify
    bool fin_waits_ = false;  // for close_notify to have gone
};

}  // namespace naru
