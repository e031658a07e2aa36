// A WebSocket of the campaign's, over whatever carries it: what is said, and whether what comes back is
// right.
#pragma once

#include "sim/campaign/clients.hpp"
#include "sim/campaign/plain_websocket.hpp"

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace naru::campaign {

/// One WebSocket: what is sent to /talk comes back, and /tell says what it says.
struct websocket_talk {
    ledger& book;
    const errand& of;
    std::uint64_t id = book.next_id++;
    std::uint64_t crashes = book.crashes_on(of.by);
    bool told = false;
    std::string target{};
    std::vector<plain_websocket::message> wanted{};
    std::size_t got = 0;
    instant begun = clock::now();
};

void draw_talk(websocket_talk& of, dice& from);
/// False if it is not the one that must come.
bool judge_message(websocket_talk& of, bool is_text, std::string_view payload);
/// `code`: the one that the server closes with.
void judge_end(websocket_talk& of, unsigned code, const std::string& why);
/// Without a handshake there is nothing to talk about.
void judge_refused(websocket_talk& of, const std::string& why);

/// One whose frames are made by hand.
struct frames_talk {
    websocket_talk& of;
    plain_websocket reads;
    std::deque<std::string> pings;
};

/// In pieces, with pings between and within messages.
std::string frames_of(frames_talk& talk, dice& from);
/// Answers are of pings, in their order, perhaps not of all.
bool pongs_are_right(frames_talk& talk);

}  // namespace naru::campaign
