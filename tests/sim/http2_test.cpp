// HTTP/2 in a simulated world, frame by frame.
#include "sim/campaign/plain_http2.hpp"

#include <naru/http/http.hpp>
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using campaign::plain_http2;

campaign::question get(std::string target) {
    campaign::question made;
    made.id = 1;
    made.target = std::move(target);
    return made;
}

// Sends what is to be said, and reads until `done`, or the end.
template <class Done>
task<> talk_until(plain_http2& speaks, tcp_stream& by, Done& done) {
    while (!done()) {
        if (speaks.has_output()) {
            const std::string text = speaks.take_output();
            auto sent = co_await by.send(text);
            if (!sent) co_return;
        }
        auto received = co_await by.receive();
        if (!received) co_return;
        speaks.take(received->text());
    }
}

// A request that comes in one piece with the answer to a drain's PING: the server's last GOAWAY says that it
// was not looked at, so nothing may have been done about it.
TEST(SimulatedHttp2, WhatTheLastGoawayLeavesOutWasNotBegun) {
    if (!http::speaks_http2) GTEST_SKIP() << "this build speaks no HTTP/2";
    sim::world world;
    sim::host& server_host = world.add_host("server");
    std::vector<std::string> begun;
    std::optional<http::server> server;
    {
        const sim::world::visit there(server_host);
        http::site site;
        site.get("/{name}", [&begun](http::exchange& x) noexcept {
            begun.emplace_back(x.param("name"));
            x.respond(200, "text/plain", "here");
        });
        http::server_options options;
        options.h2c = true;
        server.emplace(std::move(site), std::vector<http::endpoint>{{"*:80"}}, std::move(options));
        server->start();
    }
    {
        const auto loop = world.add_host("client").make_loop();
        const auto cross = [&]() -> task<> {
            auto stream = co_await tcp_stream::connect(*loop, server_host.at_port(80));
            if (!stream) co_return;
            plain_http2 speaks(100'000);
            const std::uint32_t first = speaks.ask(get("/first"), false);
            auto answered = [&] { return speaks.at(first).ended; };
            task<> asking = talk_until(speaks, *stream, answered);
            co_await std::move(asking);
            server->drain();
            auto told = [&] { return speaks.told_to_go(); };
            task<> hearing = talk_until(speaks, *stream, told);
            co_await std::move(hearing);
            const std::uint32_t late = speaks.ask(get("/late"), false);  // behind the answer to the PING
            auto ended = [&] { return speaks.at(late).ended; };
            task<> trying = talk_until(speaks, *stream, ended);
            co_await std::move(trying);
            EXPECT_FALSE(speaks.at(late).ended);
            EXPECT_EQ(speaks.wrong(), "");
        };
        run(*loop, cross());
    }
    server->wait();
    EXPECT_EQ(begun, std::vector<std::string>{"first"});
    server.reset();
    EXPECT_EQ(world.open_descriptors(), 0u);
}

// As the model reads heads: what it takes for a status is one.
TEST(SimulatedHttp2, ThePlainReaderReadsAStatus) {
    using namespace std::string_view_literals;
    EXPECT_EQ(campaign::status_of_head("\x88"sv), 200u);
    EXPECT_EQ(campaign::status_of_head("\x20\x8d"sv), 404u);
    EXPECT_EQ(campaign::status_of_head("\x08\x03\x35\x30\x33"sv), 503u);
    EXPECT_EQ(campaign::status_of_head("\x48\x82\x64\x02"sv), 302u);  // of RFC 7541, C.6.1
    EXPECT_EQ(campaign::status_of_head("\x48\x83\x64\x0e\xff"sv), 307u);
    EXPECT_EQ(campaign::status_of_head(""sv), 0u);
    EXPECT_EQ(campaign::status_of_head("\x08\x03\x35"sv), 0u);
    EXPECT_EQ(campaign::status_of_head("\x82"sv), 0u);
}

}  // namespace
}  // namespace naru::testing
