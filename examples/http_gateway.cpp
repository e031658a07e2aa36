// A gateway: http_gateway [--listen ADDRESS:PORT] [--engine NAME] --to URL
//
// Each request is made again to URL, on the loop that it came in on: a server and a client share it, with a
// coroutine that counts. Bodies go through while they come, either way. GET /gateway says how many requests
// there have been, and for how many seconds. SIGINT and SIGTERM drain it.
#include <naru/http/client/client.hpp>
#include <naru/http/http.hpp>
#include <naru/naru.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace http = naru::http;

namespace {

struct gateway {
    naru::loop& home;
    std::string to;
    http::client client{home};
    unsigned requests = 0;
    unsigned seconds = 0;
};

// What concerns one connection and not the next (RFC 9110, section 7.6.1), and what the client sets itself.
bool is_of_one_hop(std::string_view name) {
    static constexpr std::array<std::string_view, 11> all = {
        "connection", "keep-alive", "proxy-connection", "te",   "trailer",        "transfer-encoding",
        "upgrade",    "expect",     "content-length",   "host", "accept-encoding"};
    const auto same = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
    return std::ranges::any_of(all,
                               [&](std::string_view each) { return std::ranges::equal(each, name, same); });
}

naru::task<> forward(gateway& through, http::exchange& x) {
    ++through.requests;
    http::client_request asks(std::string(x.method_name()), through.to + std::string(x.raw_target()));
    for (const auto& each : x.fields()) {
        if (!is_of_one_hop(each.name)) asks.add(each.name, each.value);
    }
    asks.add("Accept-Encoding", x.field("accept-encoding").value_or("identity"));  // its client decodes
    naru::lease piece;
    auto next_piece = [&]() -> naru::task<naru::result<naru::bytes_view>> {
        auto got = co_await x.read();
        if (got) {
            piece = std::move(*got);
            co_return piece.bytes();
        }
        if (got.error() != naru::errc::end_of_stream) co_return naru::fail(got.error());
        co_return naru::bytes_view();
    };
    if (x.content_length() != 0) asks.body(std::ref(next_piece), x.content_length());
    // Beside the sending: whoever answers while it reads is passed on like that.
    auto pass_on = [&](http::client_answer answer) -> naru::task<> {
        x.status(answer.status());
        answer.for_each_field([&](std::string_view name, std::string_view value) {
            if (!is_of_one_hop(name)) x.add(name, value);
        });
        if (answer.length()) x.add("Content-Length", std::to_string(*answer.length()));
        while (true) {
            auto part = co_await answer.read();
            if (!part) throw std::runtime_error(part.error().text());  // its client sees that half is missing
            if (part->empty()) break;
            auto sent = co_await x.write(*part);
            if (!sent) co_return;
        }
        (void)co_await x.end();
    };
    auto done = co_await through.client.request(std::move(asks), pass_on);
    if (!done && !x.answered()) x.respond(502, "text/plain", done.error().text() + "\n");
}

naru::task<> count_seconds(gateway& of) {
    while (co_await naru::sleep_for(std::chrono::seconds(1)))
        ++of.seconds;
}

http::site make_site(gateway& all) {
    http::site site;
    site.get("/gateway",
             [&all](http::exchange& x) noexcept {
                 x.respond(200, "text/plain",
                           std::to_string(all.requests) + " requests in " + std::to_string(all.seconds) +
                               " seconds\n");
             })
        .mount("/", [&all](http::exchange& x) { return forward(all, x); }, {.body_limit = ~0ull});
    return site;
}

naru::task<bool> serve(naru::loop& home, const std::string& listen, const std::string& to) {
    gateway all{home, to};
    auto signals = naru::signal_set::take(home, {SIGINT, SIGTERM});
    if (!signals && signals.error() != std::errc::not_supported)  // on Windows Ctrl-C ends it at once
        throw std::system_error(signals.error(), "signals");
    http::attached_server server(home, make_site(all), {{.listen = listen}});
    std::printf("listening on %s\n", server.local_address().text().c_str());
    std::fflush(stdout);
    auto drain_at_a_signal = [&]() -> naru::task<> {
        auto got = co_await signals->next();
        signals->give_back();  // the next one ends the program at once
        if (got) server.drain();
    };
    auto both = [&](naru::task_group& group) -> naru::task<> {
        group.spawn(count_seconds(all));
        if (signals) group.spawn(drain_at_a_signal);
        (void)co_await server.ended();
        group.stop();
    };
    (void)co_await naru::with_group(both);
    co_return !server.has_failed();
}

}  // namespace

int main(int argc, char** argv) try {
    std::string listen = "127.0.0.1:8080";
    std::string engine_name = "auto";
    std::string to;
    for (int each = 1; each + 1 < argc; each += 2) {
        const std::string_view name = argv[each];
        std::string* const chosen = name == "--listen"   ? &listen
                                    : name == "--engine" ? &engine_name
                                    : name == "--to"     ? &to
                                                         : nullptr;
        if (chosen == nullptr) throw std::runtime_error("no such option: " + std::string(name));
        *chosen = argv[each + 1];
    }
    if (to.empty() || argc % 2 == 0)
        throw std::runtime_error("usage: http_gateway [--listen ADDRESS:PORT] [--engine NAME] --to URL");
    if (const auto url = http::url::parse(to); !url)
        throw std::runtime_error("--to " + to + ": " + url.error());
    const auto engine = naru::engine_named(engine_name);
    if (!engine) throw std::runtime_error("no such engine: " + engine_name);
    naru::backend_choice choice = naru::try_backend(*engine);
    if (choice.backend == nullptr) throw std::runtime_error(choice.reason);

    naru::loop home(std::move(choice.backend));
    return naru::run(home, serve(home, listen, to)) ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "http_gateway: %s\n", error.what());
    return 1;
}
