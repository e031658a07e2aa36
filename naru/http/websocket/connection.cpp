#include <naru/http/websocket/connection.hpp>

#include <naru/http/websocket/connection_output.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace naru::websocket {

receiver::receiver(connection& on, bool in_pieces) noexcept
    : waiting_for_connection(on,
                             [](stop_entry& self) noexcept {
                                 auto& each = static_cast<receiver&>(self);
                                 each.of->stop_receiving(each);
                             }),
      pieces(in_pieces) {}

std::error_code sender::error() const noexcept {
    switch (how) {
        case outcome::sent:
            return {};
        case outcome::refused:
            return of->refusal();
        case outcome::stopped:
            return {ECANCELED, errno_category()};
        case outcome::no_memory:
            return {ENOMEM, errno_category()};
        case outcome::queue_full:
            return make_error_code(errc::queue_full);
        case outcome::too_slow:
            return make_error_code(errc::too_slow);
    }
    return {};
}

lent_frame::lent_frame(sender& of) noexcept
    : stop_entry([](stop_entry& self) noexcept {
          sender& each = *static_cast<lent_frame&>(self).owner;
          each.of->stop_sending(each);
      }),
      owner(&of) {
    whose = memory::lent;
}

closer::closer(connection& on) noexcept
    : waiting_for_connection(on, [](stop_entry& self) noexcept {
          auto& each = static_cast<closer&>(self);
          each.stopped = true;
          each.of->finish({ECANCELED, errno_category()});
      }) {}

connection_receive::connection_receive() noexcept
    : receive_operation([](operation& op) noexcept {
          static_cast<connection&>(static_cast<connection_receive&>(op)).on_receive();
      }) {}
connection_watch::connection_watch() noexcept
    : timer([](timer& self) noexcept {
          static_cast<connection&>(static_cast<connection_watch&>(self)).on_time();
      }) {}

connection::connection(tcp_stream&& stream, role as, std::shared_ptr<const options>&& with) noexcept
    : stream_(std::move(stream)), options_(std::move(with)), since_(stream_.home().now()), role_(as) {
    receive_op().set(stream_.native());
}

connection::~connection() {
    home().disarm(clock_watch());
    while (!queue_empty()) {
        out_frame& each = output_->queue.pop();
        if (each.whose != out_frame::memory::lent) free_frame(each);
    }
    rest_from_output();
    rest_from_work();
}

connection* connection::make(tcp_stream stream, std::string_view ahead, role as,
                             std::shared_ptr<const options> with, const agreement& agreed) noexcept {
    auto* const made = new (std::nothrow) connection(std::move(stream), as, std::move(with));
    if (made == nullptr) return nullptr;
    try {
        if (!agreed.protocol.empty() || agreed.deflate) {
            made->extras_ = std::make_unique<extras>();
            made->extras_->protocol = agreed.protocol;
        }
        if (agreed.deflate) {
            const deflate_parameters& both = *agreed.deflate;
            const bool server = as == role::server;
            made->extras_->deflate.emplace(
                deflater(server ? both.server_window_bits : both.client_window_bits,
                         !(server ? both.server_no_context_takeover : both.client_no_context_takeover),
                         made->settings().deflate.level),
                inflater(server ? both.client_window_bits : both.server_window_bits,
                         !(server ? both.client_no_context_takeover : both.server_no_context_takeover)));
        }
    } catch (const std::bad_alloc&) {
        made->release();
        return nullptr;
    }
    if (!ahead.empty()) {
        if (!made->prepare_work() || !made->work_->aside.append(as_bytes(ahead))) {
            made->release();
            return nullptr;
        }
        made->work_->rest = {made->work_->aside.data(), made->work_->aside.size()};
    }
    return made;
}

void connection::resume(waiting_for_connection& who) noexcept {
    who.leave_scope();
    std::exchange(who.waiting, nullptr).resume();
}

bool connection::begin_close(std::uint16_t code, std::string_view reason) noexcept {
    if (finished_) return true;
    if (!close_queued_ && !ended_) {
        std::array<std::byte, control_bytes> payload{std::byte(code >> 8), std::byte(code & 0xff)};
        std::size_t length = std::min(reason.size(), reason_bytes);
        while (length > 0 && !is_utf8(as_bytes(reason.substr(0, length))))
            --length;
        std::copy_n(as_bytes(reason).begin(), length, payload.begin() + 2);
        const bool empty = code == close_code::none;
        close_queued_ = true;
        if (!push_control(opcode::close, {payload.data(), empty ? 0 : length + 2}))
            finish({ENOMEM, errno_category()});
    }
    if (!closing_) {
        closing_ = true;
        since_ = home().now();
    }
    if (!finished_ && !failed_ && work_ != nullptr) parse(nullptr);  // what came before it was asked for
    if (!finished_) look_at_end();
    if (somebody_waits_to_send()) wake_soon();  // who must not wait any longer
    return finished_ && !in_flight();
}

void connection::wait_to_close(closer& who, std::coroutine_handle<> waiting, stop_scope& in) noexcept {
    if (closer_ != nullptr) fatal("bug: a WebSocket was closed by two coroutines at the same time");
    who.waiting = waiting;
    closer_ = &who;
    in.add(who);
    if (!finished_) read_on();
    watch_time();
}

/// The end of a connection that is being closed, as far as it has come.
void connection::look_at_end() noexcept {
    if (finished_ || !queue_empty() || sending()) return;
    const bool both = (close_queued_ && close_received_) || failed_ || ended_;
    if (!both) return;
    if (ended_) return finish(error_ ? error_ : make_error_code(naru::errc::end_of_stream));
    // The server ends the connection first (section 7.1.1): its last bytes are not to be lost to a reset.
    if (role_ == role::server && !shut_ && close_queued_) {
        shut_ = true;
        (void)stream_.shutdown_send();
    }
}

void connection::finish(std::error_code why) noexcept {
    if (finished_) return;
    finished_ = true;
    if (!error_) error_ = why;
    {
        const tcp_stream closed = std::move(stream_);  // cancels what is in flight
    }
    // The connection's last operation to end tells all who wait; if there is none, the timer does.
    home().disarm(clock_watch());
    if (!in_flight() && (receiver_ != nullptr || closer_ != nullptr || somebody_waits_to_send())) wake_soon();
}

/// Wakes all who wait, when nothing is in flight any more. Called where coroutines may be resumed.
void connection::settle() noexcept {
    if (!finished_ || in_flight()) return;
    home().disarm(clock_watch());
    while (somebody_waits_to_send())
        end_sender(static_cast<lent_frame&>(static_cast<place_of_sender&>(*output_->senders.pop_front())));
    while (!queue_empty()) {
        out_frame& each = output_->queue.pop();
        if (each.whose == out_frame::memory::lent) {
            end_sender(static_cast<lent_frame&>(each));
        } else {
            free_frame(each);
        }
    }
    rest_from_output();
    if (receiver_ != nullptr) resume(*std::exchange(receiver_, nullptr));
    if (closer_ != nullptr) resume(*std::exchange(closer_, nullptr));
}

instant connection::due() const noexcept {
    instant first = never;
    const auto by = [&](instant from, duration span) { first = std::min(first, saturating_add(from, span)); };
    const naru::websocket::options& with = *options_;
    if (sending() && with.send_timeout > duration::zero()) by(output_->since, with.send_timeout);
    if (closing_) {
        by(since_, with.close_timeout);
    } else if (receiver_ != nullptr) {
        if (with.idle_timeout > duration::zero()) by(since_, with.idle_timeout);
        if (with.ping_after > duration::zero() && !pinged_ && !close_queued_) by(since_, with.ping_after);
    }
    return first;
}

void connection::watch_time() noexcept {
    if (finished_) return;
    const instant first = due();
    if (first != never && (!clock_watch().armed() || first < clock_watch().deadline))
        home().arm(clock_watch(), first);
}

void connection::on_time() noexcept {
    retain();
    if (finished_) {
        settle();
        return release();
    }
    const instant now = home().now();
    const naru::websocket::options& with = *options_;
    const std::error_code late(ETIMEDOUT, errno_category());
    const bool stalled = sending() && output_->stands_still(now, with.send_timeout);
    if (stalled || (closing_ && now >= saturating_add(since_, with.close_timeout))) {
        finish(late);
    } else if (!closing_ && receiver_ != nullptr) {
        if (with.idle_timeout > duration::zero() && now >= saturating_add(since_, with.idle_timeout)) {
            fail(close_code::going_away, late, "silent for too long");
        } else if (with.ping_after > duration::zero() && !pinged_ && !close_queued_ &&
                   now >= saturating_add(since_, with.ping_after)) {
            pinged_ = true;
            (void)push_control(opcode::ping, {});
        }
    }
    if (receiver_ != nullptr && !reading() && (receiver_->stopped || error_)) {
        resume(*std::exchange(receiver_, nullptr));
    }
    serve_senders();
    settle();
    watch_time();
    release();
}

}  // namespace naru::websocket
