#include "sim/campaign/clients.hpp"

#include "sim/campaign/judgement.hpp"
#include "sim/campaign/plain_reader.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;

struct conversation {
    ledger& book;
    const errand& of;
    std::vector<asked_question> questions;
    std::string text;
    std::size_t answered = 0;
    bool is_cut = false;  // a send has failed: half a request may be what came
};

// In pieces of any size, now and then with a pause.
task<> send_pieces(conversation& of, tcp_stream& to, dice from) {
    const std::string_view all = of.text;
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t most = from.one_in(3) ? 7 : from.one_in(2) ? 300 : 20'000;
        const std::string_view piece = all.substr(at, from.between(1, most));
        auto sent = co_await to.send(piece);
        of.is_cut = !sent;
        if (of.is_cut) co_return;
        at += piece.size();
        if (!from.one_in(40)) continue;
        auto slept = co_await sleep_for(std::chrono::milliseconds(static_cast<std::int64_t>(from.below(30))));
        if (!slept) co_return;
    }
}

void judge_next(conversation& of, const reply& got) {
    const asked_question& asked = of.questions[of.answered++];
    if (of.is_cut && got.status == 408) return of.book.answered(asked.of.id);
    judge(of.book, of.of, asked, got);
}

task<> read_answers(conversation& of, tcp_stream& from) {
    plain_reader reader;
    std::error_code why;
    while (of.answered < of.questions.size()) {
        auto data = co_await from.receive();
        if (data) {
            reader.take(data->text());
        } else {
            why = data.error();
            reader.end();
        }
        while (of.answered < of.questions.size()) {
            const auto got = reader.next(of.questions[of.answered].of.method == "HEAD");
            if (!got) break;
            judge_next(of, *got);
        }
        if (reader.malformed()) of.book.fail("an answer on port 80 is none");
        if (reader.malformed() || !data) break;
    }
    if (of.answered == of.questions.size()) co_return;
    if (!of.of.spared) {
        ++of.book.cut;
        co_return;
    }
    for (std::size_t each = of.answered; each < of.questions.size(); ++each) {
        const bool begun = of.book.begun.contains(of.questions[each].of.id);
        judge_missing(of.book, of.of, of.questions[each], why.message());
        if (begun) break;  // what stands behind it was never looked at
    }
}

}  // namespace

task<> ask_by_hand(ledger& book, errand of) {
    dice from(of.seed);
    std::uint64_t left = of.requests;
    while (auto connected = co_await connect_to_ask(book, of, left)) {
        const std::uint64_t rounds = from.between(1, 4);
        for (std::uint64_t round = 1; round <= rounds && left > 0; ++round) {
            conversation talk{book, of, {}, {}};
            const std::uint64_t most = from.one_in(8) ? 150 : from.one_in(2) ? 20 : 3;
            const std::uint64_t count = std::min(left, from.between(1, most));
            for (std::uint64_t each = 1; each <= count; ++each) {
                question next = draw_question(from, book.next_id++);
                next.last = each == count && round == rounds;
                talk.text += text_of(next);
                talk.questions.emplace_back(std::move(next), connected->crashes);
            }
            left -= count;
            book.asked += count;
            co_await when_all(send_pieces(talk, connected->stream, dice(from.roll())),
                              read_answers(talk, connected->stream));
            if (talk.answered < talk.questions.size()) break;
        }
    }
}

namespace {

// Who has asked for something once is told whether it may have been done.
void judge_unprocessed(ledger& book, const errand& by, const asked_question& asked,
                       const http::client_error& told) {
    if (asked.of.method != "POST") return;
    const bool processed = book.processed.contains(asked.of.id);
    if (processed && !told.maybe_processed)
        book.fail(asked.of.target + " was processed, and its client is told that it was not: " + told.text());
    sim::world::current()->sometimes(processed && book.has_crashed_since(by.by, asked.crashes),
                                     "a POST is processed, and a crash takes its answer");
}

}  // namespace

task<> ask_by_client(ledger& book, http::client& by, std::string scheme, errand of) {
    dice from(of.seed);
    for (std::uint64_t left = of.requests; left > 0 && !book.drains(of.by); --left) {
        const asked_question next(draw_question(from, book.next_id++),
                                  book.crashes_of_kept_connections(of.by));
        http::client_request request(next.of.method, scheme + "://" + of.where + next.of.target);
        if (!next.of.range.empty()) request.add("Range", next.of.range);
        if (next.of.method == "POST") request.body(next.of.body, "text/plain");
        ++book.asked;
        auto answer = co_await by.request(std::move(request));
        reply got;
        std::string failure;
        if (answer) {
            got.status = answer->status();
            auto body = co_await answer->text();
            if (body) {
                got.body = std::move(*body);
            } else {
                failure = body.error().text();
            }
        } else {
            failure = answer.error().text();
            judge_unprocessed(book, of, next, answer.error());
        }
        if (failure.empty()) {
            judge(book, of, next, got);
        } else {
            if (!of.spared) ++book.cut;
            judge_missing(book, of, next, failure);
            if (book.is_down(of.by) && !co_await sleep_for(100ms)) co_return;
        }
        if (from.one_in(200)) {
            auto slept =
                co_await sleep_for(std::chrono::milliseconds(static_cast<std::int64_t>(from.below(70'000))));
            if (!slept) co_return;
        }
    }
}

namespace {

std::string mischief(dice& from, ledger& book) {
    const std::string name = std::to_string(book.next_id++);
    switch (from.below(12)) {
        case 0: {
            std::string garbage;
            for (std::uint64_t left = from.between(1, 300); left > 0; --left)
                garbage += static_cast<char>(from.below(256));
            return garbage;
        }
        case 1:
            return "GET /n/" + name +
                   " HTTP/1.1\r\nHost: server\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
        case 2:
            return "POST /echo/" + name +
                   " HTTP/1.1\r\nHost: server\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcdeX\r\n";
        case 3:
            return "GET /n/" + name + " HTTP/1.1\r\nHost: server\r\nX: " + std::string(20'000, 'x') +
                   "\r\n\r\n";
        case 4:
            return "GET /n/" + name + " HTTP/1.1\r\n\r\n";
        case 5:
            return "POST /sum/" + name + " HTTP/1.1\r\nHost: server\r\nContent-Length: 99999999\r\n\r\nabc";
        case 6:
            return "GET http:// HTTP/1.1\r\nHost: server\r\n\r\n";
        case 7:
            return "GET /files/../../etc/passwd HTTP/1.1\r\nHost: server\r\n\r\n";
        case 8:
            return "GET /" + std::string(9'000, 'y') + " HTTP/1.1\r\nHost: server\r\n\r\n";
        case 9:
            return "GET /n/" + name + " HTTP/1.1\nHost: server\n\n";
        case 10:
            return "POST /echo/" + name + " HTTP/1.1\r\nHost: server\r\nContent-Length: -1\r\n\r\n";
        default:
            return "GET /n/" + name + " HTTP/1.1\r\nHost: server\r\nHost: other\r\n\r\n";
    }
}

// Reads until the end, or for so long.
task<std::string> read_for(tcp_stream& from, duration span) {
    std::string all;
    const instant end = saturating_add(clock::now(), span);
    while (true) {
        auto data = co_await with_deadline(end, from.receive());
        if (!data) break;
        all += data->text();
    }
    co_return all;
}

}  // namespace

task<> be_hostile(ledger& book, errand of) {
    dice from(of.seed);
    for (std::uint64_t left = of.requests; left > 0 && !book.drains(of.by); --left) {
        auto stream = co_await tcp_stream::connect(*of.on, of.where);
        if (!stream) {
            ++book.cut;
            auto slept = co_await sleep_for(50ms);
            if (!slept) co_return;
            continue;
        }
        ++book.asked;
        const std::uint64_t what = from.below(8);
        std::string text;
        std::vector<question> before;
        for (std::uint64_t well = what < 4 ? from.below(4) : from.below(40); well > 0; --well) {
            before.push_back(draw_question(from, book.next_id++));
            if (what == 5) before.back().target = "/files/3";  // large, and never read
            text += text_of(before.back());
        }
        if (what < 4) text += mischief(from, book);
        if (what == 4) text = text.substr(0, from.below(text.size() + 1));  // within a request
        auto sent = co_await with_deadline(20s, stream->send(text));
        (void)sent;
        if (what == 5) {
            auto slept = co_await sleep_for(std::chrono::seconds(static_cast<std::int64_t>(from.below(30))));
            if (!slept) co_return;
        }
        if (what == 6) (void)stream->shutdown_send();
        if (what == 7) stream->home().reset_on_close(stream->native());
        if (what >= 5 && what != 6) continue;  // gone
        const std::string got = co_await read_for(*stream, from.one_in(4) ? 100s : 2s);
        plain_reader reader;
        reader.take(got);
        reader.end();
        for (const question& each : before) {
            const auto answer = reader.next(each.method == "HEAD");
            if (!answer) break;
            // What came behind it was seen first, or the rest of it never came.
            if (answer->status >= 400 && (each.what != kind::absent || answer->status != 404)) break;
            if (!matches(*answer, expected_of(each)))
                book.fail("to a hostile client: " + difference(each, *answer));
        }
        if (reader.malformed()) book.fail("to a hostile client: an answer is none: " + short_text(got));
    }
}

}  // namespace naru::campaign
