#include "sim/campaign/clients.hpp"
#include "sim/campaign/judgement.hpp"
#include "sim/campaign/websocket_talk.hpp"

#include <naru/http/websocket/client.hpp>

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;
using message = plain_websocket::message;

// ------------------------------------------------------------------------------------ naru's client

task<> send_messages(websocket_talk& of, websocket::peer& to, dice from) {
    if (of.told) co_return;
    for (const message& each : of.wanted) {
        const auto bytes = as_bytes(each.payload);
        result<void> sent;
        if (each.is_text)
            sent = co_await to.send_text(bytes);
        else
            sent = co_await to.send_binary(bytes);
        if (!sent) co_return;
        if (from.one_in(8)) (void)to.ping();
        if (from.one_in(10) && !co_await sleep_for(20ms)) co_return;
    }
}

task<> receive_messages(websocket_talk& of, websocket::peer& from, std::error_code& why) {
    while (of.told || of.got < of.wanted.size()) {
        auto received = co_await from.receive();
        if (!received) {
            why = received.error();
            co_return;
        }
        if (!judge_message(of, received->is_text(), received->text())) co_return;
    }
    auto closed = co_await from.close();
    if (!closed) why = closed.error();
}

task<result<websocket::peer>> open_websocket(websocket_talk& of, dice& from) {
    auto options = std::make_shared<websocket::options>();
    options->deflate.enabled = from.one_in(2);
    auto stream = co_await reach(*of.of.on, of.of.where, of.of.tls);
    if (!stream) co_return fail(stream.error());
    auto peer = co_await websocket::shake_hands(std::move(*stream), "server", of.target, options);
    co_return std::move(peer);
}

}  // namespace

task<> talk_by_client(ledger& book, errand of) {
    dice from(of.seed);
    for (std::uint64_t left = of.requests; left > 0 && !book.drains(of.by); --left) {
        websocket_talk talk{book, of};
        draw_talk(talk, from);
        auto peer = co_await open_websocket(talk, from);
        if (!peer) {
            judge_refused(talk, peer.error().message());
            if (!co_await sleep_for(100ms)) co_return;
            continue;
        }
        book.answered(talk.id);
        std::error_code why;
        co_await when_all(send_messages(talk, *peer, dice(from.roll())), receive_messages(talk, *peer, why));
        judge_end(talk, peer->close_code(), why.message());
    }
}

// ------------------------------------------------------------------------------------ by hand

namespace {

task<> send_frames(frames_talk& talk, tcp_stream& to, dice from) {
    const std::string all = plain_websocket::handshake(talk.of.target) + frames_of(talk, from);
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t most = from.one_in(3) ? 50 : 20'000;
        const std::string_view piece = std::string_view(all).substr(at, from.between(1, most));
        auto sent = co_await to.send(piece);
        if (!sent) co_return;
        at += piece.size();
    }
}

// Until the server's close frame: ours goes first where it is ours to end.
task<> receive_frames(frames_talk& talk, tcp_stream& by, dice from, std::error_code& why) {
    bool closing = false;
    while (talk.reads.close_code() == 0) {
        if (!closing && !talk.of.told && talk.reads.status() == 101 && talk.of.got == talk.of.wanted.size()) {
            closing = true;
            const std::string frame = plain_websocket::close_frame(1000, from);
            auto sent = co_await by.send(frame);
            if (!sent) co_return;
        }
        auto received = co_await by.receive();
        if (!received) {
            why = received.error();
            co_return;
        }
        talk.reads.take(received->text());
        if (talk.reads.status() != 0) talk.of.book.answered(talk.of.id);
        if (talk.reads.malformed() || !pongs_are_right(talk)) {
            talk.of.book.fail(talk.of.target + ": what a server must not send");
            co_return;
        }
        if (talk.reads.status() > 101) co_return;
        while (auto each = talk.reads.next())
            if (!judge_message(talk.of, each->is_text, each->payload)) co_return;
    }
    if (closing) co_return;
    const std::string frame = plain_websocket::close_frame(1000, from);
    auto answered = co_await by.send(frame);
    (void)answered;
}

}  // namespace

task<> talk_by_hand(ledger& book, errand of) {
    dice from(of.seed);
    for (std::uint64_t left = of.requests; left > 0 && !book.drains(of.by); --left) {
        websocket_talk talk{book, of};
        draw_talk(talk, from);
        auto stream = co_await reach(*of.on, of.where, of.tls);
        if (!stream) {
            judge_refused(talk, stream.error().message());
            if (!co_await sleep_for(100ms)) co_return;
            continue;
        }
        frames_talk frames{talk, {}, {}};
        std::error_code why;
        co_await when_all(send_frames(frames, *stream, dice(from.roll())),
                          receive_frames(frames, *stream, dice(from.roll()), why));
        if (frames.reads.status() == 101)
            judge_end(talk, frames.reads.close_code(), why.message());
        else
            judge_refused(talk, frames.reads.status() == 0 ? why.message() : "it was refused");
    }
}

}  // namespace naru::campaign
