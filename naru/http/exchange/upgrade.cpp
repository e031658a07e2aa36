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

bool exchange::upgrade_by(std::string_view protocol, detail::upgrade_start start) {
    const request_head& request = head();
    bool asked = false;
    std::size_t from = 0;
    while (const auto line = next_field(head_text(), "connection", from))
        asked |= list_has(*line, "upgrade");
    if (!asked || !field("upgrade") || request.minor_version == 0 || request.has_body() ||
        !is_field("Upgrade", protocol))
        return false;
    if (!may_answer()) return false;
    turn& t = *link_->turn_;
    t.then = std::make_unique<detail::upgrade_start>(std::move(start));
    const bool by_stream = link_->is_stream_;
    std::string text = by_stream ? "HTTP/1.1 200 OK" : "HTTP/1.1 101 Switching Protocols";
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
    auto start = std::move(*turn_->then);
    upgraded_stream stream(tcp_stream(home.loop_, target), std::move(received));
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
