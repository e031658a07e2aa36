// TLS without I/O: bytes in, bytes out. Whoever has a connection drives it (tls_stream, or a protocol's own).
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/limits.hpp>
#include <naru/core/result.hpp>
#include <naru/stream/tls/tls_context.hpp>
#include <naru/stream/tls/tls_error.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_session_st;

namespace naru {

/// What a client remembers of a server, to begin its next connection there with less work. Move-only. Good
/// for one connection: tickets that are used twice let an observer link the two (RFC 8446, C.4).
class tls_session {
 public:
    tls_session() noexcept = default;
    /// Takes over a reference.
    explicit tls_session(ssl_session_st* taken) noexcept : session_(taken) {}
    explicit operator bool() const noexcept { return session_ != nullptr; }
    ssl_session_st* get() const noexcept { return session_.get(); }

 private:
    struct release {
        void operator()(ssl_session_st* each) const noexcept;
    };
    std::unique_ptr<ssl_session_st, release> session_;
};

/// One connection's TLS. Pinned; not thread-safe. First accept or connect, once; then handshake until it is
/// true; then read and write, in any order.
///
/// Ciphertext from the peer is lent by feed. Ciphertext for the peer goes into memory that is lent by
/// lend_output; what finds no room there, and what a call makes while none is lent, is kept, up to
/// limits::tls_output_pending, and goes into the memory that is lent next. All of it has to be sent, in its
/// order, also after an error: then it is the alert that tells the peer.
///
/// Errors end the engine: every later call gives the same.
class tls_engine {
 public:
    tls_engine() noexcept = default;
    tls_engine(const tls_engine&) = delete;
    tls_engine& operator=(const tls_engine&) = delete;
    ~tls_engine();

    /// A server's side. Errors: ENOMEM.
    [[nodiscard]] result<void> accept(const tls_context& context) noexcept;
    /// A client's. `host`: the name, or the address in numbers, that the server's certificate must be for; a
    /// name is told the server (SNI). Errors: EINVAL (no such name can be), ENOMEM.
    [[nodiscard]] result<void> connect(const tls_context& context, std::string_view host,
                                       const tls_session& resumed = {}) noexcept;

    /// Lends what was received; after what was lent before, which must be used up. It stays lent until `fed`
    /// is empty, or to the engine's end.
    void feed(bytes_view ciphertext) noexcept;
    bytes_view fed() const noexcept { return input_; }
    /// The same bytes, elsewhere.
    void move_fed(const std::byte* to) noexcept { input_ = {to, input_.size()}; }
    /// Whether a read may give something without more from the peer.
    bool may_read() const noexcept;

    /// Lends room for output until take_output; `more` of it, which is lent, too, comes behind: a record may
    /// lie in several.
    void lend_output(mutable_bytes room, std::span<const mutable_bytes> more = {}) noexcept;
    /// Still more of it, once `more` is used up or was empty.
    void lend_more_output(std::span<const mutable_bytes> more) noexcept;
    /// How much of it is used, each room up to its end before the next one.
    std::size_t take_output() noexcept;
    /// Whether something is kept for which there was no room.
    bool has_output() const noexcept { return kept_size_ != 0; }

    /// True when it is done; false when more of the peer's bytes are wanted. Errors: tls_errc, ENOMEM.
    [[nodiscard]] result<bool> handshake() noexcept;
    /// Plaintext. 0: more of the peer's bytes are wanted. Errors: end_of_stream after the peer's
    /// close_notify, tls_errc, ENOMEM.
    [[nodiscard]] result<std::size_t> read(mutable_bytes into) noexcept;
    /// Makes one record of plaintext; how many bytes of it were taken. 0: there is no room lent for it, which
    /// is smallest_room or less; or, with nothing made, the peer has sent a part of a message of TLS's own,
    /// and the rest of it must be fed before.
    [[nodiscard]] result<std::size_t> write(bytes_view plaintext) noexcept;
    static constexpr std::size_t smallest_room = 512;
    /// What a record may need beside its plaintext: a header, a nonce and a tag, and a key update before it.
    static constexpr std::size_t record_overhead = 128;
    /// Plaintext that fits into one record, and into one in a room of limits::buffer_bytes.
    static constexpr std::size_t most_in_record = std::size_t{16} * 1024;
    static constexpr std::size_t largest_record = limits::buffer_bytes - record_overhead;
    std::size_t room_left() const noexcept { return room_left_; }
    /// Makes our close_notify, once. What the peer still sends may be read.
    [[nodiscard]] result<void> end() noexcept;
    bool ended() const noexcept { return ended_; }

    // Known after the handshake. Texts are valid as long as the engine is.

    bool established() const noexcept { return established_; }
    /// By ALPN; empty if none was agreed upon.
    std::string_view protocol() const noexcept;
    /// The name that the client has asked for; empty if none. In the handshake, too.
    std::string_view server_name() const noexcept;
    std::string_view version() const noexcept;  ///< "TLSv1.3"
    std::string_view cipher() const noexcept;
    bool resumed() const noexcept;
    /// The subject of the peer's verified certificate (RFC 2253); none if it has shown none. Throws
    /// std::bad_alloc.
    std::optional<std::string> peer_subject() const;
    /// The OCSP response that the server has stapled, if a client's engine asked for it; empty if none.
    bytes_view staple() const noexcept;
    /// To be called before the handshake of a client.
    void ask_for_staple() noexcept;
    /// A client's: what its next connection may begin with; TLS 1.3 has it only after something was read.
    tls_session session() const noexcept;

 private:
    friend struct tls_bio;

    result<void> make(const tls_context& context) noexcept;
    /// Why a call has given `code`: nothing if it only wants more input.
    std::error_code failure_of(int code) noexcept;
    bool keep(bytes_view bytes) noexcept;
    std::size_t put(bytes_view bytes) noexcept;

    std::optional<tls_context> context_;
    struct ssl_release {
        void operator()(ssl_st* each) const noexcept;
    };
    std::unique_ptr<ssl_st, ssl_release> ssl_;
    bytes_view input_;
    mutable_bytes room_;                        // what is left of it
    std::span<const mutable_bytes> more_room_;  // behind it
    std::size_t room_left_ = 0;                 // in both
    std::size_t used_ = 0;
    std::unique_ptr<std::byte[]> kept_;
    std::size_t kept_size_ = 0;
    std::size_t kept_capacity_ = 0;
    std::error_code failed_;
    bool established_ = false;
    bool ended_ = false;
    bool peer_ended_ = false;
    bool overflowed_ = false;
};

}  // namespace naru
