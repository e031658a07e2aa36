#include "sim/campaign/judgement.hpp"

#include <algorithm>
#include <chrono>

namespace naru::campaign {

using namespace std::chrono_literals;

std::string short_text(const std::string& text) {
    return text.size() <= 60 ? text : text.substr(0, 60) + "... (" + std::to_string(text.size()) + " bytes)";
}

std::string difference(const question& of, const reply& got) {
    const reply wanted = expected_of(of);
    return of.method + " " + of.target + (of.range.empty() ? "" : " " + of.range) + ": got " +
           std::to_string(got.status) + " \"" + short_text(got.body) + "\", not " +
           std::to_string(wanted.status) + " \"" + short_text(wanted.body) + "\"";
}

void count_served(ledger& book, const std::string& what, duration took) {
    ++book.served;
    book.longest = std::max(book.longest, took);
    if (took > bound)
        book.fail(what + " was answered after " +
                  std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()) +
                  " ms");
}

void judge(ledger& book, const errand& by, const asked_question& asked, const reply& got) {
    book.answered(asked.of.id);
    if (!matches(got, expected_of(asked.of))) return book.fail(difference(asked.of, got));
    if (by.spared) count_served(book, asked.of.target, clock::now() - asked.begun);
}

// Whose handler has been called gets its answer, also when the server drains; not when its host has crashed.
void judge_missing(ledger& book, const errand& by, const asked_question& asked, const std::string& why) {
    const bool begun = book.begun.contains(asked.of.id);
    book.answered(asked.of.id);
    if (!by.spared || book.has_crashed_since(asked.crashes)) return;
    if (begun || !book.draining)
        book.fail(asked.of.target + (begun ? " was begun and not" : " was not") + " answered: " + why +
                  (book.draining ? ", while the server drains" : ""));
}

task<bool> after_no_connection(ledger& book, const errand& by, std::uint64_t crashes, std::error_code why) {
    if (book.draining) co_return false;
    if (by.spared && !book.has_crashed_since(crashes)) {
        book.fail("connect: " + why.message());
        co_return false;
    }
    if (!by.spared) ++book.cut;
    auto slept = co_await sleep_for(100ms);
    co_return slept.has_value();
}

}  // namespace naru::campaign
