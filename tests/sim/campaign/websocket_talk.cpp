#include "sim/campaign/websocket_talk.hpp"

#include "sim/campaign/judgement.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace naru::campaign {

namespace {

using message = plain_websocket::message;

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

}  // namespace

void draw_talk(websocket_talk& of, dice& from) {
    of.told = from.one_in(3);
    const std::uint64_t count = from.one_in(6) ? from.below(60) : from.below(8);
    for (std::uint64_t each = 0; each < count; ++each)
        of.wanted.push_back(of.told ? message{true, told_message(of.id, each)} : some_message(from));
    of.target = of.told ? "/tell/" + std::to_string(of.id) + "/" + std::to_string(count)
                        : "/talk/" + std::to_string(of.id);
    ++of.book.asked;
}

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

void judge_end(websocket_talk& of, unsigned code, const std::string& why) {
    const bool whole = of.got == of.wanted.size() && code == 1000;
    if (whole && of.of.spared) return count_served(of.book, of.of, of.target, clock::now() - of.begun);
    if (whole) return;
    if (!of.of.spared) {
        ++of.book.cut;
        return;
    }
    if (of.book.has_crashed_since(of.of.by, of.crashes)) return;
    // It says that it goes, unless a message is half under way when it must.
    const bool at_limit = clock::now() >= of.book.drain_limit;
    if (of.book.draining && (code == 1001 || code == 1000 || (code == 0 && at_limit))) return;
    of.book.fail(of.target + " ended with " + std::to_string(code) + " after " + std::to_string(of.got) +
                 " of " + std::to_string(of.wanted.size()) + " messages: " + why +
                 (of.book.draining ? ", while the server drains" : ""));
}

void judge_refused(websocket_talk& of, const std::string& why) {
    question asked;
    asked.id = of.id;
    asked.target = of.target;
    const asked_question missing(std::move(asked), of.crashes);
    if (!of.of.spared) ++of.book.cut;
    judge_missing(of.book, of.of, missing, why);
}

std::string frames_of(frames_talk& talk, dice& from) {
    std::string all;
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

}  // namespace naru::campaign
