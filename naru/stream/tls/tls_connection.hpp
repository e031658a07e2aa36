// The inside of tls_stream: the engine, the stream beneath it, and the coroutines that bring them together.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/core/chrono.hpp>
#include <naru/core/limits.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/sleep.hpp>
#include <naru/coro/sync.hpp>
#include <naru/coro/task.hpp>
#include <naru/loop/buffer_pool.hpp>
#include <naru/loop/loop.hpp>
#include <naru/stream/tls/tls_engine.hpp>

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <utility>

namespace naru {

/// What TLS needs of the stream beneath it; tcp_stream, and TLS itself, are such.
template <class Stream>
concept tls_transport =
    std::movable<Stream> && requires(Stream& stream, const Stream& same, bytes_view bytes) {
        { stream.receive() } -> std::movable;
        requires std::same_as<detail::awaited_type<decltype(stream.receive())>, result<lease>>;
        requires std::same_as<detail::awaited_type<decltype(stream.send(bytes))>, result<std::size_t>>;
        requires std::same_as<detail::awaited_type<decltype(stream.close())>, result<void>>;
        { same.home() } -> std::same_as<loop&>;
    };

namespace detail {

/// A buffer of the pool, or memory of its own when there is none: what is sent does not wait for a buffer,
/// since those who hold all of them may be waiting to send.
class tls_buffer {
 public:
    explicit tls_buffer(buffer_pool& pool) noexcept : pool_(pool), memory_(pool.acquire()) {
        if (memory_ != nullptr) return;
        own_.reset(new (std::nothrow) std::byte[limits::buffer_bytes]);
        memory_ = own_.get();
    }
    ~tls_buffer() {
        if (memory_ != nullptr && !own_) pool_.release(memory_);
    }
    tls_buffer(const tls_buffer&) = delete;
    tls_buffer& operator=(const tls_buffer&) = delete;

    /// False if there is no memory at all.
    explicit operator bool() const noexcept { return memory_ != nullptr; }
    mutable_bytes room() const noexcept { return {memory_, limits::buffer_bytes}; }
    bytes_view first(std::size_t count) const noexcept { return {memory_, count}; }

 private:
    buffer_pool& pool_;
    std::unique_ptr<std::byte[]> own_;
    std::byte* memory_;
};

/// Pinned. Lives until its stream is gone and the last coroutine in it has ended.
template <class Inner>
struct tls_connection {
    explicit tls_connection(Inner&& over) noexcept : inner(std::move(over)) {}
    tls_connection(const tls_connection&) = delete;
    tls_connection& operator=(const tls_connection&) = delete;

    Inner inner;
    tls_engine engine;
    lease input;                         // what the engine has not used up of it is lent to it
    std::unique_ptr<std::byte[]> aside;  // the same, when its buffer was needed
    async_mutex receiving;
    async_mutex sending;
    std::error_code send_refused;  // why nothing more can be sent
    std::size_t users = 0;         // coroutines in it
    bool closing = false;
    bool orphaned = false;  // the last user frees it
    bool cut = false;       // no close_notify

    /// Keeps the connection while a coroutine is in it.
    class user {
     public:
        explicit user(tls_connection& of) noexcept : of_(of) { ++of_.users; }
        ~user() {
            if (--of_.users == 0 && of_.orphaned) delete &of_;
        }
        user(const user&) = delete;
        user& operator=(const user&) = delete;

     private:
        tls_connection& of_;
    };

    struct release {
        void operator()(tls_connection* each) const noexcept {
            if (each->users == 0) {
                delete each;
                return;
            }
            each->closing = each->orphaned = true;
            const Inner closed = std::move(each->inner);  // which ends what is in flight
        }
    };
    using pointer = std::unique_ptr<tls_connection, release>;

    buffer_pool& pool() const noexcept { return inner.home().buffers(); }

    void reset_on_close() noexcept {
        cut = true;
        if constexpr (requires { inner.reset_on_close(); }) inner.reset_on_close();
    }

    /// Hands on what has come from beneath.
    result<void> take(result<lease>&& received) noexcept {
        if (!received) {
            if (received.error() != errc::end_of_stream) return fail(received.error());
            return fail(tls_error(tls_errc::truncated));
        }
        input = std::move(*received);
        engine.feed(input.bytes());
        return {};
    }
    /// Gives the buffer back when the engine has used it up.
    void drop_input() noexcept {
        if (!engine.fed().empty()) return;
        input.reset();
        aside.reset();
    }

    result<std::size_t> read(mutable_bytes memory) noexcept {
        auto got = engine.read(memory);
        drop_input();
        return got;
    }

    /// Room for plaintext: a buffer of the pool; when there is none, that of the ciphertext, which is put
    /// aside. nullptr if there is neither.
    std::byte* room_for_plaintext() noexcept {
        std::byte* const found = pool().acquire();
        if (found != nullptr || input.size() == 0) return found;
        const bytes_view left = engine.fed();
        if (!left.empty()) {
            aside.reset(new (std::nothrow) std::byte[left.size()]);
            if (!aside) return nullptr;
            std::memcpy(aside.get(), left.data(), left.size());
            engine.move_fed(aside.get());
        }
        // Not by way of the pool: a backend that is short of buffers would keep it.
        return pool().begin_of(input.take().data());
    }

    /// Waits for a buffer of the pool as a receive does: while some are given back.
    static task<result<std::byte*>> wait_for_room(tls_connection& of) {
        constexpr std::chrono::milliseconds look_again{1};
        std::uint64_t given_back = of.pool().given_back();
        instant end = saturating_add(clock::now(), of.pool().patience());
        while (true) {
            if (std::byte* const room = of.room_for_plaintext(); room != nullptr) co_return room;
            const result<void> slept = co_await sleep_for(look_again);
            if (!slept) co_return fail(slept.error());
            if (of.closing) co_return fail_errno(ECANCELED);
            if (of.pool().given_back() != given_back) {
                given_back = of.pool().given_back();
                end = saturating_add(clock::now(), of.pool().patience());
            } else if (clock::now() > end) {
                co_return fail(make_error_code(errc::buffers_held));
            }
        }
    }

    /// Into a buffer of the pool, which it takes over. An empty lease: more is wanted from the peer.
    result<lease> read_lease(std::byte* room) noexcept {
        auto got = read({room, limits::buffer_bytes});
        if (got && *got > 0) {
            if constexpr (requires { inner.native(); }) pool().note_holder(room, inner.native());
            return lease(pool(), {room, *got});
        }
        pool().release(room);
        if (!got) return fail(got.error());
        return lease();
    }

    /// Sends the alert that a failed read has left, if that is possible without waiting for others.
    static task<> send_alert(tls_connection& of) {
        const async_mutex::guard turn = of.sending.try_lock();
        if (!turn || of.send_refused || of.closing || !of.engine.has_output()) co_return;
        const tls_buffer buffer(of.pool());
        if (!buffer) co_return;
        of.engine.lend_output(buffer.room());
        const bytes_view alert = buffer.first(of.engine.take_output());
        (void)co_await with_deadline(limits::tls_farewell, of.inner.send(alert));
    }

    static task<result<lease>> receive_lease(tls_connection& of) {
        const user inside(of);
        const auto turn = co_await of.receiving.lock();
        if (!turn) co_return fail(turn.error());
        while (true) {
            if (of.closing) co_return fail_errno(ECANCELED);
            if (of.engine.may_read()) {
                std::byte* room = of.room_for_plaintext();
                if (room == nullptr) {
                    const result<std::byte*> waited = co_await wait_for_room(of);
                    if (!waited) co_return fail(waited.error());
                    room = *waited;
                }
                result<lease> got = of.read_lease(room);
                if (!got && of.engine.has_output()) co_await send_alert(of);
                if (!got || got->size() > 0) co_return got;
            }
            result<lease> received = co_await of.inner.receive();
            const result<void> more = of.take(std::move(received));
            if (!more) co_return fail(more.error());
        }
    }

    static task<result<std::size_t>> receive_into(tls_connection& of, mutable_bytes memory) {
        if (memory.empty()) co_return fail_errno(EINVAL);
        const user inside(of);
        const auto turn = co_await of.receiving.lock();
        if (!turn) co_return fail(turn.error());
        while (true) {
            if (of.closing) co_return fail_errno(ECANCELED);
            if (of.engine.may_read()) {
                const result<std::size_t> got = of.read(memory);
                if (!got && of.engine.has_output()) co_await send_alert(of);
                if (!got || *got > 0) co_return got;
            }
            result<lease> received = co_await of.inner.receive();
            const result<void> more = of.take(std::move(received));
            if (!more) co_return fail(more.error());
        }
    }

    /// Fills the lent room with records; the number of plaintext bytes in them.
    result<std::size_t> encrypt(std::span<slice> pieces) noexcept {
        std::size_t total = 0;
        while (!pieces.empty()) {
            if (pieces.front().size == 0) {
                pieces = pieces.subspan(1);
                continue;
            }
            const auto taken = engine.write({pieces.front().data, pieces.front().size});
            if (!taken) return taken;
            if (*taken == 0) break;
            advance(pieces.first(1), *taken);
            total += *taken;
        }
        return total;
    }

    /// The peer has sent a part of a message that is for TLS itself (a ticket): OpenSSL makes no records
    /// until it has the rest. Receives that, unless somebody does already.
    static task<result<void>> go_on_receiving(tls_connection& of) {
        constexpr std::chrono::milliseconds look_again{1};
        const async_mutex::guard turn = of.receiving.try_lock();
        if (!turn) co_return co_await sleep_for(look_again);
        if (of.engine.fed().empty()) {
            result<lease> received = co_await of.inner.receive();
            co_return of.take(std::move(received));
        }
        co_return {};
    }

    /// `one`, or `pieces` if there are any.
    static task<result<std::size_t>> send_pieces(tls_connection& of, slice one, std::span<slice> pieces,
                                                 bool whole) {
        const user inside(of);
        const auto turn = co_await of.sending.lock();
        if (!turn) co_return fail(turn.error());
        if (pieces.empty()) pieces = std::span(&one, 1);
        const std::uint64_t size = total_size(pieces);
        std::uint64_t sent = 0;
        while (sent < size) {
            if (of.closing) co_return fail_errno(ECANCELED);
            if (of.send_refused) co_return fail(of.send_refused);
            if (of.engine.ended()) co_return fail_errno(EPIPE);
            const tls_buffer buffer(of.pool());
            if (!buffer) co_return fail_errno(ENOMEM);
            of.engine.lend_output(buffer.room());
            const result<std::size_t> taken = of.encrypt(pieces);
            const bytes_view records = buffer.first(of.engine.take_output());
            if (!taken) co_return fail(taken.error());
            if (records.empty()) {
                const result<void> more = co_await go_on_receiving(of);
                if (!more) co_return fail(more.error());
                continue;
            }
            const result<std::size_t> gone = co_await of.inner.send(records);
            if (!gone) {
                of.send_refused = tls_error(tls_errc::send_interrupted);
                co_return fail(gone.error());
            }
            sent += *taken;
            if (!whole && *taken > 0) break;
        }
        co_return static_cast<std::size_t>(sent);
    }

    /// Sends everything that the engine has made.
    static task<result<void>> flush(tls_connection& of) {
        while (of.engine.has_output()) {
            const tls_buffer buffer(of.pool());
            if (!buffer) co_return fail_errno(ENOMEM);
            of.engine.lend_output(buffer.room());
            const bytes_view bytes = buffer.first(of.engine.take_output());
            const result<std::size_t> gone = co_await of.inner.send(bytes);
            if (!gone) {
                of.send_refused = tls_error(tls_errc::send_interrupted);
                co_return fail(gone.error());
            }
        }
        co_return {};
    }

    static task<result<void>> shutdown(tls_connection& of) {
        const user inside(of);
        const auto turn = co_await of.sending.lock();
        if (!turn) co_return fail(turn.error());
        if (of.closing) co_return fail_errno(ECANCELED);
        if (of.send_refused) co_return fail(of.send_refused);
        if (const auto made = of.engine.end(); !made) co_return fail(made.error());
        co_return co_await flush(of);
    }

    static task<result<void>> close(pointer of) {
        if (of == nullptr) co_return fail_errno(EBADF);
        of->closing = true;
        if (!of->cut && !of->send_refused && !of->engine.ended()) {
            if (const auto turn = of->sending.try_lock(); turn && of->engine.end())
                (void)co_await shielded(limits::tls_farewell, flush(*of));
        }
        co_return co_await of->inner.close();
    }

    /// The engine's steps, until it is established.
    static task<result<void>> handshake(tls_connection& of) {
        while (true) {
            result<bool> done = false;
            {
                const tls_buffer buffer(of.pool());
                if (!buffer) co_return fail_errno(ENOMEM);
                of.engine.lend_output(buffer.room());
                done = of.engine.handshake();
                of.drop_input();
                const bytes_view flight = buffer.first(of.engine.take_output());
                if (!flight.empty()) {
                    const result<std::size_t> gone = co_await of.inner.send(flight);
                    if (!gone) co_return fail(done ? gone.error() : done.error());
                }
            }
            if (of.engine.has_output()) {
                const result<void> flushed = co_await flush(of);
                if (!flushed) co_return fail(done ? flushed.error() : done.error());
            }
            if (!done) co_return fail(done.error());
            if (*done) co_return {};
            result<lease> received = co_await of.inner.receive();
            const result<void> more = of.take(std::move(received));
            if (!more) co_return fail(more.error());
        }
    }
};

template <class Inner>
using tls_connection_pointer = typename tls_connection<Inner>::pointer;

}  // namespace detail
}  // namespace naru
