// The web server itself in a simulated world: its worker, its site, its files and its log, and clients on
// another host, in virtual time.
#include <naru/http/client/client.hpp>
#include <naru/http/http.hpp>
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using http::exchange;

std::string pattern(std::size_t size) {
    std::string made(size, ' ');
    for (std::size_t at = 0; at < size; ++at)
        made[at] = static_cast<char>('a' + (at * 7 + at / 251) % 26);
    return made;
}

sim::world_options late(std::uint64_t seed) {
    sim::world_options options;
    options.seed = seed;
    options.least_latency = 1ms;
    options.most_latency = 20ms;
    options.short_counts = true;
    return options;
}

task<> sleepy(exchange& x) {
    if (!co_await sleep_for(1h)) co_return;
    x.respond(200, "text/plain", "slept");
}

http::site make_site() {
    http::site made;
    made.get("/hello/{name}", [](exchange& x) noexcept { x.respond(200, "text/plain", x.param("name")); })
        .get("/slow", sleepy)
        .get("/work", http::blocking([](const http::request_view&, std::stop_token) {
                 return http::answer(200, "text/plain", "worked");
             }))
        .mount("/files/", http::files("/srv", {.listings = true}));
    return made;
}

/// A server on a host of its own, with files.
struct served {
    explicit served(sim::world& in, unsigned threads = 1)
        : server_host(in.add_host("server")), client_host(in.add_host("client")) {
        server_host.write_file("/srv/hello.txt", "Hello, ferry.\n");
        server_host.write_file("/srv/large.bin", pattern(300'000));
        server_host.write_file("/srv/deep/index.html", "<p>deep");
        server_host.write_file("/srv/deep/other.txt", "other");
        server_host.write_file("/srv/list/one", "1");
        server_host.write_file("/srv/list/two/three", "3");
        const sim::world::visit there(server_host);
        http::server_options options;
        options.threads = threads;
        options.access_log = "/var/log/access";
        options.report = [this](std::string_view line) { reports.emplace_back(line); };
        server.emplace(make_site(), std::vector<http::endpoint>{{"*:80"}}, std::move(options));
        server->start();
    }
    void end() {
        server->drain();
        server->wait();
        server.reset();
    }

    sim::host& server_host;
    sim::host& client_host;
    std::vector<std::string> reports;
    std::optional<http::server> server;
};

// The URL is its owner's.
task<std::string> ask(http::client& by, const std::string& url) {
    auto answer = co_await by.get(url);
    if (!answer) co_return answer.error().text();
    std::string got = std::to_string(answer->status()) + " ";
    auto whole = co_await answer->for_each([&got](bytes_view piece) { got += as_text(piece); });
    if (!whole) got += "; cut: " + whole.error().text();
    co_return got;
}

struct seen {
    std::vector<std::string> answers;
    std::string log;
    std::uint64_t hash = 0;
    std::size_t steps = 0;
    duration passed{0};
};

seen run_once(std::uint64_t seed, unsigned threads) {
    sim::world world(late(seed));
    served here(world, threads);
    seen got;
    const instant begun = world.now();
    {
        const auto loop = here.client_host.make_loop();
        http::client_options options;
        options.timeouts.head = 2h;
        http::client client(*loop, options);
        const std::string base = "http://" + here.server_host.at_port(80);
        std::vector<std::string> urls;
        for (const char* each : {"/hello/sim", "/slow", "/work", "/files/hello.txt", "/files/large.bin",
                                 "/files/deep/", "/files/list/", "/files/none"})
            urls.push_back(base + each);
        const auto everything = [&]() -> task<> {
            auto one = co_await when_all(ask(client, urls[0]), ask(client, urls[1]), ask(client, urls[2]),
                                         ask(client, urls[3]), ask(client, urls[4]), ask(client, urls[5]),
                                         ask(client, urls[6]), ask(client, urls[7]));
            std::apply([&](auto&... each) { (got.answers.push_back(std::move(each)), ...); }, one);
            std::string again = co_await ask(client, urls[3]);
            got.answers.push_back(std::move(again));
        };
        run(*loop, everything());
    }
    got.passed = world.now() - begun;
    here.end();
    EXPECT_TRUE(here.reports.empty()) << here.reports.front();
    got.log = *here.server_host.find_file("/var/log/access");
    got.hash = world.trace_hash();
    got.steps = world.trace_length();
    EXPECT_EQ(world.open_descriptors(), 0u);
    return got;
}

TEST(SimulatedServer, ServesFunctionsCoroutinesWorkAndFilesInVirtualTime) {
    const auto begun = std::chrono::steady_clock::now();
    const seen got = run_once(7, 1);
    const std::string listing = got.answers[6];
    EXPECT_EQ(got.answers[0], "200 sim");
    EXPECT_EQ(got.answers[1], "200 slept");
    EXPECT_EQ(got.answers[2], "200 worked");
    EXPECT_EQ(got.answers[3], "200 Hello, ferry.\n");
    EXPECT_TRUE(got.answers[4] == "200 " + pattern(300'000)) << got.answers[4].size();
    EXPECT_EQ(got.answers[5], "200 <p>deep");
    EXPECT_TRUE(listing.starts_with("200 ")) << listing;
    EXPECT_LT(listing.find(">two/<"), listing.find(">one<")) << listing;
    EXPECT_TRUE(got.answers[7].starts_with("404 ")) << got.answers[7];
    EXPECT_EQ(got.answers[8], "200 Hello, ferry.\n");
    EXPECT_GE(got.passed, 1h);
    EXPECT_EQ(std::count(got.log.begin(), got.log.end(), '\n'), 9) << got.log;
    EXPECT_NE(got.log.find("\"GET /slow HTTP/1.1\" 200 5"), std::string::npos) << got.log;
    EXPECT_NE(got.log.find("10.0.0.2 - - ["), std::string::npos) << got.log;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, 1h);  // of the waiting nothing was waited for
}

// Server, client and timers on one loop of a host, and another client on another host's.
TEST(SimulatedServer, IsAttachedToALoopOfTheTests) {
    std::optional<std::uint64_t> hash;
    for (int round = 0; round < 2; ++round) {
        sim::world world(late(17));
        sim::host& server_host = world.add_host("server");
        sim::host& client_host = world.add_host("client");
        server_host.write_file("/srv/hello.txt", "Hello, ferry.\n");
        {
            const auto home = server_host.make_loop();
            const auto elsewhere = client_host.make_loop();
            std::optional<http::attached_server> server;
            {
                const sim::world::visit there(server_host);
                server.emplace(*home, make_site(), std::vector<http::endpoint>{{"*:80"}});
            }
            const std::string base = "http://" + server_host.at_port(80);
            const auto from_elsewhere = [&]() -> task<> {
                http::client client(*elsewhere);
                const std::string url = base + "/hello/far";
                EXPECT_EQ(co_await ask(client, url), "200 far");
            };
            run(*elsewhere, from_elsewhere());
            const auto beside = [&]() -> task<> {
                http::client_options patient;
                patient.timeouts.head = 2h;
                http::client client(*home, patient);
                const std::array<std::string, 3> urls = {base + "/slow", base + "/work",
                                                         base + "/files/hello.txt"};
                auto [slow, work, file] =
                    co_await when_all(ask(client, urls[0]), ask(client, urls[1]), ask(client, urls[2]));
                EXPECT_EQ(slow, "200 slept");
                EXPECT_EQ(work, "200 worked");
                EXPECT_EQ(file, "200 Hello, ferry.\n");
                co_await server->drained();
            };
            run(*home, beside());
            EXPECT_TRUE(server->has_ended());
            // A second one, at a listener that it is given, which ends with a request under way.
            {
                const sim::world::visit there(server_host);
                http::endpoint given{"*:80"};
                given.adopted = {
                    environment::current().listen(address::parse("*:80").value(), {}).value().release()};
                server.emplace(*home, make_site(), std::vector<http::endpoint>{given});
            }
            const auto asks_and_goes = [&]() -> task<> {
                http::client client(*elsewhere);
                const std::string url = base + "/slow";
                EXPECT_FALSE((co_await with_deadline(1s, client.get(url))).has_value());
            };
            run(*elsewhere, asks_and_goes());
            server.reset();
        }
        EXPECT_EQ(world.open_descriptors(), 0u);
        if (hash) {
            EXPECT_EQ(*hash, world.trace_hash());
        }
        hash = world.trace_hash();
    }
}

TEST(SimulatedServer, GoesTheSameWayFromTheSameSeed) {
    for (const unsigned threads : {1u, 2u}) {
        const seen first = run_once(11, threads);
        const seen again = run_once(11, threads);
        const seen other = run_once(12, threads);
        EXPECT_EQ(first.hash, again.hash);
        EXPECT_EQ(first.steps, again.steps);
        EXPECT_EQ(first.log, again.log);
        EXPECT_NE(first.hash, other.hash);
        EXPECT_EQ(first.answers, other.answers);
    }
}

// A file that changes is served anew when its answer is older than a second, whichever thread looks at it.
TEST(SimulatedServer, SeesThatAFileHasChanged) {
    sim::world world(late(3));
    served here(world);
    {
        const auto loop = here.client_host.make_loop();
        http::client client(*loop);
        const std::string url = "http://" + here.server_host.at_port(80) + "/files/hello.txt";
        const auto twice = [&]() -> task<> {
            const std::string first = co_await ask(client, url);
            EXPECT_EQ(first, "200 Hello, ferry.\n");
            here.server_host.write_file("/srv/hello.txt", "Hello, again!\n");
            (void)co_await sleep_for(10s);
            const std::string second = co_await ask(client, url);
            EXPECT_EQ(second, "200 Hello, again!\n");
            here.server_host.remove_file("/srv/hello.txt");
            (void)co_await sleep_for(10s);
            const std::string gone = co_await ask(client, url);
            EXPECT_TRUE(gone.starts_with("404 ")) << gone;
        };
        run(*loop, twice());
    }
    here.end();
}

// Who waits for an answer when the server drains gets it, if it comes in time; else an end.
TEST(SimulatedServer, DrainsInItsTime) {
    sim::world world(late(5));
    served here(world);
    {
        const auto loop = here.client_host.make_loop();
        http::client client(*loop);
        const std::string url = "http://" + here.server_host.at_port(80) + "/slow";
        const auto slow = [&]() -> task<> {
            const std::string cut = co_await ask(client, url);
            EXPECT_FALSE(cut.starts_with("200 ")) << cut;
        };
        started_task<> asking(*loop, slow());
        const instant begun = world.now();
        (void)world.run_until([] { return false; }, 1min);
        here.server->drain();
        here.server->wait();
        EXPECT_LT(world.now() - begun, 2min);
        EXPECT_TRUE(world.run_until([&] { return asking.ended(); }));
        asking.take();
    }
    here.end();
}

// Its end is its own loops' affair, whoever else goes on in the world.
TEST(SimulatedServer, EndsWhileOthersGoOn) {
    sim::world world(late(6));
    served here(world, 2);
    {
        const auto loop = here.client_host.make_loop();
        const auto tick = []() -> task<> {
            while (co_await sleep_for(100ms)) {
            }
        };
        started_task<> ticking(*loop, tick());
        here.end();
        EXPECT_FALSE(ticking.ended());
        ticking.stop();
        EXPECT_TRUE(world.run_until([&] { return ticking.ended(); }));
        ticking.take();
    }
}

// Several loops, with a listener each, share the port.
TEST(SimulatedServer, SharesItsPortAmongItsLoops) {
    sim::world world(late(9));
    served here(world, 3);
    {
        const auto loop = here.client_host.make_loop();
        const std::string url = "http://" + here.server_host.at_port(80) + "/hello/x";
        const auto many = [&]() -> task<> {
            for (int each = 0; each < 20; ++each) {
                http::client client(*loop);  // a connection each
                const std::string got = co_await ask(client, url);
                EXPECT_EQ(got, "200 x");
            }
        };
        run(*loop, many());
    }
    here.end();
}

}  // namespace
}  // namespace naru::testing
