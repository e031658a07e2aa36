// The sending of one request, which may go on when its answer has begun.
//
// RFC 9112, section 9.5: who is refused stops sending. Of a server that answers with success it cannot be
// told whether it wants the rest (a service that answers while it reads does), so it gets it, as by Go's and
// curl's clients.
#pragma once

#include <naru/coro/scope.hpp>
#include <naru/coro/sync.hpp>
#include <naru/http/client/limits.hpp>
#include <naru/http/h1/response.hpp>
#include <naru/loop/loop.hpp>

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

    /// A part of it has gone, or there is more to be sent.
    void gets_on() noexcept {
        if (waits_for_more_) loop_.arm(quiet_, loop_.now() + limits::client_rest_time);
    }
    /// The answer is whole: the rest has this long.
    void be_quick() noexcept {
        waits_for_more_ = false;
        loop_.arm(quiet_, loop_.now() + limits::client_rest_time);
    }
    /// `whole`: the last byte is on its way. Else no more will be sent.
    void end(bool whole) noexcept;
    bool has_ended() const noexcept { return ended_.is_set(); }
    async_event::wait_request ended() noexcept { return ended_.wait(); }

 private:
    friend class client_connection;

    void answered(const response_head& head) noexcept {
        const bool is_wanted = head.status >= 200 && head.status < 300;
        const bool has_body =
            head.framing != body_framing::none && (head.framing != body_framing::length || head.length > 0);
        if (!is_wanted) return stop();
        waits_for_more_ = is_alone_ || !has_body;
        gets_on();
    }
    void connection_is_gone() noexcept {
        connection_ = nullptr;
        stop();
    }

    struct quiet_step : timer {
        explicit quiet_step(upload& of) noexcept
            : timer([](timer& self) noexcept { static_cast<quiet_step&>(self).owner.stop(); }), owner(of) {}
        upload& owner;
    };

    loop& loop_;
    client_connection* connection_ = nullptr;
    stop_scope scope_;
    quiet_step quiet_{*this};
    async_event ended_;
    bool waits_for_more_ = false;
    const bool is_alone_;
};

}  // namespace naru::http
