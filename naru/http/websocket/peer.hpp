// A WebSocket, as coroutines use it.
#pragma once

#include <naru/coro/byte_source.hpp>
#include <naru/coro/deadline.hpp>
#include <naru/coro/task.hpp>
#include <naru/http/websocket/connection.hpp>

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace naru::websocket {

namespace detail {
struct attending;
}

/// result<message>: see peer::receive.
class [[nodiscard]] receive_message_request : public naru::request<receive_message_request> {
 public:
    receive_message_request(connection& from, bool in_pieces) noexcept : from_(&from), pieces_(in_pieces) {}

    class awaiter : public naru::detail::begins<awaiter>, private receiver {
     public:
        explicit awaiter(receive_message_request&& request) noexcept
            : receiver(*request.from_, request.pieces_) {}
        bool await_ready() noexcept { return of->try_receive(*this); }
        void begin(std::coroutine_handle<> who, stop_scope& in) noexcept {
            of->wait_to_receive(*this, who, in);
        }
        [[nodiscard]] result<message> await_resume() noexcept { return of->take(*this); }
    };

 private:
    connection* from_;
    bool pieces_;
};

/// result<void>: see peer::send. `Kept` is what dies with the expression otherwise.
template <class Kept = nothing>
class [[nodiscard]] send_message_request : public naru::request<send_message_request<Kept>> {
 public:
    send_message_request(connection& to, message_kind kind, bytes_view payload) noexcept
        : to_(&to), payload_(payload), kind_(kind) {}
    send_message_request(connection& to, message_kind kind, Kept&& kept) noexcept
        : to_(&to), kept_(std::move(kept)), kind_(kind) {}

    class awaiter : public naru::detail::begins<awaiter>, private sender {
     public:
        explicit awaiter(send_message_request&& request) noexcept
            : sender(*request.to_, request.kind_, request.payload_), kept_(std::move(request.kept_)) {
            if constexpr (std::is_same_v<Kept, prepared_message>) {
                prepared = &kept_;
                payload = kept_.payload();
            } else if constexpr (std::is_same_v<Kept, message>) {
                payload = kept_.bytes();
            } else if constexpr (!std::is_same_v<Kept, nothing>) {
                payload = bytes_of(kept_);
            }
        }
        bool await_ready() noexcept { return of->try_send(*this); }
        void begin(std::coroutine_handle<> who, stop_scope& in) noexcept { of->wait_to_send(*this, who, in); }
        [[nodiscard]] result<void> await_resume() noexcept {
            if (how != outcome::sent) return fail(error());
            return {};
        }

     private:
        [[no_unique_address]] Kept kept_;
    };

 private:
    connection* to_;
    bytes_view payload_;
    [[no_unique_address]] Kept kept_;
    message_kind kind_;
};

/// result<void>: see peer::close.
class [[nodiscard]] close_websocket_request : public naru::request<close_websocket_request> {
 public:
    close_websocket_request(connection& of, std::uint16_t code, std::string reason) noexcept
        : of_(&of), reason_(std::move(reason)), code_(code) {}

    class awaiter : public naru::detail::begins<awaiter>, private closer {
     public:
        explicit awaiter(close_websocket_request&& request) noexcept
            : closer(*request.of_), reason_(std::move(request.reason_)), code_(request.code_) {}
        bool await_ready() noexcept { return of->begin_close(code_, reason_); }
        void begin(std::coroutine_handle<> who, stop_scope& in) noexcept {
            of->wait_to_close(*this, who, in);
        }
        [[nodiscard]] result<void> await_resume() noexcept {
            if (of->error() == naru::errc::end_of_stream) return {};
            return fail(stopped ? std::error_code(ECANCELED, errno_category()) : of->error());
        }

     private:
        std::string reason_;
        std::uint16_t code_;
    };

 private:
    connection* of_;
    std::string reason_;
    std::uint16_t code_;
};

/// A WebSocket (RFC 6455), a server's or a client's. Move-only, on its loop's thread; its end ends the
/// connection at once, without a close frame: see close, and attend.
///
/// One coroutine receives at a time; any number send. Pings are answered, and the peer's close frame is,
/// while one receives: nothing is read that nobody asks for.
class peer {
 public:
    peer() noexcept = default;
    /// After a handshake that was made otherwise. `ahead` is what came behind it. Without memory for it the
    /// connection is closed, and the peer is none.
    peer(tcp_stream stream, std::string_view ahead, role as, std::shared_ptr<const options> with,
         const agreement& agreed) noexcept
        : to_(connection::make(std::move(stream), ahead, as, std::move(with), agreed)) {}
    peer(peer&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
    peer& operator=(peer&& other) noexcept {
        std::swap(to_, other.to_);
        return *this;
    }
    ~peer() {
        if (to_ == nullptr) return;
        if (!to_->attended()) to_->finish({ECANCELED, errno_category()});
        to_->release();
    }
    explicit operator bool() const noexcept { return to_ != nullptr; }

    /// result<message>: the next one, whole; text stays text, binary binary. Errors:
    /// naru::errc::end_of_stream when the peer has closed (close_code says why), those of websocket::errc,
    /// timed_out after options::idle_timeout, and the connection's.
    receive_message_request receive() noexcept { return {*to_, false}; }
    /// The same in pieces as they come, of 16 KiB at most: message::last tells the last one, which may be
    /// empty. A text's pieces may end within a character.
    receive_message_request receive_piece() noexcept { return {*to_, true}; }

    /// result<void>: as soon as it is in the queue; options::when_full says what happens when that has no
    /// room. A payload that has a name is lent until then. With send_policy::wait one of more than 4 KiB is
    /// sent from where it lies (not by a client, nor compressed), and the send ends when it has gone; a stop
    /// of it ends the connection. Errors: EPIPE after close, and whatever has ended the connection.
    send_message_request<> send(const message& what) noexcept { return {*to_, what.kind(), what.bytes()}; }
    send_message_request<message> send(message&& what) noexcept {
        const message_kind kind = what.kind();
        return {*to_, kind, std::move(what)};
    }
    send_message_request<prepared_message> send(prepared_message what) noexcept {
        const message_kind kind = what.kind();
        return {*to_, kind, std::move(what)};
    }
    /// UTF-8 is the caller's business.
    template <byte_source Source>
    auto send_text(Source&& text) noexcept {
        return send_as(message_kind::text, std::forward<Source>(text));
    }
    template <byte_source Source>
    auto send_binary(Source&& bytes) noexcept {
        return send_as(message_kind::binary, std::forward<Source>(bytes));
    }
    /// Never waits: for those who send to many. errc::queue_full where send would wait.
    [[nodiscard]] result<void> try_send(const prepared_message& what) noexcept {
        return to_->offer(what.kind(), what.payload(), &what);
    }
    [[nodiscard]] result<void> try_send(message_kind kind, bytes_view payload) noexcept {
        return to_->offer(kind, payload, nullptr);
    }
    /// Up to 125 bytes; the answer is not told. Errors: EMSGSIZE, and those of try_send.
    [[nodiscard]] result<void> ping(bytes_view payload = {}) noexcept { return to_->ping(payload); }

    /// result<void>: the close handshake (section 7). Sends what is queued and a close frame, unless one has
    /// gone, reads up to the peer's, and ends the connection; messages that come meanwhile are dropped,
    /// unless somebody receives. Success if both have sent one. Takes options::close_timeout at most; a stop
    /// ends it at once. Of a longer reason the first 123 bytes are sent.
    close_websocket_request close(std::uint16_t code = close_code::normal,
                                  std::string reason = std::string()) noexcept {
        return {*to_, code, std::move(reason)};
    }

    /// Whether messages can be sent.
    bool open() const noexcept { return to_ != nullptr && to_->open(); }
    /// After the end: the peer's code, 1005 if its close frame had none, 1006 if there was none; or the one
    /// that the connection was failed with.
    std::uint16_t close_code() const noexcept { return to_->close_code(); }
    std::string_view close_reason() const noexcept { return to_->close_reason(); }
    /// The subprotocol that was agreed on; empty: none.
    std::string_view protocol() const noexcept { return to_->protocol(); }
    /// Whether permessage-deflate was agreed on.
    bool compresses() const noexcept { return to_->compresses(); }
    /// Bytes that wait to be sent.
    std::size_t queued_bytes() const noexcept { return to_->queued_bytes(); }

    loop& home() const noexcept { return to_->home(); }
    tcp_stream& stream() noexcept { return to_->stream(); }

 private:
    friend struct detail::attending;

    explicit peer(connection& shared) noexcept : to_(&shared) { shared.retain(); }

    template <class Source>
    auto send_as(message_kind kind, Source&& what) noexcept {
        if constexpr (naru::detail::owned_bytes<Source>) {
            using kept = std::remove_cvref_t<Source>;
            return send_message_request<kept>(*to_, kind, std::forward<Source>(what));
        } else {
            return send_message_request<>(*to_, kind, bytes_of(what));
        }
    }

    connection* to_ = nullptr;
};

namespace detail {

/// Closes a connection whose handler has ended, also in a scope that is stopped. A frame of its own, which an
/// idle one has not.
task<> end_of(connection& attended, bool thrown);

struct attending {
    static const options& settings(const peer& of) noexcept { return of.to_->settings(); }
    // Awaiters, not tasks: an idle WebSocket's frame holds one thing less.
    template <class Handler>
    static naru::detail::task_awaiter<void> begin(peer& made, Handler& handler) {
        made.to_->set_attended(true);
        return handler(peer(*made.to_)).operator co_await();
    }
    template <class Handler>
    static naru::detail::task_awaiter<void> step(peer& made, Handler& handler, bool ended, bool thrown) {
        if (ended) return end(made, thrown);
        return begin(made, handler);
    }
    static naru::detail::task_awaiter<void> end(peer& made, bool thrown) {
        made.to_->set_attended(false);
        return end_of(*made.to_, thrown).operator co_await();
    }
};

}  // namespace detail

/// Runs a server's handler, `task<>(peer)`, and closes the WebSocket when it has ended, however: with 1000,
/// with 1001 if it was stopped, with 1011 if it has thrown (the exception goes on). `handler` must outlive
/// the task.
template <class Handler>
task<> attend(peer made, Handler handler) {
    if (!made) co_return;
    std::exception_ptr thrown;
    try {
        co_await detail::attending::begin(made, handler);
    } catch (...) {
        thrown = std::current_exception();
    }
    co_await detail::attending::end(made, thrown != nullptr);
    if (thrown) std::rethrow_exception(thrown);
}

}  // namespace naru::websocket
