// A coroutine handler at work.
#pragma once

#include <naru/coro/frame.hpp>
#include <naru/coro/scope.hpp>
#include <naru/http/coding/encoder.hpp>
#include <naru/http/exchange/exchange.hpp>
#include <naru/http/limits.hpp>
#include <naru/http/site/routes.hpp>
#include <naru/loop/loop.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace naru::http {

/// An answer in pieces that is encoded on its way (encode.cpp).
struct piece_encoding {
    encoder* makes = nullptr;  ///< none: it is not
    bool flushes = false;      ///< each piece can be decoded when it comes
    bool flush_now = false;    ///< the writer has asked for it
    bool done = false;         ///< nothing of what the writer has given is left
    bool failed = false;       ///< what was sent cannot be gone on with
    std::size_t filled = 0;    ///< bytes of made_block to be sent
    std::string_view of_file;  ///< read, not encoded yet
};

/// From a handler's first line to its end. Of its request everything is here, at an address that stays: the
/// turn's buffers come and go. What it may be in:
///
/// | reader | writer | the connection's phase | what goes on |
/// |---|---|---|---|
/// | - | - | serving | the handler works or waits for something else; the peer's leaving is watched |
/// | yes | - | serving | a piece of the body is being received |
/// | yes | - | sending | 100 Continue is on its way, before that |
/// | - | yes | sending | a piece of the answer is on its way |
/// | yes | yes | sending | either of these is on its way: what the other waits for is next, and a receive may
/// be under way |
/// | - | - | sending | the whole answer is on its way |
/// | - | yes | sending, handing_over | `upgrades`: a 101 is on its way |
/// | - | - | upgraded | the handler has the connection's bytes, and the connection is here for its call only
/// | | any | any | closing | the connection has ended: whoever waits is told, and the handler's end is waited
/// for |
struct call {
    explicit call(stop_scope& outer) noexcept;
    call(const call&) = delete;
    call& operator=(const call&) = delete;
    ~call();

    connection& link() const noexcept { return *x.link_; }
    void begins_on(connection& carrier) noexcept { x.link_ = &carrier; }
    /// Ended, with its answer whole at once and nothing of it left but what `begin_again` clears: the common
    /// case, in which it is kept for the next.
    bool is_as_new_but_for_its_answer() const noexcept {
        return x.answered_ && x.ended_ && !has_pieces && !piece_lost && body_done && overrule == 0 &&
               x.values_ == nullptr && large_ == nullptr && !thrown && !limit_.armed() && !wake_.queued &&
               !client_gone && !scope.stopped();
    }
    void begin_again() noexcept;
    /// Takes the request over: its head, path and parameters. Throws std::bad_alloc.
    void keep(const route_match& found, std::string_view path, std::string_view head);
    /// Runs the handler until it first waits, or to its end.
    void start();
    /// Those who wait go on with an error, soon.
    void interrupt_later() noexcept;
    void set_time_limit(instant until) noexcept;
    void end_time_limit() noexcept;
    bool waking() const noexcept { return wake_.queued; }
    const detail::handler* handles() const noexcept;
    const route_options& options() const noexcept;
    void handler_ended() noexcept;
    /// The whole answer is there.
    void answered() noexcept;

    exchange x;
    stop_scope scope;
    /// Nothing of its answer is missing, but for what is still to be sent.
    bool is_whole() const noexcept {
        if (piece_lost) return false;
        if (x.sends_ == exchange::body_kind::counted && x.left_ == 0) return true;
        if (x.answered_ && x.sends_ == exchange::body_kind::none) return true;
        return x.ended_ && (encodes.makes == nullptr || encodes.done);
    }

    detail::exchange_wait* reader = nullptr;
    detail::exchange_wait* writer = nullptr;
    std::exception_ptr thrown;
    std::string_view kept_head;
    bool starting = false;       ///< within begin_call or resume_call, which deal with its end
    bool ended = false;          ///< the handler has
    bool has_pieces = false;     ///< its answer has been begun as one in pieces
    bool body_done = true;       ///< nothing of the body is left
    bool client_gone = false;    ///< nobody is there to be answered
    bool peer_ended = false;     ///< its FIN has come
    bool asks_continue = false;  ///< it waits for 100 Continue
    bool continue_on_its_way = false;
    bool write_stopped = false;   ///< the writer is to end
    bool upgrades = false;        ///< the writer waits for the connection's bytes
    bool write_waits = false;     ///< the writer's turn comes when what is being sent has gone
    bool writes_interim = false;  ///< what the writer gives is no part of the answer
    bool piece_lost = false;      ///< of the answer: its writer was stopped before its turn came
    std::uint16_t overrule = 0;   ///< the status that goes before any that the handler gives
    const char* overrule_reason = "";
    std::string head;    ///< of an answer in pieces, until it has gone
    std::string behind;  ///< interim answers, trailers
    std::array<char, 24> chunk_line;
    lease given;  ///< to the reader
    piece_encoding encodes;

 private:
    struct wake_post : posted {
        explicit wake_post(call& of) noexcept;
        call& owner;
        bool queued = false;
    } wake_{*this};
    struct time_limit : timer {
        explicit time_limit(call& of) noexcept;
        call& owner;
    } limit_{*this};
    void interrupt() noexcept;

    std::array<char, limits::kept_head_bytes> block_;
    std::unique_ptr<char[]> large_;  // where the block is too small
};

/// For the operator: the text of an exception, whatever it is.
std::string what_was_thrown(const std::exception_ptr& thrown);

}  // namespace naru::http
