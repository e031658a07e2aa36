// What the clients' errands have in common: a connection, what was asked, and whether what came back, or did
// not, may be so.
#pragma once

#include "sim/campaign/clients.hpp"

#include <naru/naru.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace naru::campaign {

/// A question that is under way.
struct asked_question {
    asked_question(question what, std::uint64_t crashes_before)
        : of(std::move(what)), crashes(crashes_before) {}
    question of;
    std::uint64_t crashes;  ///< of the server, when its connection was begun
    instant begun = clock::now();
};

std::string short_text(const std::string& text);
std::string difference(const question& of, const reply& got);
/// An answer has come.
void judge(ledger& book, const errand& by, const asked_question& asked, const reply& got);
/// None will.
void judge_missing(ledger& book, const errand& by, const asked_question& asked, const std::string& why);
/// One that has come in `took` is counted, and must not be late.
void count_served(ledger& book, const errand& by, const std::string& what, duration took);

/// A connection to ask on, and what the server's host had crashed when it was begun.
struct connection_to_ask {
    connection_to_ask(tcp_stream made, std::uint64_t crashes_before)
        : stream(std::move(made)), crashes(crashes_before) {}
    tcp_stream stream;
    std::uint64_t crashes;
};
/// Tries again, after a while, as long as there may be reasons for a refusal; who is not spared gives up a
/// question of `left` each time. Nothing: no more is to be asked.
task<std::optional<connection_to_ask>> connect_to_ask(ledger& book, const errand& by, std::uint64_t& left);

}  // namespace naru::campaign
