// The simulated world: time, hosts, and what makes two runs the same.
#include "sim/echo_server.hpp"

#include <naru/naru.hpp>
#include <naru/os/resolve_name.hpp>
#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;

task<> wait_for(duration span) { (void)co_await sleep_for(span); }

task<std::string> read_all(tcp_stream from) {
    std::string got;
    while (auto data = co_await from.receive())
        got += data->text();
    co_return got;
}

task<> send_all(tcp_stream& to, const std::string& text) {
    (void)co_await to.send(text);
    (void)to.shutdown_send();
}
task<std::string> read_all_of(tcp_stream& from) {
    std::string got;
    while (auto data = co_await from.receive())
        got += data->text();
    co_return got;
}
/// Sends and reads at a time: what comes back need not fit between the two.
task<std::string> talk(loop& on, std::string where, std::string text) {
    auto server = co_await tcp_stream::connect(on, where);
    if (!server) co_return server.error().message();
    auto [nothing, got] = co_await when_all(send_all(*server, text), read_all_of(*server));
    (void)nothing;
    co_return got;
}

task<std::string> ask_for(loop& on, std::string where, std::string text) {
    auto server = co_await tcp_stream::connect(on, where);
    if (!server) co_return server.error().message();
    (void)co_await server->send(text);
    (void)server->shutdown_send();
    co_return co_await read_all(std::move(*server));
}

TEST(World, ItsHostsNamesAreItsOwn) {
    sim::world world;
    world.add_host("first");
    world.add_host("Second");
    world.add_host("second");
    const auto found = [&](const std::string& name) {
        const auto got = world.resolve(name, 80, 16);
        return got ? got->at(0).text() : got.error().message();
    };
    EXPECT_EQ(found("first"), "10.0.0.1:80");
    EXPECT_EQ(found("SECOND"), "10.0.0.2:80");
    EXPECT_EQ(found("localhost"), "127.0.0.1:80");
    EXPECT_EQ(found("10.0.0.9"), "10.0.0.9:80");
    EXPECT_EQ(found("::1"), "[::1]:80");
    EXPECT_EQ(world.resolve("third", 80, 16).error(), resolve_errc::name_unknown);
    EXPECT_EQ(world.resolve("example.org", 80, 16).error(), resolve_errc::name_unknown);
    EXPECT_EQ(world.resolve("first", 80, 0).error(), resolve_errc::name_unknown);
    EXPECT_EQ(world.host_named("none"), nullptr);
}

TEST(World, AYearOfWaitingIsOver) {
    sim::world simulated;
    const auto on = simulated.here().make_loop();
    const instant begin = clock::now();
    run(*on, wait_for(24h * 365));
    EXPECT_GE(clock::now() - begin, 24h * 365);
    EXPECT_LT(clock::now() - begin, 24h * 366);
}

TEST(World, TheClockIsTheSystemsAgainBehindIt) {
    const instant before = clock::now();
    {
        sim::world simulated;
        EXPECT_EQ(clock::now(), simulated.options().begin);
        EXPECT_EQ(&environment::current(), &simulated);
        EXPECT_EQ(sim::world::current(), &simulated);
    }
    EXPECT_EQ(sim::world::current(), nullptr);
    EXPECT_EQ(environment::other_than_the_systems(), nullptr);
    EXPECT_GE(clock::now(), before);
}

TEST(World, WhoLooksAtTheClockUntilItMovesSeesItMove) {
    sim::world simulated;
    const auto on = simulated.here().make_loop();
    const instant until = clock::now() + 1ms;
    run(*on, [](instant end) -> task<> {
        while (clock::now() < end)
            co_await yield();
    }(until));
    EXPECT_GE(clock::now(), until);
}

// Who is posted to a loop counts its deadlines from when that runs, and not from its last tick.
TEST(World, ALoopThatHasNotRunForLongTellsTheTime) {
    sim::world simulated;
    const auto on = simulated.here().make_loop();
    on->run_for_one_tick(0ms);
    simulated.pass_time(1h);
    instant told{};
    on->post([&] { told = on->now(); });
    const instant begun = clock::now();
    simulated.run();
    EXPECT_GE(told, begun);
}

TEST(World, HostsReachEachOtherByAddressAndTheirOwnLoopbackOnly) {
    sim::world simulated;
    sim::host& server = simulated.add_host("server");
    sim::host& client = simulated.add_host("client");
    const auto serving = server.make_loop();
    const auto asking = client.make_loop();
    auto everywhere = tcp_listener::bind(*serving, ":80");
    auto inside = tcp_listener::bind(*serving, "127.0.0.1:81");
    ASSERT_TRUE(everywhere && inside);
    started_task<> outside_server(*serving, serve(std::move(*everywhere)));
    started_task<> inside_server(*serving, serve(std::move(*inside)));
    EXPECT_EQ(run(*asking, ask_for(*asking, server.at_port(80), "hello")), "hello");
    const std::string refused = std::make_error_code(std::errc::connection_refused).message();
    EXPECT_EQ(run(*asking, ask_for(*asking, server.at_port(81), "hello")), refused);
    EXPECT_EQ(run(*asking, ask_for(*asking, "127.0.0.1:80", "hello")), refused);
    EXPECT_EQ(run(*serving, ask_for(*serving, "127.0.0.1:81", "hello")), "hello");
    EXPECT_EQ(run(*asking, ask_for(*asking, "10.9.9.9:80", "hello")),
              std::make_error_code(std::errc::network_unreachable).message());
    outside_server.stop();
    inside_server.stop();
    simulated.run();
    EXPECT_TRUE(outside_server.ended() && inside_server.ended());
}

TEST(World, BytesTakeTheirTimeInOrderHoweverLongEachIsUnderWay) {
    sim::world_options options;
    options.least_latency = 5ms;
    options.most_latency = 50ms;
    options.short_counts = true;
    options.connection_buffer = 10'000;
    for (options.seed = 1; options.seed <= 10; ++options.seed) {
        sim::world simulated(options);
        sim::host& server = simulated.add_host("server");
        const auto serving = server.make_loop();
        const auto asking = simulated.add_host("client").make_loop();
        auto listener = tcp_listener::bind(*serving, ":80");
        started_task<> server_task(*serving, serve(std::move(*listener)));
        std::string text;
        for (int each = 0; each < 20'000; ++each)
            text += std::to_string(each);
        const instant begin = clock::now();
        EXPECT_TRUE(run(*asking, talk(*asking, server.at_port(80), text)) == text);
        EXPECT_GE(clock::now() - begin, 4 * 5ms);  // there and back twice: the connection, and the text
        server_task.stop();
        simulated.run();
    }
}

TEST(World, ItsTraceFollowsFromItsSeed) {
    const auto trace_of = [](std::uint64_t seed) {
        sim::world_options options;
        options.seed = seed;
        options.most_latency = 30ms;
        options.short_counts = true;
        options.keep_trace = true;
        sim::world simulated(options);
        sim::host& server = simulated.add_host("server");
        const auto serving = server.make_loop();
        auto listener = tcp_listener::bind(*serving, ":80");
        started_task<> server_task(*serving, serve(std::move(*listener)));
        std::vector<std::unique_ptr<loop>> loops;
        std::deque<started_task<std::string>> clients;
        for (int each = 0; each < 5; ++each) {
            loops.push_back(simulated.add_host("client" + std::to_string(each)).make_loop());
            clients.emplace_back(*loops.back(),
                                 ask_for(*loops.back(), server.at_port(80), std::string(5'000, 'x')));
        }
        simulated.run();
        for (auto& each : clients)
            EXPECT_EQ(each.take().size(), 5'000u);
        server_task.stop();
        simulated.run();
        EXPECT_EQ(simulated.trace().size(), simulated.trace_length());
        return simulated.trace();
    };
    const auto first = trace_of(3);
    EXPECT_GT(first.size(), 50u);
    EXPECT_EQ(first, trace_of(3));
    EXPECT_NE(first, trace_of(4));
}

TEST(World, AConnectThatFindsAFullQueueIsServedWhenThereIsRoom) {
    sim::world simulated;
    const auto on = simulated.here().make_loop();
    listen_options options;
    options.backlog = 0;
    auto listener = tcp_listener::bind(*on, "127.0.0.1:80", options);
    ASSERT_TRUE(listener);
    std::deque<started_task<std::string>> clients;
    for (int each = 0; each < 5; ++each)
        clients.emplace_back(*on, ask_for(*on, "127.0.0.1:80", std::to_string(each)));
    simulated.run();  // nothing more can happen: one is in the queue, the others wait
    started_task<> server_task(*on, serve(std::move(*listener)));
    simulated.run();
    for (int each = 0; each < 5; ++each)
        EXPECT_EQ(clients[static_cast<std::size_t>(each)].take(), std::to_string(each));
    server_task.stop();
    simulated.run();
}

TEST(World, WorkTakesVirtualTimeOnTheOneThreadAndSoManyAtATime) {
    sim::world_options options;
    options.most_work = 1s;
    sim::world simulated(options);
    const auto on = simulated.here().make_loop();
    worker_pool pool(2, 8);
    const std::thread::id here = std::this_thread::get_id();
    const instant begin = clock::now();
    int ran = 0;
    run(*on, [](worker_pool& in, std::thread::id thread, int& count) -> task<> {
        for (int each = 0; each < 10; ++each) {
            const auto same = co_await offload(in, [thread] { return std::this_thread::get_id() == thread; });
            EXPECT_TRUE(same && *same);
            ++count;
        }
    }(pool, here, ran));
    EXPECT_EQ(ran, 10);
    EXPECT_GT(clock::now() - begin, 100ms);
    EXPECT_LE(clock::now() - begin, 11s);
}

TEST(World, WhoWaitsForWhatNeverComesIsStopped) {
    sim::world simulated;
    const auto on = simulated.here().make_loop();
    auto listener = tcp_listener::bind(*on, ":80");
    ASSERT_TRUE(listener);
    bool stopped = false;
    run(*on, [](tcp_listener& at, bool& told) -> task<> {
        const auto nobody = co_await at.accept();
        told = !nobody && nobody.error() == std::errc::operation_canceled;
    }(*listener, stopped));
    EXPECT_TRUE(stopped);
}

TEST(World, ALoopGroupRunsInItAndDrains) {
    sim::world simulated;
    sim::host& client = simulated.add_host("client");
    sim::host& server = simulated.add_host("server");
    const auto asking = client.make_loop();
    for (const bool shared : {false, true}) {
        const sim::world::visit there(server);
        loop_group loops(3);
        loop_group::serve_options options;
        options.shared = shared;
        const auto where = loops.serve(address::parse(":7000").value(), echo, options);
        ASSERT_TRUE(where) << where.error().message();
        for (int each = 0; each < 12; ++each) {
            const std::string text = std::to_string(each);
            EXPECT_EQ(run(*asking, ask_for(*asking, server.at_port(7000), text)), text);
        }
        loops.drain();
        loops.join();
    }
}

TEST(World, FilesAreReadFromAHostsDisk) {
    sim::world simulated;
    simulated.here().write_file("/etc/motd", "welcome");
    EXPECT_EQ(simulated.here().find_file("/etc/none"), nullptr);
    EXPECT_EQ(*simulated.here().find_file("/etc/motd"), "welcome");
}

}  // namespace
}  // namespace naru::testing
