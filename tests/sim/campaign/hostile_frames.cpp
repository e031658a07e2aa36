#include "sim/campaign/clients.hpp"
#include "sim/campaign/judgement.hpp"
#include "sim/campaign/plain_http2.hpp"
#include "sim/campaign/plain_websocket.hpp"

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;

std::string garbage(dice& from, std::uint64_t most) {
    std::string made;
    for (std::uint64_t left = from.between(1, most); left > 0; --left)
        made += static_cast<char>(from.below(256));
    return made;
}

// For so long, or until the end. False when the taker says that what came must not have come.
template <class Take>
task<> read_for(tcp_stream& from, duration span, Take& take) {
    const instant end = saturating_add(clock::now(), span);
    while (true) {
        auto data = co_await with_deadline(end, from.receive());
        if (!data || !take(data->text())) co_return;
    }
}

// A frame that is none, or not now, behind some that are.
std::string http2_mischief(dice& from, plain_http2& speaks, bool secure, ledger& book) {
    for (std::uint64_t well = from.below(6); well > 0; --well) {
        question next = draw_question(from, book.next_id++);
        if (!speaks.has_room_for(next.body.size())) next.body.clear();
        const std::uint32_t stream = speaks.ask(next, secure);
        if (from.one_in(3)) speaks.reset(stream);
    }
    std::string text = speaks.take_output();
    switch (from.below(9)) {
        case 0:
            return text.substr(0, from.between(24, text.size()));  // not within the preface
        case 1:
            return text + garbage(from, 300);
        case 2:
            return text + std::string("\0\0\4\x08\0\0\0\0\0\0\0\0\0", 13);  // a window opened by nothing
        case 3:
            return text + std::string("\xff\xff\xff\0\0\0\0\0\1", 9);  // a frame of 16 MiB
        case 4:
            return text + std::string("\0\0\5\0\0\0\0\0\x63hello", 14);  // data of no stream
        case 5:
            return text + std::string("\0\0\1\1\4\0\0\0\x65\xff", 10);  // a head that is none
        case 6:
            return text + std::string("\0\0\0\x09\4\0\0\0\1", 9);  // a continuation of nothing
        case 7: {
            for (int each = 0; each < 40; ++each)  // more than may be asked for
                text += std::string("\0\0\0\4\0\0\0\0\0", 9);
            return text;
        }
        default:
            return text;  // and then nothing, for ever
    }
}

task<> misuse_http2(tcp_stream& by, dice from, ledger& book, bool secure) {
    plain_http2 speaks(from.one_in(2) ? 20'000 : 200'000);
    const std::string text = http2_mischief(from, speaks, secure, book);
    auto sent = co_await with_deadline(20s, by.send(text));
    (void)sent;
    // Of a preface that is cut on its way the server has seen half a request.
    constexpr std::string_view half = "HTTP/1.1 408";
    std::string first;
    auto take = [&](std::string_view came) {
        first += came.substr(0, half.size() - first.size());
        if (!secure && half.starts_with(first)) return true;
        speaks.take(came);
        if (speaks.wrong().empty()) return true;
        book.fail("to a hostile client: HTTP/2: " + speaks.wrong());
        return false;
    };
    task<> reading = read_for(by, from.one_in(4) ? 100s : 2s, take);
    co_await std::move(reading);
}

std::string websocket_mischief(dice& from, ledger& book) {
    const std::string target = "/talk/" + std::to_string(book.next_id++);
    const std::string hello = plain_websocket::handshake(target);
    const auto frame = [&](unsigned opcode, bool last, std::string_view payload) {
        return plain_websocket::frame(opcode, last, payload, from);
    };
    switch (from.below(9)) {
        case 0:
            return hello + garbage(from, 300);
        case 1:
            return hello + std::string("\x81\x05hello", 7);  // not masked
        case 2:
            return hello + frame(3, true, "reserved");
        case 3:
            return hello + frame(9, true, std::string(126, 'p'));  // a long ping
        case 4:
            return hello + frame(1, true, "\xc3\x28");  // no UTF-8
        case 5:
            return hello + frame(0, true, "of nothing");
        case 6:
            return hello + std::string("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10);  // 8 EiB
        case 7:
            return hello + frame(1, false, "half") + frame(8, true, "x");  // a close of one byte
        default:
            return hello.substr(0, from.below(hello.size()));
    }
}

task<> misuse_websocket(tcp_stream& by, dice from, ledger& book) {
    const std::string text = websocket_mischief(from, book);
    auto sent = co_await with_deadline(20s, by.send(text));
    (void)sent;
    plain_websocket reads;
    auto take = [&](std::string_view came) {
        reads.take(came);
        if (!reads.malformed()) return true;
        book.fail("to a hostile client: what a server must not send in a WebSocket");
        return false;
    };
    task<> reading = read_for(by, from.one_in(4) ? 100s : 2s, take);
    co_await std::move(reading);
}

// Bytes where a handshake of TLS should be, or the beginning of one.
task<> misuse_tls(tcp_stream& by, dice from) {
    std::string text = garbage(from, 600);
    if (from.one_in(2)) text = std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + text;
    auto sent = co_await with_deadline(20s, by.send(text));
    (void)sent;
    auto take = [](std::string_view) { return true; };
    task<> reading = read_for(by, from.one_in(4) ? 100s : 2s, take);
    co_await std::move(reading);
}

}  // namespace

task<> be_hostile_in_frames(ledger& book, bool http2, errand of) {
    dice from(of.seed);
    for (std::uint64_t left = of.requests; left > 0 && !book.drains(of.by); --left) {
        const bool breaks_tls = of.tls != nullptr && from.one_in(4);
        auto stream = co_await reach(*of.on, of.where, breaks_tls ? nullptr : of.tls);
        if (!stream) {
            ++book.cut;
            if (!co_await sleep_for(50ms)) co_return;
            continue;
        }
        ++book.asked;
        const dice rest(from.roll());
        task<> doing = breaks_tls ? misuse_tls(*stream, rest)
                       : http2    ? misuse_http2(*stream, rest, book, of.tls != nullptr)
                                  : misuse_websocket(*stream, rest, book);
        co_await std::move(doing);
        if (from.one_in(3)) stream->home().reset_on_close(stream->native());
    }
}

}  // namespace naru::campaign
