// TLS over any stream of bytes, for coroutines.
#pragma once

#include <naru/core/language.hpp>

#include <naru/core/limits.hpp>
#include <naru/coro/byte_source.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/sync.hpp>
#include <naru/coro/task.hpp>
#include <naru/loop/buffer_pool.hpp>
#include <naru/stream/tls/tls_connection.hpp>
#include <naru/stream/tls/tls_engine.hpp>

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace naru {

/// Move-only; itself a stream like the one it is over, which it owns. Functions that wait return a task,
/// awaited once; the stream must stay until then. One operation per direction at a time, or several: they
/// complete in order. A connection that waits for its peer holds no pool buffer, and what it sends never
/// waits for one.
///
/// A receive that is stopped loses nothing. A send that is stopped when part of it may have left ends our
/// direction: later ones fail with tls_errc::send_interrupted, and close does not tell the peer that the
/// stream is whole.
template <tls_transport Inner>
class tls_stream {
    using connection = detail::tls_connection<Inner>;

 public:
    tls_stream() noexcept = default;
    tls_stream(tls_stream&&) noexcept = default;
    tls_stream& operator=(tls_stream&& other) noexcept {
        std::swap(connection_, other.connection_);
        return *this;
    }
    /// Closes what it is over, without close_notify: the peer sees a stream that was cut (see close).
    ~tls_stream() = default;

    /// result<tls_stream>, a server's side of a connection, after its handshake. Errors: tls_errc, ETIMEDOUT
    /// when that takes longer than `within`, those of the stream beneath; it is closed then.
    static task<result<tls_stream>> accept(Inner over, const tls_context& context,
                                           duration within = limits::tls_handshake) {
        pointer made(new (std::nothrow) connection(std::move(over)));
        const result<void> begun = made ? made->engine.accept(context) : result<void>(fail_errno(ENOMEM));
        return establish(std::move(made), begun ? std::error_code() : begun.error(), within);
    }

    /// A client's side: `host` is the name, or the address in numbers, that the server's certificate must be
    /// for. Begins with what an earlier connection has left (session), if it is given. Errors: also EINVAL,
    /// for a host that is none.
    static task<result<tls_stream>> connect(Inner over, const tls_context& context, std::string_view host,
                                            duration within = limits::tls_handshake,
                                            const tls_session& resumed = {}) {
        pointer made(new (std::nothrow) connection(std::move(over)));
        const result<void> begun =
            made ? made->engine.connect(context, host, resumed) : result<void>(fail_errno(ENOMEM));
        return establish(std::move(made), begun ? std::error_code() : begun.error(), within);
    }

    /// result<lease>: at least one byte in a pool buffer. Errors: end_of_stream after the peer's
    /// close_notify, tls_errc::truncated if the connection ends without one, others of tls_errc, those of the
    /// stream beneath.
    task<result<lease>> receive() { return connection::receive_lease(use()); }
    /// result<size_t>: at least one byte into `memory` (any contiguous bytes). Errors: also EINVAL if it is
    /// empty.
    template <class Memory>
        requires detail::writable_byte_range<Memory>
    task<result<std::size_t>> receive(Memory&& memory) {
        static_assert(!detail::owned_bytes<Memory>,
                      "naru: memory to receive into must outlive the receive: pass a name or a span");
        return connection::receive_into(use(), writable_bytes_of(memory));
    }

    /// result<size_t>: all of it, or an error. Bytes that have a name are lent; a temporary that owns its
    /// bytes is kept.
    template <byte_source Source>
    task<result<std::size_t>> send(Source&& source) {
        return send_as(std::forward<Source>(source), true);
    }
    /// Several pieces as one; the slices themselves are lent, too, and modified.
    task<result<std::size_t>> send(std::span<slice> pieces) {
        return connection::send_pieces(use(), slice(), pieces, true);
    }
    /// result<size_t>: what goes as one buffer's worth of records; at least one byte, 0 if there is none.
    template <byte_source Source>
    task<result<std::size_t>> send_some(Source&& source) {
        return send_as(std::forward<Source>(source), false);
    }
    task<result<std::size_t>> send_some(std::span<slice> pieces) {
        return connection::send_pieces(use(), slice(), pieces, false);
    }

    /// result<void>: ends our direction, by close_notify, behind the sends before it. The peer may go on.
    task<result<void>> shutdown() { return connection::shutdown(use()); }
    /// result<void>: ends our direction if that is still possible and nobody is sending, for at most
    /// limits::tls_farewell; then cancels and joins what is in flight and closes. A connection that is closed
    /// with bytes unread is reset by the system, which may cost the peer the last that was sent: who cares
    /// awaits shutdown, and receives to the end.
    task<result<void>> close() { return connection::close(std::move(connection_)); }
    /// What was sent must not look whole: close does not send close_notify, and resets where that can be.
    void reset_on_close() noexcept { use().reset_on_close(); }

    loop& home() const noexcept { return use().inner.home(); }
    decltype(auto) peer_address() const noexcept { return use().inner.peer_address(); }
    decltype(auto) local_address() const noexcept { return use().inner.local_address(); }
    explicit operator bool() const noexcept { return connection_ != nullptr; }

    /// What the handshake has agreed upon; see tls_engine.
    const tls_engine& engine() const noexcept { return use().engine; }
    std::string_view protocol() const noexcept { return engine().protocol(); }
    std::string_view server_name() const noexcept { return engine().server_name(); }
    bool resumed() const noexcept { return engine().resumed(); }
    /// A client's: what its next connection may begin with.
    tls_session session() const noexcept { return engine().session(); }
    /// What it is over: for options and addresses, not to receive or send.
    Inner& transport() noexcept { return use().inner; }

 private:
    using pointer = detail::tls_connection_pointer<Inner>;
    explicit tls_stream(pointer established) noexcept : connection_(std::move(established)) {}

    connection& use() const noexcept {
        if (connection_ == nullptr)
            fatal("bug: a TLS stream was used that never was opened, or has been closed");
        return *connection_;
    }

    static task<result<tls_stream>> establish(pointer made, std::error_code refused, duration within) {
        if (refused) co_return fail(refused);
        const result<void> done = co_await with_deadline(within, connection::handshake(*made));
        if (!done) co_return fail(done.error());
        co_return tls_stream(std::move(made));
    }

    template <class Source>
    task<result<std::size_t>> send_as(Source&& source, bool whole) {
        if constexpr (detail::owned_bytes<Source>) {
            return send_owned(use(), std::remove_cvref_t<Source>(std::forward<Source>(source)), whole);
        } else {
            return connection::send_pieces(use(), slice(bytes_of(source)), {}, whole);
        }
    }
    template <class Owned>
    static task<result<std::size_t>> send_owned(connection& over, Owned owned, bool whole) {
        co_return co_await connection::send_pieces(over, slice(bytes_of(owned)), {}, whole);
    }

    pointer connection_;
};

}  // namespace naru
