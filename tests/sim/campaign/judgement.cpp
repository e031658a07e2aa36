#include "sim/campaign/judgement.hpp"
#include "sim/campaign/secure.hpp"

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

void count_served(ledger& book, const errand& by, const std::string& what, duration took) {
    ++book.served;
    ++book.served_by[static_cast<std::size_t>(by.by)];
    book.longest = std::max(book.longest, took);
    if (took > bound)
        book.fail(what + " was answered after " +
                  std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()) +
                  " ms");
}

namespace {

// It says 502 to what has not been processed for certain, and 504 where it does not know; and either only
// where something is the matter behind it.
void judge_refused_by_proxy(ledger& book, const errand& by, const asked_question& asked, const reply& got) {
    const bool begun = book.begun.contains(asked.of.id);
    const bool processed = book.processed.contains(asked.of.id);
    book.answered(asked.of.id);
    if (processed && got.status == 502)
        book.fail(asked.of.target + " was processed, and the proxy says that it was not: " + got.body);
    sim::world::current()->sometimes(processed, "a POST is processed, and the proxy has no answer to it");
    if (!by.spared) ++book.cut;
    if (!by.spared || book.has_crashed_since(by.by, asked.crashes) || (book.draining && !begun)) return;
    book.fail(asked.of.target + " is answered by the proxy with " + std::to_string(got.status) + ": " +
              got.body);
}

}  // namespace

void judge(ledger& book, const errand& by, const asked_question& asked, const reply& got) {
    if (by.by == route::proxied && (got.status == 502 || got.status == 504))
        return judge_refused_by_proxy(book, by, asked, got);
    book.answered(asked.of.id);
    if (!matches(got, expected_of(asked.of))) return book.fail(difference(asked.of, got));
    if (by.spared) count_served(book, by, asked.of.target, clock::now() - asked.begun);
}

// Whose handler has been called gets its answer, also when the server drains; not when its host has crashed.
void judge_missing(ledger& book, const errand& by, const asked_question& asked, const std::string& why) {
    const bool begun = book.begun.contains(asked.of.id) || book.taken.contains(asked.of.id);
    book.answered(asked.of.id);
    if (!by.spared || book.has_crashed_since(by.by, asked.crashes)) return;
    if (begun || !book.drains(by.by))
        book.fail(asked.of.target + (begun ? " was begun and not" : " was not") + " answered: " + why +
                  (book.drains(by.by) ? ", while the server drains" : ""));
}

task<std::optional<connection_to_ask>> connect_to_ask(ledger& book, const errand& by, std::uint64_t& left) {
    while (left > 0 && !book.drains(by.by)) {
        const std::uint64_t crashes = book.crashes_on(by.by);
        auto stream = co_await reach(*by.on, by.where, by.tls);
        if (stream) {
            std::optional<connection_to_ask> made;
            made.emplace(std::move(*stream), crashes);
            co_return made;
        }
        if (book.drains(by.by)) break;
        if (by.spared && !book.has_crashed_since(by.by, crashes)) {
            book.fail("connect: " + stream.error().message());
            break;
        }
        if (!by.spared) ++book.cut;
        auto slept = co_await sleep_for(100ms);
        if (!slept) break;
        if (!by.spared) --left;
    }
    co_return std::nullopt;
}

}  // namespace naru::campaign
