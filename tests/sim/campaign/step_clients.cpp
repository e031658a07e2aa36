// Streams of which no piece is sent before the one before it has come to the other side: whoever stands
// between must pass on what he has, in both directions.
#include "sim/campaign/clients.hpp"
#include "sim/campaign/judgement.hpp"
#include "sim/campaign/plain_reader.hpp"

#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;

// Each question has a connection of its own.
question draw_steps(dice& from, std::uint64_t id, std::uint64_t count) {
    question made;
    made.id = id;
    made.last = true;
    if (from.one_in(2)) {
        made.what = kind::steps;
        made.target = "/steps/" + std::to_string(id) + "/" + std::to_string(count);
        return made;
    }
    made.what = kind::sum;
    made.method = "POST";
    made.target = "/sum/" + std::to_string(id);
    for (std::uint64_t each = 0; each < count; ++each)
        made.body += step_of(id, each);
    return made;
}

struct step_talk {
    ledger& book;
    const question& of;
    std::optional<reply> got{};
    bool over = false;    // an answer has come, or none will
    bool is_cut = false;  // a send has failed: half a request may be what came
    std::error_code why{};
};

// As far as the other side sees what was sent, and has not answered it yet.
task<> send_steps(step_talk& talk, tcp_stream& to, std::uint64_t count) {
    const question& of = talk.of;
    const std::string all = text_of(of);
    const std::string head = all.substr(0, all.size() - of.body.size());
    auto sent = co_await to.send(head);
    std::uint64_t bytes = 0;
    for (std::uint64_t each = 0; sent && each < count && of.method == "POST"; ++each) {
        const std::string piece = step_of(of.id, each);
        sent = co_await to.send(piece);
        if (!sent) break;
        bytes += piece.size();
        task<bool> seeing = until_seen(talk.book, of.id, bytes, talk.over);
        const bool seen = co_await std::move(seeing);
        if (!seen) co_return;
    }
    talk.is_cut = !sent;
}

task<> read_steps(step_talk& talk, tcp_stream& from) {
    plain_reader reader;
    while (!talk.over) {
        auto data = co_await from.receive();
        if (data) {
            reader.take(data->text());
        } else {
            talk.why = data.error();
            reader.end();
        }
        talk.got = reader.next(false);
        if (talk.of.method == "GET") talk.book.seen[talk.of.id] = reader.body_so_far();
        if (reader.malformed()) talk.book.fail(talk.of.target + ": an answer is none");
        talk.over = talk.got || !data || reader.malformed();
    }
}

}  // namespace

task<> ask_step_by_step(ledger& book, errand of) {
    dice from(of.seed);
    std::uint64_t left = of.requests;
    while (auto connected = co_await connect_to_ask(book, of, left)) {
        const std::uint64_t count = from.below(12);
        const asked_question asked(draw_steps(from, book.next_id++, count), connected->crashes);
        --left;
        ++book.asked;
        book.seen.emplace(asked.of.id, 0);
        step_talk talk{book, asked.of};
        co_await when_all(send_steps(talk, connected->stream, count), read_steps(talk, connected->stream));
        book.seen.erase(asked.of.id);
        if (talk.is_cut && talk.got && talk.got->status == 408) {
            book.answered(asked.of.id);
        } else if (talk.got) {
            judge(book, of, asked, *talk.got);
        } else {
            if (!of.spared) ++book.cut;
            judge_missing(book, of, asked, talk.why.message());
        }
    }
}

}  // namespace naru::campaign
