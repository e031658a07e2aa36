// Questions in datagrams: each may be lost, and late ones come in another order. Who asks does it again,
// until there is an answer; none is of another question, and none comes that nobody has asked for.
#include "sim/campaign/clients.hpp"
#include "sim/campaign/datagrams.hpp"
#include "sim/campaign/judgement.hpp"

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;

constexpr unsigned most_tries = 12;

std::string answer_to(std::uint64_t id) {
    return std::to_string(id) + " " + std::string(id * 37 % 1'200, static_cast<char>('a' + id % 26));
}

struct inquiry {
    ledger& book;
    const errand& of;
    udp_socket& by;
    address where;
    std::unordered_map<std::uint64_t, unsigned> asked{};  // how often each was, less the answers to it
};

// Whether it answers that question; an older one may have been answered late.
bool judge_datagram(inquiry& in, std::uint64_t id, std::string_view text) {
    const std::uint64_t answers = number_of(text);
    const auto at = in.asked.find(answers);
    if (text != answer_to(answers))
        in.book.fail("a datagram is wrong: " + short_text(std::string(text)));
    else if (at == in.asked.end() || at->second == 0)
        in.book.fail("a datagram answers what nobody has asked: " + std::to_string(answers));
    else
        --at->second;
    return answers == id;
}

// Within a second.
task<bool> ask_once(inquiry& in, std::uint64_t id) {
    const std::string text = std::to_string(id);
    ++in.asked[id];
    auto sent = co_await in.by.send_to(text, in.where);
    if (!sent) --in.asked[id];
    std::array<char, 1'500> memory{};
    for (const instant end = saturating_add(clock::now(), 1s);;) {
        auto got = co_await with_deadline(end, in.by.receive_from(memory));
        if (!got && (clock::now() >= end || !co_await sleep_for(10ms))) co_return false;
        if (!got) continue;
        if (judge_datagram(in, id, {memory.data(), got->bytes.size()})) co_return true;
    }
}

}  // namespace

task<> answer_datagrams(loop& on, std::string where) {
    auto socket = udp_socket::bind(on, where);
    if (!socket) co_return;
    std::array<char, 100> memory{};
    while (true) {
        auto got = co_await socket->receive_from(memory);
        if (!got && !co_await sleep_for(10ms)) co_return;
        if (!got) continue;
        const std::string answer = answer_to(number_of({memory.data(), got->bytes.size()}));
        auto sent = co_await socket->send_to(answer, got->peer);
        if (!sent && sent.error() == std::errc::operation_canceled) co_return;
    }
}

namespace {

task<bool> was_answered(inquiry& in, std::uint64_t id) {
    for (unsigned tries = 0; tries < most_tries; ++tries) {
        task<bool> asking = ask_once(in, id);
        const bool answered = co_await std::move(asking);
        sim::world::current()->sometimes(answered && tries > 0, "a lost datagram is asked for again");
        if (answered) co_return true;
    }
    co_return false;
}

}  // namespace

task<> ask_by_datagrams(ledger& book, errand of) {
    dice from(of.seed);
    for (std::uint64_t left = of.requests; left > 0 && !book.drains(of.by);) {
        auto socket = udp_socket::bind(*of.on, "0.0.0.0:0");
        if (!socket && of.spared) book.fail("no socket for datagrams: " + socket.error().message());
        if (!socket) {  // a host that is down gives none out
            --left;
            if (!co_await sleep_for(100ms)) co_return;
            continue;
        }
        inquiry in{book, of, *socket, *address::parse(of.where)};
        for (std::uint64_t some = from.between(1, 30); some > 0 && left > 0 && !book.drains(of.by);
             --some, --left) {
            const std::uint64_t crashes = book.crashes_on(of.by);
            const std::uint64_t id = book.next_id++;
            const instant begun = clock::now();
            ++book.asked;
            task<bool> asking = was_answered(in, id);
            const bool answered = co_await std::move(asking);
            if (answered && of.spared) {
                count_served(book, of, "a datagram", clock::now() - begun);
                ++book.datagrams;
            }
            if (answered || book.has_crashed_since(of.by, crashes)) continue;
            if (of.spared) book.fail("datagram " + std::to_string(id) + " was never answered");
            ++book.cut;
            break;
        }
    }
}

}  // namespace naru::campaign
