// The sending of one request, which may go on when its answer has begun.
//
// RFC 9112, section 9.5: who is refused stops sending. Of a server that answers with success it cannot be
// told whether it wants the rest (a service that answers while it reads does), so it gets it, as by Go's and
// curl's clients.
#pragma once

#include <naru/core/bytes.hpp>
#include <naru/coro/scope.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/client/limits.hpp>
#include <naru/http/h1/response.hpp>
#include <naru/loop/loop.hpp>

#include <cstdint>
#include <span>
#include <utility>

namespace naru::http {

class client_connection;

/// Begun by client_connection::begin_request, ended by `end`, once each. Its connection may go before it.
class upload {
 public:
    /// `alone`: nobody reads the answer's body meanwhile. Then it stands still, perhaps, until somebody does,
    /// and the sending is waited for only while it gets on.
    upload(loop& on, bool alone) noexcept : loop_(on), is_alone_(alone) {}
    ~upload() {
        if (!has_ended()) end(false);
    }
    upload(const upload&) = delete;
    upload& operator=(const upload&) = delete;

    /// What is awaited for it is stopped with this.
    stop_scope& scope() noexcept { return scope_; }
    /// That was for the answer's sake: who has asked does not want it to be an error.
    bool stopped() const noexcept { return scope_.stopped(); }
    void stop() noexcept { scope_.stop(); }

    /// The answer has come, or cannot be read yet, and is held up by it.
    bool waits_for_more() const noexcept { return waits_for_more_; }

    /// nullptr: it is gone.
    client_connection* connection() const noexcept { return connection_; }

    /// What is being sent, until `gets_on` or `watch` of nothing: the slices are used up while it goes.
    void watch(std::span<const slice> pieces) noexcept {
        pieces_ = pieces;
        left_ = total_size(pieces);
    }
    /// A part of it has gone, or there is more to be sent.
    void gets_on() noexcept {
        pieces_ = {};
        if (!waits_for_more_) return;  // behind the answer's end it has so long in all
        quiet_looks_ = 0;
        look_soon();
    }
    /// Around each call of the body's source. `more`: by what was said, there is more to come of it.
    void asks_source(bool more) noexcept {
        is_asking_ = more;
        if (more) settled_.set();
    }
    void has_piece() noexcept {
        is_asking_ = false;
        if (!has_ended()) settled_.reset();
    }
    /// Nothing is on its way: the source is waited for, by whom it may be that it waits.
    bool is_asking() const noexcept { return is_asking_; }

    /// The answer is whole: what is on its way has this long.
    void be_quick() noexcept {
        waits_for_more_ = false;
        quiet_looks_ = 0;
        look_soon();
    }
    /// And it waits for its source, which nobody knows the end of.
    void wait_for_source() noexcept { loop_.disarm(quiet_); }
    /// `whole`: the last byte is on its way. Else no more will be sent.
    void end(bool whole) noexcept;
    bool has_ended() const noexcept { return has_ended_; }
    /// When it has ended, or perhaps when the source is asked: see both.
    async_event::wait_request settled() noexcept { return settled_.wait(); }

 private:
    friend class client_connection;

    void answered(const response_head& head) noexcept {
        const bool is_wanted = head.status >= 200 && head.status < 300;
        const bool has_body =
            head.framing != body_framing::none && (head.framing != body_framing::length || head.length > 0);
        if (!is_wanted) return stop();
        waits_for_more_ = is_alone_ || !has_body;
        left_ = total_size(pieces_);
        if (waits_for_more_) look_soon();
    }
    void look_soon() noexcept {
        loop_.arm(quiet_, saturating_add(clock::now(), limits::client_rest_time / limits::client_rest_looks));
    }
    // Several looks: after the process has not run for a while, one of them says nothing.
    void look() noexcept {
        const std::uint64_t before = std::exchange(left_, total_size(pieces_));
        if (waits_for_more_ && left_ < before) quiet_looks_ = 0;
        if (++quiet_looks_ >= limits::client_rest_looks) return stop();
        look_soon();
    }
    void connection_is_gone() noexcept {
        connection_ = nullptr;
        stop();
    }

    struct quiet_step : timer {
        explicit quiet_step(upload& of) noexcept
            : timer([](timer& self) noexcept { static_cast<quiet_step&>(self).owner.look(); }), owner(of) {}
        upload& owner;
    };

    loop& loop_;
    client_connection* connection_ = nullptr;
    stop_scope scope_;
    quiet_step quiet_{*this};
    async_event settled_;
    std::span<const slice> pieces_;
    std::uint64_t left_ = 0;  // of them, at the last look
    unsigned quiet_looks_ = 0;
    bool waits_for_more_ = false;
    bool is_asking_ = false;
    bool has_ended_ = false;
    const bool is_alone_;
};

}  // namespace naru::http
