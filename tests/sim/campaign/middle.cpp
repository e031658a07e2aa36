#include "sim/campaign/middle.hpp"

#include <naru/http/client/client.hpp>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace naru::campaign {

namespace {

using namespace std::chrono_literals;
using http::exchange;

task<> forward_connection(loop& on, tcp_stream client, std::string target) {
    auto server = co_await tcp_stream::connect(on, target);
    if (!server) {
        client.reset_on_close();
        co_return;
    }
    (void)co_await forward_both(client, *server);
}

// The fields that tell something of the connection, or that each server writes for itself.
bool is_passed_on(std::string_view name) {
    for (const std::string_view own : {"connection", "keep-alive", "transfer-encoding", "date", "server"}) {
        if (std::ranges::equal(name, own, [](char left, char right) { return (left | 0x20) == right; }))
            return false;
    }
    return true;
}

struct body_of {
    exchange* x;
    lease kept{};
    task<result<bytes_view>> operator()() {
        auto piece = co_await x->read();
        if (!piece && piece.error() == errc::end_of_stream) co_return bytes_view();
        if (!piece) co_return fail(piece.error());
        kept = std::move(*piece);
        co_return kept.bytes();
    }
};

void refuse(exchange& x, const http::client_error& why) {
    x.respond(why.maybe_processed ? 504 : 502, "text/plain", why.text());
}

struct pass_on {
    ledger* book;
    std::string origin;

    http::client_request request_of(exchange& x) const {
        http::client_request made(std::string(x.method_name()), origin + std::string(x.raw_target()));
        if (const auto range = x.field("range")) made.add("Range", *range);
        if (x.method_name() == "POST") {
            made.add("Content-Type", "text/plain");
            made.body(body_of{&x}, x.content_length());
        }
        return made;
    }

    task<> operator()(exchange& x) const {
        const at_work here(book->proxying);
        const std::string_view path = x.path().substr(1);
        if (!path.starts_with("files/")) book->taken.insert(number_of(path.substr(path.find('/') + 1)));
        http::client_request request = request_of(x);
        auto answer = co_await x.local<http::client>().request(std::move(request));
        if (!answer) co_return refuse(x, answer.error());
        // Until there is some of its body, another answer is still possible.
        auto piece = co_await answer->read();
        if (!piece) co_return refuse(x, piece.error());
        x.status(answer->status());
        answer->for_each_field([&x](std::string_view name, std::string_view value) {
            if (is_passed_on(name)) x.add(name, value);
        });
        while (!piece->empty()) {
            auto written = co_await x.write(*piece);
            if (!written) co_return;
            piece = co_await answer->read();
            if (!piece) co_return;  // which cuts ours, too
        }
        (void)co_await x.end();
    }
};

}  // namespace

task<> forward_connections(loop& on, std::string listen, std::string target) {
    auto listener = tcp_listener::bind(on, listen);
    if (!listener) co_return;
    const auto accepting = [&](task_group& connections) -> task<> {
        while (true) {
            auto client = co_await listener->accept();
            if (client) {
                connections.spawn(forward_connection(on, std::move(*client), target));
                continue;
            }
            auto slept = co_await sleep_for(10ms);  // it may be out of descriptors
            if (!slept) co_return;
        }
    };
    co_await with_supervisor(accepting, print_failure);
}

http::site make_proxy(ledger& book, std::string origin, http::client_options how) {
    how.decompress = false;
    how.redirects = 0;
    http::site made;
    made.per_loop([how](loop& on) { return http::client(on, how); })
        .mount("/", pass_on{&book, std::move(origin)});
    return made;
}

}  // namespace naru::campaign
