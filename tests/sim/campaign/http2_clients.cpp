#include "sim/campaign/clients.hpp"
#include "sim/campaign/judgement.hpp"
#include "sim/campaign/plain_http2.hpp"
#include "sim/campaign/tunnel.hpp"

#include <list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;

struct http2_talk {
    ledger& book;
    const errand& of;
    std::uint64_t crashes;  ///< of the server, before
    plain_http2 speaks;
    std::map<std::uint32_t, asked_question> unanswered{};  // by their streams
    std::list<tunnel> tunnels{};                           // that are open
    async_event news{};                                    // something is to be sent, or it is over
    bool over = false;
    bool is_cut = false;  // a send has failed: half a request may be what came
    std::error_code why{};
};

// In pieces of any size.
task<> send_frames(http2_talk& of, tcp_stream& to, dice from) {
    while (true) {
        const std::string all = of.speaks.take_output();
        const std::uint64_t most = from.one_in(3) ? 30 : 20'000;
        for (std::size_t at = 0; at < all.size();) {
            const std::string_view piece = std::string_view(all).substr(at, from.between(1, most));
            auto sent = co_await to.send(piece);
            of.is_cut = !sent;
            if (of.is_cut) co_return;
            at += piece.size();
        }
        if (of.speaks.has_output()) continue;
        if (of.over) co_return;
        of.news.reset();
        auto waited = co_await of.news.wait();
        if (!waited) co_return;
    }
}

// What has ended is judged, in whatever order it has.
void judge_ended(http2_talk& of) {
    for (auto each = of.unanswered.begin(); each != of.unanswered.end();) {
        const plain_http2::answer& got = of.speaks.at(each->first);
        if (got.ended && of.is_cut && got.got.status == 408)
            of.book.answered(each->second.of.id);
        else if (got.ended)
            judge(of.book, of.of, each->second, got.got);
        if (got.was_reset && !got.ended) judge_missing(of.book, of.of, each->second, "its stream was reset");
        each = got.ended || got.was_reset ? of.unanswered.erase(each) : std::next(each);
    }
}

// Each goes on with what has come and with the room that there is.
void advance_tunnels(http2_talk& of) {
    for (tunnel& each : of.tunnels)
        each.advance(of.speaks);
    std::erase_if(of.tunnels, [](const tunnel& each) { return each.has_ended(); });
}

// Until as much has come as is waited for; false when the connection has ended.
task<bool> read_answers(http2_talk& of, tcp_stream& from, bool only_settings = false) {
    const auto goes_on = [&] {
        return only_settings ? !of.speaks.knows_the_server() : !of.unanswered.empty() || !of.tunnels.empty();
    };
    while (goes_on()) {
        auto received = co_await from.receive();
        if (!received) {
            of.why = received.error();
            co_return false;
        }
        of.speaks.take(received->text());
        if (!of.speaks.wrong().empty()) {
            of.book.fail("HTTP/2: " + of.speaks.wrong());
            co_return false;
        }
        judge_ended(of);
        advance_tunnels(of);
        of.news.set();
    }
    co_return true;
}

void begin_streams(http2_talk& of, dice& from, std::uint64_t count) {
    for (count = std::min<std::uint64_t>(count, of.speaks.most_streams()); count > 0; --count) {
        question next = draw_question(from, of.book.next_id++);
        if (!of.speaks.has_room_for(next.body.size())) next.body.clear();
        ++of.book.asked;
        const std::uint32_t stream = of.speaks.ask(next, of.of.tls != nullptr);
        if (!of.of.spared && from.one_in(40)) {  // thought better of it
            of.speaks.reset(stream);
            continue;
        }
        of.unanswered.emplace(stream, asked_question(std::move(next), of.crashes));
    }
}

void open_tunnels(http2_talk& of, dice& from, std::uint64_t& left) {
    for (std::uint64_t count = from.below(5); count > 0 && left > 0; --count, --left)
        of.tunnels.emplace_back(of.book, of.of, of.crashes, of.speaks, from);
}

task<> ask_in_rounds(http2_talk& of, tcp_stream& by, dice from, std::uint64_t& left) {
    const bool with_tunnels = of.of.tunnels && from.one_in(2);
    if (with_tunnels) {
        task<bool> reading = read_answers(of, by, true);
        (void)co_await std::move(reading);
    }
    for (std::uint64_t rounds = from.between(1, 6); rounds > 0 && left > 0; --rounds) {
        if (with_tunnels && of.speaks.takes_tunnels()) open_tunnels(of, from, left);
        const std::uint64_t most = from.one_in(8) ? 100 : from.one_in(2) ? 20 : 3;
        const std::uint64_t count = std::min(left, from.between(1, most));
        left -= count;
        begin_streams(of, from, count);
        of.news.set();
        task<bool> reading = read_answers(of, by);
        const bool goes_on = co_await std::move(reading);
        if (!goes_on || of.speaks.told_to_go()) break;
    }
    of.over = true;
    of.news.set();
}

}  // namespace

task<> ask_by_http2(ledger& book, errand of) {
    dice from(of.seed);
    std::uint64_t left = of.requests;
    while (auto connected = co_await connect_to_ask(book, of, left)) {
        http2_talk talk{book, of, connected->crashes, plain_http2(from.one_in(3) ? 20'000 : 200'000)};
        co_await when_all(send_frames(talk, connected->stream, dice(from.roll())),
                          ask_in_rounds(talk, connected->stream, dice(from.roll()), left));
        for (tunnel& each : talk.tunnels)
            each.is_cut(talk.why);
        if (talk.unanswered.empty()) continue;
        if (!of.spared) ++book.cut;
        for (auto& [number, each] : talk.unanswered)
            judge_missing(book, of, each, talk.why.message());
    }
}

}  // namespace naru::campaign
