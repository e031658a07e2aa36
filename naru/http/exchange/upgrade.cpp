// Upgrade: an answer 101, and the connection handed over to another protocol.
#include <naru/http/exchange/call.hpp>
#include <naru/http/h2/stream.hpp>
#include <naru/http/link/head_writer.hpp>
#include <naru/http/message/fields.hpp>
#include <naru/http/server/served_site.hpp>
#include <naru/http/server/worker.hpp>

#include <cerrno>
#include <new>
#include <utility>

namespace naru::http {

bool exchange::asks_for(std::string_view protocol) const noexcept {
    const request_head& request = head();
    bool asked = false;
    std::size_t from = 0;
    while (const auto line = next_field(head_text(), "connection", from))
        asked |= list_has(*line, "upgrade");
    return asked && field("upgrade") && request.minor_version > 0 && !request.has_body() &&
           is_field("Upgrade", protocol);
}

// What follows it is `start`, or the handler itself.
void exchange::answer_upgrade(std::string_view protocol, detail::upgrade_start start) {
    turn& t = *link_->turn_;
    t.then = std::make_unique<detail::upgrade_start>(std::move(start));
    const bool by_stream = link_->is_stream_;
    std::string text = by_stream ? "HTTP/1.1 200 OK" : "HTTP/1.1 101 Switching Protocols";
    drop_own_lines();
    text.append("\r\nServer: naru\r\nDate: ").append(link_->worker_.date());
    if (!by_stream) text.append("\r\nUpgrade: ").append(protocol).append("\r\nConnection: Upgrade");
    text.append("\r\n").append(fields_).append("\r\n");
    answered_ = ended_ = true;
    link_->log(by_stream ? 200 : 101, 0);
    if (link_->output_room(text.size()) && t.filled + text.size() <= limits::output_bytes) {
        link_->append(text);
    } else {
        link_->append_alone(std::move(text));
    }
}

bool exchange::upgrade_by(std::string_view protocol, detail::upgrade_start start) {
    if (!asks_for(protocol) || !may_answer()) return false;
    answer_upgrade(protocol, std::move(start));
    if (call_ != nullptr) call_->answered();
    return true;
}

namespace {

detail::running_upgrade run_upgraded(detail::upgrades& /*in*/,
                                     std::move_only_function<task<>(upgraded_stream)> then,
                                     upgraded_stream& stream) {
    task<> running = then(std::move(stream));
    co_await std::move(running);
}

}  // namespace

bool exchange::upgrade(std::string_view protocol, std::move_only_function<task<>(upgraded_stream)> then) {
    return upgrade_by(protocol,
                      [then = std::move(then)](detail::upgrades& in, upgraded_stream& stream) mutable {
                          run_upgraded(in, std::move(then), stream);
                      });
}

// ---------------------------------------------------------------------------------------- awaited

upgrade_request::awaiter::awaiter(upgrade_request&& of) noexcept
    : exchange_wait(*of.of_,
                    [](stop_entry& self) noexcept {
                        auto& each = static_cast<awaiter&>(self);
                        connection& link = *each.owner.link_;
                        if (link.is_stream_) {
                            each.error = std::error_code(ECANCELED, errno_category());
                            return link.close();
                        }
                        each.owner.call_->write_stopped = true;  // unless it has gone
                        turn& t = *link.turn_;
                        if (!t.sending.idle()) link.worker_.loop_.cancel(t.sending);
                    }),
      protocol_(of.protocol_) {}

bool upgrade_request::awaiter::await_ready() noexcept {
    const call* const calls = owner.call_;
    if (calls == nullptr) fatal("bug: a function handler awaited an upgrade; what waits is a coroutine");
    if (calls->writer != nullptr) fatal("bug: an answer is written by two coroutines at once");
    const auto failed = [this](int why) {
        error = std::error_code(why, errno_category());
        return true;
    };
    if (calls->client_gone || calls->link().phase_ == connection::phase::closing) return failed(ECONNRESET);
    if (owner.answered_) return failed(EINVAL);
    if (!owner.asks_for(protocol_)) return failed(EPROTOTYPE);
    return !owner.may_answer() && failed(EINVAL);
}

void upgrade_request::awaiter::begin(std::coroutine_handle<> who, stop_scope& in) noexcept {
    waiting = who;
    call& calls = *owner.call_;
    connection& link = calls.link();
    calls.writer = this;
    calls.upgrades = true;
    calls.write_stopped = calls.write_waits = false;
    try {
        owner.answer_upgrade(protocol_, {});
        if (link.phase_ == connection::phase::serving) link.flush();
    } catch (const std::bad_alloc&) {
        error = std::error_code(ENOMEM, errno_category());
        link.close();
    }
    in.add(*this);
}

result<any_stream> upgrade_request::awaiter::await_resume() noexcept {
    if (error) return fail(error);
    return std::move(given_);
}

// The handler that has asked for it goes on with the connection's bytes. The call, and what it is in, live
// until it has ended; the socket, or the tunnel, is the stream's.
void connection::give_to_call(upgraded_stream& given) noexcept {
    turn& t = *turn_;
    call& calls = *t.calls;
    auto& who = static_cast<upgrade_request::awaiter&>(*calls.writer);
    calls.upgrades = false;
    phase_ = phase::upgraded;
    if (answer_record* const answer = std::exchange(t.upgraded, nullptr))
        worker_.upgraded_.follow(given.connection().native(), *answer, given.ahead().size());
    try {
        who.given_ = any_stream(std::move(given));
    } catch (const std::bad_alloc&) {  // which has closed it
        who.error = std::error_code(ENOMEM, errno_category());
        return close();
    }
    calls.writer = nullptr;
    calls.end_time_limit();
    t.then.reset();
    t.is_upgraded = true;
    ++worker_.upgrades_.running;
    ++worker_.counts_.upgrades;
    release_input();
    release_output();
    std::string().swap(t.surplus);
    charge();
    resume_call(who);
}

// The handler has ended that went on with the connection.
void connection::upgrade_ended() noexcept {
    report_thrown(*turn_->calls);
    if (is_stream_) return as_stream().let_go_of_tunnel();
    release_turn();
    worker_.destroy(*this);
}

// ---------------------------------------------------------------------------------------- handed over

// The 101 has gone: the socket is the other protocol's, with what has come behind the request.
void connection::hand_over() noexcept {
    phase_ = phase::handing_over;
    worker_.loop_.disarm(*this);
    if (is_stream_) return as_stream().become_tunnel();
    if (!operation::idle()) return worker_.loop_.cancel(*this);
    worker& home = worker_;
    std::string received;
    try {
        received = unread();
        received += turn_->surplus;
    } catch (const std::bad_alloc&) {
        return close();
    }
    upgraded_stream stream(tcp_stream(home.loop_, target), std::move(received));
    if (turn_->calls != nullptr) return give_to_call(stream);
    auto start = std::move(*turn_->then);
    target = {};
    answer_record* const answer = std::exchange(turn_->upgraded, nullptr);
    release_turn();
    ++home.upgrades_.running;  // the connection's end must not be the loop's
    home.destroy(*this);
    --home.upgrades_.running;
    home.begin_upgraded(start, stream, answer);
}

void worker::begin_upgraded(detail::upgrade_start& start, upgraded_stream& stream,
                            answer_record* answer) noexcept {
    ++counts_.upgrades;
    if (answer != nullptr) upgraded_.follow(stream.connection().native(), *answer, stream.ahead().size());
    ++upgrades_.running;  // nor must the coroutine's, while it begins
    try {
        start(upgrades_, stream);
    } catch (const std::bad_alloc&) {  // no frame: the stream has closed it
    }
    --upgrades_.running;
    stop_if_drained();
}

}  // namespace naru::http
