#include "sim/campaign/service.hpp"

#include <naru/naru.hpp>

#include <charconv>
#include <utility>

namespace naru::campaign {

namespace {

using http::exchange;

struct at_work {
    explicit at_work(ledger& in) : book(in) { ++book.handlers; }
    ~at_work() { --book.handlers; }
    at_work(const at_work&) = delete;
    at_work& operator=(const at_work&) = delete;
    ledger& book;
};

std::uint64_t number_of(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

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

struct echo {
    ledger* book;
    task<> operator()(exchange& x) const {
        const at_work here(*book);
        book->begin(x.param("id"));
        auto body = co_await x.read_all();
        if (!body) co_return;
        x.respond(200, "text/plain", std::string(x.param("id")) + " " + *body);
    }
};

struct sum {
    ledger* book;
    task<> operator()(exchange& x) const {
        const at_work here(*book);
        book->begin(x.param("id"));
        std::uint64_t total = 0;
        while (true) {
            auto piece = co_await x.read();
            if (!piece) break;
            for (const char each : piece->text())
                total = total * 31 + static_cast<unsigned char>(each);
        }
        x.respond(200, "text/plain", std::string(x.param("id")) + " " + std::to_string(total));
    }
};

}  // namespace

void ledger::begin(std::string_view id) { begun.insert(number_of(id)); }

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
        .post("/echo/{id}", echo{in})
        .post("/sum/{id}", sum{in})
        .get("/jobs/{id}", http::blocking([](const http::request_view& of, std::stop_token) {
                 return http::answer(200, "text/plain", "worked " + std::string(of.path().substr(6)));
             }))
        .mount("/files/", http::files("/srv"));
    return made;
}

void write_files(sim::host& on) {
    for (std::size_t each = 0; each < std::size(file_sizes); ++each)
        on.write_file("/srv/" + std::to_string(each), content_of_file(each));
}

}  // namespace naru::campaign
