// What the clients' errands have in common: what was asked, and whether what came back, or did not, may be
// so.
#pragma once

#include "sim/campaign/clients.hpp"

#include <naru/naru.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
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

/// There was no connection to be had: whether to try again, after a while.
task<bool> after_no_connection(ledger& book, const errand& by, std::uint64_t crashes, std::error_code why);

}  // namespace naru::campaign
