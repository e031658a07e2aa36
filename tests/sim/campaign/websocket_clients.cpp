#include "sim/campaign/clients.hpp"
#include "sim/campaign/judgement.hpp"
#include "sim/campaign/plain_websocket.hpp"

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

/// One WebSocket: what is sent to /talk comes back, and /tell says what it says.
struct websocket_talk {
    ledger& book;
    const errand& of;
    std::uint64_t id = book.next_id++;
    std::uint64_t crashes = book.crashes;
    bool told = false;
    std::string target{};
    std::vector<message> wanted{};
    std::size_t got = 0;
    instant begun = clock::now();
};

message some_message(dice& from) {
    const std::uint64_t sizes[] = {0, 1, 125, 126, 127, 3'000, 20'000, 70'000};
    const std::uint64_t size = from.below(sizes[from.below(from.one_in(4) ? 8 : 6)] + 1);
    message made{from.one_in(2), std::string(size, ' ')};
    auto each = static_cast<unsigned char>(from.below(256));
    for (char& to : made.payload) {
        to = made.is_text ? static_cast<char>('a' + each % 26) : static_cast<char>(each);
        each = static_cast<unsigned char>(each * 5 + 1);
    }
    return made;
}

void draw_talk(websocket_talk& of, dice& from) {
    of.told = from.one_in(3);
    const std::uint64_t count = from.one_in(6) ? from.below(60) : from.below(8);
    for (std::uint64_t each = 0; each < count; ++each)
        of.wanted.push_back(of.told ? message{true, told_message(of.id, each)} : some_message(from));
    of.target = of.told ? "/tell/" + std::to_string(of.id) + "/" + std::to_string(count)
                        : "/talk/" + std::to_string(of.id);
    ++of.book.asked;
}

// False if it is not the one that must come.
bool judge_message(websocket_talk& of, bool is_text, std::string_view payload) {
    if (of.got == of.wanted.size()) {
        of.book.fail(of.target + ": a message too many");
        return false;
    }
    const message& wanted = of.wanted[of.got++];
    if (is_text == wanted.is_text && payload == wanted.payload) return true;
    of.book.fail(of.target + ": message " + std::to_string(of.got) + " is wrong: \"" +
                 short_text(std::string(payload)) + "\", not \"" + short_text(wanted.payload) + "\"");
    return false;
}

// `code`: the one that the server closes with.
void judge_end(websocket_talk& of, unsigned code, const std::string& why) {
    const bool whole = of.got == of.wanted.size() && code == 1000;
    if (whole && of.of.spared) return count_served(of.book, of.target, clock::now() - of.begun);
    if (whole) return;
    if (!of.of.spared) {
        ++of.book.cut;
        return;
    }
    if (of.book.has_crashed_since(of.crashes)) return;
    if (of.book.draining && (code == 1001 || code == 1000)) return;  // it says that it goes
    of.book.fail(of.target + " ended with " + std::to_string(code) + " after " + std::to_string(of.got) +
                 " of " + std::to_string(of.wanted.size()) + " messages: " + why +
                 (of.book.draining ? ", while the server drains" : ""));
}

// Without a handshake there is nothing to talk about.
void judge_refused(websocket_talk& of, const std::string& why) {
    question asked;
    asked.id = of.id;
    asked.target = of.target;
    const asked_question missing(std::move(asked), of.crashes);
    if (!of.of.spared) ++of.book.cut;
    judge_missing(of.book, of.of, missing, why);
}

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
    for (std::uint64_t left = of.requests; left > 0 && !book.draining; --left) {
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

struct frames_talk {
    websocket_talk& of;
    plain_websocket reads;
    std::deque<std::string> pings;
};

// In pieces, with pings between and within messages.
std::string frames_of(frames_talk& talk, dice& from) {
    std::string all = plain_websocket::handshake(talk.of.target);
    if (talk.of.told) return all;
    const auto ping = [&] {
        if (!from.one_in(6) || talk.pings.size() == 30) return;
        std::string payload(from.below(126), static_cast<char>('A' + talk.pings.size()));
        all += plain_websocket::frame(9, true, payload, from);
        talk.pings.push_back(std::move(payload));
    };
    for (const message& each : talk.of.wanted) {
        const unsigned opcode = each.is_text ? 1 : 2;
        const std::size_t most = from.one_in(3) ? 1 + from.below(each.payload.size() + 1) : 100'000;
        std::size_t at = 0;
        do {
            const std::string_view piece = std::string_view(each.payload).substr(at, most);
            const bool first = at == 0;
            at += piece.size();
            ping();
            all += plain_websocket::frame(first ? opcode : 0, at == each.payload.size(), piece, from);
        } while (at < each.payload.size());
    }
    return all;
}

task<> send_frames(frames_talk& talk, tcp_stream& to, dice from) {
    const std::string all = frames_of(talk, from);
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t most = from.one_in(3) ? 50 : 20'000;
        const std::string_view piece = std::string_view(all).substr(at, from.between(1, most));
        auto sent = co_await to.send(piece);
        if (!sent) co_return;
        at += piece.size();
    }
}

// Answers are of pings, in their order, perhaps not of all.
bool pongs_are_right(frames_talk& talk) {
    for (const std::string& each : talk.reads.pongs()) {
        while (!talk.pings.empty() && talk.pings.front() != each)
            talk.pings.pop_front();
        if (talk.pings.empty()) return false;
        talk.pings.pop_front();
    }
    talk.reads.pongs().clear();
    return true;
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
    for (std::uint64_t left = of.requests; left > 0 && !book.draining; --left) {
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
