#include <naru/http/websocket/connection.hpp>
#include <naru/http/websocket/connection_output.hpp>

#include <algorithm>
#include <new>
#include <utility>

namespace naru::websocket {

frame_parser::rules connection::rules() const noexcept {
    constexpr std::uint64_t none = ~std::uint64_t{0};
    const std::uint64_t limit = options_->message_limit;
    frame_parser::rules with;
    with.masked = role_ == role::server;
    with.compression = compresses();
    with.message_limit = limit;
    // What has no redundancy grows a little.
    with.compressed_limit = limit > none / 2 ? none : limit + limit / 1000 + 1024;
    return with;
}

bool connection::try_receive(receiver& who) noexcept {
    if (work_ != nullptr && !error_) parse(&who);
    return who.done || error_;
}

naru::result<message> connection::take(const receiver& who) noexcept {
    if (!who.done) {
        const bool stopped = who.stopped && !error_;
        return naru::fail(stopped ? std::error_code(ECANCELED, errno_category()) : error_);
    }
    work& with = *work_;
    message taken(static_cast<message_kind>(with.parser.message_kind()), std::move(with.assembled),
                  with.last);
    if (with.rest.empty() && with.parser.at_rest() && !with.inflates) rest_from_work();
    return taken;
}

void connection::wait_to_receive(receiver& who, std::coroutine_handle<> waiting, stop_scope& in) noexcept {
    if (receiver_ != nullptr) fatal("bug: a WebSocket was received from by two coroutines at the same time");
    who.waiting = waiting;
    receiver_ = &who;
    if (!closing_) since_ = home().now();
    in.add(who);
    if (!who.stopped) read_on();
    watch_time();
}

void connection::stop_receiving(receiver& who) noexcept {
    who.stopped = true;
    if (reading()) {
        home().cancel(receive_op());
    } else {
        wake_soon();
    }
}

void connection::read_on() noexcept {
    if (finished_ || ended_ || reading() || (receiver_ == nullptr && closer_ == nullptr)) return;
    if (!closing_ && too_many_controls()) return;  // on_sent comes back
    retain();
    home().submit(receive_op());
}

/// Bytes of the peer's.
void connection::take_in(lease came) noexcept {
    if (finished_) return;
    if (failed_ || close_received_) {
        dropped_ = static_cast<std::uint16_t>(dropped_ + (came.size() + dropped_unit - 1) / dropped_unit);
        if (dropped_ > limits::linger_bytes / dropped_unit) finish(error_);
        return;
    }
    if (!prepare_work()) return finish({ENOMEM, errno_category()});
    if (!closing_) since_ = home().now();
    pinged_ = false;
    work_->held = std::move(came);
    work_->rest = work_->held.bytes();
    parse(receiver_);
}

void connection::on_receive() noexcept {
    const std::int64_t result_now = receive_op().result;
    if (result_now > 0) {
        const auto size = static_cast<std::size_t>(result_now);
        take_in(lease(home().buffers(), mutable_bytes(receive_op().data, size)));
    } else if (result_now == outcome::end_of_stream) {
        ended_ = true;
        if (!error_)
            error_ = close_received_ ? make_error_code(naru::errc::end_of_stream)
                                     : make_error_code(errc::no_close_frame);
    } else if (result_now != outcome::canceled) {
        finish(outcome::to_error(result_now));
    }
    look_at_end();
    if (receiver_ != nullptr && (receiver_->done || receiver_->stopped || error_)) {
        receiver& who = *std::exchange(receiver_, nullptr);
        if (closer_ != nullptr) read_on();
        resume(who);
    } else {
        read_on();
    }
    settle();
    release();
}

bool connection::prepare_work() noexcept {
    if (work_ != nullptr) return true;
    std::size_t bytes = sizeof(work);
    std::byte* const block = acquire_block(bytes);
    if (block == nullptr) return false;
    work_ = new (block) work;
    return true;
}

/// Drops what has come and not been used.
void connection::rest_from_work() noexcept {
    if (work_ == nullptr) return;
    work_->~work();
    release_block(reinterpret_cast<std::byte*>(std::exchange(work_, nullptr)), sizeof(work));
}

void connection::parse(receiver* who) noexcept {
    work& with = *work_;
    const frame_parser::rules allowed = rules();
    bool more = true;
    while (more && !failed_ && !close_received_ && !finished_ && (who == nullptr || !who->done)) {
        if (with.inflates) {
            inflate_on(who);
            continue;
        }
        switch (with.parser.next(with.rest, allowed)) {
            case frame_parser::event::need_more:
                more = false;
                break;
            case frame_parser::event::head:
                with.control_size = 0;
                break;
            case frame_parser::event::payload:
                on_payload(who);
                break;
            case frame_parser::event::end:
                on_frame_end(who);
                break;
            case frame_parser::event::refused: {
                const std::uint16_t code = with.parser.refusal();
                fail(code, code == close_code::message_too_big ? errc::message_too_big : errc::protocol_error,
                     with.parser.reason());
                break;
            }
        }
    }
    if (who != nullptr && who->pieces && !who->done && !error_ && !with.assembled.empty())
        deliver(*who, false);
    after_parsing(who);
}

/// Gives back what is not needed until more comes.
void connection::after_parsing(const receiver* who) noexcept {
    work& with = *work_;
    const bool waits = who != nullptr && who->done;  // what is assembled is to be taken
    if (!waits && (failed_ || close_received_ || finished_)) return rest_from_work();
    if (with.rest.empty() && with.inflating.empty()) {
        with.held.reset();
        with.aside.clear();
        if (!waits && with.parser.at_rest() && !with.inflates && with.assembled.empty()) rest_from_work();
        return;
    }
    // A handler may take its time with what it has got. It keeps a pool buffer only while there are plenty.
    const buffer_pool& pool = home().buffers();
    if (who == nullptr || with.held.size() == 0 || pool.leased() * 4 < pool.capacity()) return;
    const std::size_t inflating = with.inflating.size();
    buffer aside;
    if (!aside.append(with.inflating) || !aside.append(with.rest)) return;
    with.aside = std::move(aside);
    with.inflating = bytes_view(with.aside.data(), inflating);
    with.rest = {with.aside.data() + inflating, with.aside.size() - inflating};
    with.held.reset();
}

void connection::on_payload(receiver* who) noexcept {
    work& with = *work_;
    const std::size_t size = with.parser.piece().size();
    if (is_control(with.parser.kind())) {
        with.parser.unmask_piece_to(with.control.data() + with.control_size);
        with.control_size = static_cast<std::uint8_t>(with.control_size + size);
        return;
    }
    if (who == nullptr) return;  // it closes: nobody wants it
    if (with.parser.compressed()) {
        with.inflating = with.parser.unmasked_piece();
        with.inflates = true;
        return;
    }
    const std::size_t expected = static_cast<std::size_t>(std::min<std::uint64_t>(
        options_->message_limit, with.assembled.size() + size + with.parser.remaining()));
    if (!with.assembled.make_room(size, with.parser.final() ? expected : options_->message_limit))
        return finish({ENOMEM, errno_category()});
    with.parser.unmask_piece_to(with.assembled.end());
    with.assembled.grow(size);
    check_text(false);
}

/// Some of what is left in the inflater.
void connection::inflate_on(receiver* who) noexcept {
    work& with = *work_;
    if (who == nullptr) {
        with.inflating = {};
        with.inflates = false;
        return;
    }
    // One byte more than there may be: whoever has as many has too many.
    const std::size_t limit = options_->message_limit;
    const std::size_t most = who->pieces ? limits::piece_bytes : std::max(limit, limit + 1);
    inflater& in = extras_->deflate->in;
    const inflater::status outcome = with.inflating.empty() && with.message_ended
                                         ? in.finish(with.assembled, most)
                                         : in.inflate(with.inflating, with.assembled, most);
    if (outcome == inflater::status::no_memory) return finish({ENOMEM, errno_category()});
    if (outcome == inflater::status::invalid)
        return fail(close_code::invalid_data, errc::invalid_data, "compressed data that is none");
    if (with.delivered + with.assembled.size() > options_->message_limit)
        return fail(close_code::message_too_big, errc::message_too_big,
                    "a message that is longer than the limit");
    check_text(false);
    if (failed_) return;
    if (outcome == inflater::status::full) return deliver(*who, false);
    with.inflates = false;
    if (with.message_ended) on_message_end(who);
}

void connection::on_frame_end(receiver* who) noexcept {
    work& with = *work_;
    if (is_control(with.parser.kind())) return on_control_frame();
    if (!with.parser.final()) return;
    if (who == nullptr) {
        with.assembled.clear();
        with.checked = 0;
        return;
    }
    if (!with.parser.compressed()) return on_message_end(who);
    with.message_ended = true;
    with.inflates = true;
}

void connection::on_message_end(receiver* who) noexcept {
    work& with = *work_;
    with.message_ended = false;
    check_text(true);
    if (failed_) return;
    deliver(*who, true);
    with.delivered = 0;
    with.text.reset();
}

void connection::check_text(bool whole) noexcept {
    work& with = *work_;
    if (with.parser.message_kind() != opcode::text) return;
    const bool good = with.text.take(with.assembled.view().subspan(with.checked));
    with.checked = with.assembled.size();
    if (!good || (whole && !with.text.complete()))
        fail(close_code::invalid_data, errc::invalid_data, "a text that is no UTF-8");
}

void connection::deliver(receiver& who, bool last) noexcept {
    work& with = *work_;
    with.delivered += with.assembled.size();
    with.checked = 0;
    with.last = last;
    who.done = true;
}

void connection::on_control_frame() noexcept {
    const bytes_view payload(work_->control.data(), work_->control_size);
    switch (work_->parser.kind()) {
        case opcode::ping:
            if (!close_queued_ && !push_control(opcode::pong, payload)) finish({ENOMEM, errno_category()});
            break;
        case opcode::close:
            on_close_frame(payload);
            break;
        default:
            break;
    }
}

void connection::on_close_frame(bytes_view payload) noexcept {
    const auto code = [&]() noexcept {
        return static_cast<std::uint16_t>(std::to_integer<unsigned>(payload[0]) << 8 |
                                          std::to_integer<unsigned>(payload[1]));
    };
    if (payload.size() == 1)
        return fail(close_code::protocol_error, errc::protocol_error, "a close code of one byte");
    if (payload.size() >= 2 && !may_be_sent(code()))
        return fail(close_code::protocol_error, errc::protocol_error, "a close code that may not be sent");
    if (payload.size() > 2 && !is_utf8(payload.subspan(2)))
        return fail(close_code::invalid_data, errc::invalid_data, "a close reason that is no UTF-8");
    close_received_ = true;
    close_code_ = payload.empty() ? close_code::none : code();
    if (payload.size() > 2) {
        try {
            if (!extras_) extras_ = std::make_unique<extras>();
            extras_->reason = as_text(payload.subspan(2));
        } catch (const std::bad_alloc&) {  // it is for people only
        }
    }
    error_ = make_error_code(naru::errc::end_of_stream);
    if (!close_queued_) {
        close_queued_ = true;
        if (!push_control(opcode::close, payload.first(std::min<std::size_t>(payload.size(), 2))))
            return finish({ENOMEM, errno_category()});
    }
    if (!closing_) since_ = home().now();
    closing_ = true;
    if (somebody_waits_to_send()) wake_soon();
    watch_time();
}

void connection::fail(std::uint16_t code, std::error_code why, std::string_view reason) noexcept {
    if (failed_ || finished_) return;
    failed_ = true;
    error_ = why;
    close_code_ = code;
    (void)begin_close(code, reason);
    if (!finished_ && receiver_ != nullptr && reading()) home().cancel(receive_op());
}

}  // namespace naru::websocket
