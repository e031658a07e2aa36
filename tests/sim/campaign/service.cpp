#include "sim/campaign/service.hpp"

#include <naru/naru.hpp>

#include <charconv>
#include <memory>
#include <utility>

namespace naru::campaign {

namespace {

using http::exchange;

struct late {
    ledger* book;
    task<> operator()(exchange& x) const {
        const at_work here(*book);
        book->begin(x.param("id"));
        auto slept = co_await sleep_for(
            std::chrono::milliseconds(static_cast<std::int64_t>(number_of(x.param("ms")))));
        if (!slept) co_return;
        x.respond(200, "text/plain", "late " + std::string(x.param("id")));
    }
};

struct pieces {
    ledger* book;
    task<> operator()(exchange& x) const {
        const at_work here(*book);
        book->begin(x.param("id"));
        const std::uint64_t count = number_of(x.param("count"));
        for (std::uint64_t each = 0; each < count; ++each) {
            const std::string piece = std::string(x.param("id")) + ":" + std::to_string(each) + ";";
            auto written = co_await x.write(piece);
            if (!written) co_return;
            if (each % 3 == 1) co_await yield();
        }
        (void)co_await x.end();
    }
};

// Each piece when the one before has been seen: whoever stands between must not keep any back.
struct steps {
    ledger* book;
    task<> operator()(exchange& x) const {
        const at_work here(*book);
        book->begin(x.param("id"));
        const std::uint64_t id = number_of(x.param("id"));
        const std::uint64_t count = number_of(x.param("count"));
        std::uint64_t sent = 0;
        const bool at_its_end = false;
        for (std::uint64_t each = 0; each < count; ++each) {
            const std::string piece = step_of(id, each);
            auto written = co_await x.write(piece);
            if (!written) co_return;
            sent += piece.size();
            task<bool> seeing = until_seen(*book, id, sent, at_its_end);
            const bool seen = co_await std::move(seeing);
            if (!seen) co_return;
        }
        (void)co_await x.end();
    }
};

struct echo {
    ledger* book;
    task<> operator()(exchange& x) const {
        const at_work here(*book);
        book->process(x.param("id"));
        auto body = co_await x.read_all();
        if (!body) co_return;
        x.respond(200, "text/plain", std::string(x.param("id")) + " " + *body);
    }
};

struct sum {
    ledger* book;
    task<> operator()(exchange& x) const {
        const at_work here(*book);
        book->process(x.param("id"));
        std::uint64_t total = 0;
        while (true) {
            auto piece = co_await x.read();
            if (!piece) break;
            book->saw(number_of(x.param("id")), piece->size());
            for (const char each : piece->text())
                total = total * 31 + static_cast<unsigned char>(each);
        }
        x.respond(200, "text/plain", std::string(x.param("id")) + " " + std::to_string(total));
    }
};

struct echo_messages {
    ledger* book;
    task<> operator()(http::websocket_peer peer) const {
        const at_work here(*book);
        while (true) {
            auto received = co_await peer.receive();
            if (!received) break;
            auto sent = co_await peer.send(*received);
            if (!sent) break;
        }
    }
};

struct tell {
    ledger* book;
    std::uint64_t id;
    std::uint64_t count;
    task<> operator()(http::websocket_peer peer) const {
        const at_work here(*book);
        for (std::uint64_t each = 0; each < count; ++each) {
            const std::string next = told_message(id, each);
            auto sent = co_await peer.send_text(next);
            if (!sent) break;
        }
    }
};

std::shared_ptr<const http::websocket_options> websocket_terms() {
    http::websocket_options made;
    made.deflate.enabled = true;  // for who asks for it
    return std::make_shared<const http::websocket_options>(made);
}

}  // namespace

std::uint64_t number_of(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

task<bool> until_seen(ledger& book, std::uint64_t id, std::uint64_t bytes, const bool& over) {
    const instant end = saturating_add(clock::now(), std::chrono::seconds(60));
    while (!over && clock::now() < end) {
        const auto at = book.seen.find(id);
        if (at != book.seen.end() && at->second >= bytes) co_return true;
        auto slept = co_await sleep_for(std::chrono::milliseconds(5));
        if (!slept) break;
    }
    co_return false;
}

std::string told_message(std::uint64_t id, std::uint64_t each) {
    const std::uint64_t sizes[] = {0, 10, 125, 126, 700, 5'000, 70'000};
    return std::to_string(id) + ":" + std::to_string(each) + ";" +
           std::string(sizes[(id + each) % 97 == 0 ? 6 : (id * 7 + each * 3) % 6], 'm');
}

void ledger::begin(std::string_view id) { begun.insert(number_of(id)); }

void ledger::process(std::string_view id) {
    begin(id);
    if (!processed.insert(number_of(id)).second) fail("POST " + std::string(id) + " is processed twice");
}

http::site make_site(ledger& book) {
    ledger* const in = &book;
    http::site made;
    made.get("/n/{id}",
             [in](exchange& x) noexcept {
                 in->begin(x.param("id"));
                 x.respond(200, "text/plain", "n " + std::string(x.param("id")));
             })
        .get("/late/{id}/{ms}", late{in})
        .get("/pieces/{id}/{count}", pieces{in})
        .get("/steps/{id}/{count}", steps{in})
        .post("/echo/{id}", echo{in})
        .post("/sum/{id}", sum{in})
        .get("/jobs/{id}", http::blocking([](const http::request_view& of, std::stop_token) {
                 return http::answer(200, "text/plain", "worked " + std::string(of.path().substr(6)));
             }))
        .get("/talk/{id}",
             [in, with = websocket_terms()](exchange& x) noexcept {
                 in->begin(x.param("id"));
                 (void)http::upgrade_to_websocket(x, with, echo_messages{in});
             })
        .get("/tell/{id}/{count}",
             [in, with = websocket_terms()](exchange& x) noexcept {
                 in->begin(x.param("id"));
                 (void)http::upgrade_to_websocket(
                     x, with, tell{in, number_of(x.param("id")), number_of(x.param("count"))});
             })
        .mount("/files/", http::files("/srv"));
    return made;
}

void write_files(sim::host& on) {
    for (std::size_t each = 0; each < std::size(file_sizes); ++each)
        on.write_file("/srv/" + std::to_string(each), content_of_file(each));
}

}  // namespace naru::campaign
