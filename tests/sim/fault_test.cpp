// What goes wrong in a simulated world: each kind, what the program sees of it, and that it is counted.
#include "sim/echo_server.hpp"

#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using sim::fault;

std::string word(int error) { return std::error_code(error, errno_category()).message(); }

// The text that came back, or at which step what went wrong. What is lent is its owner's.
task<std::string> ask(loop& on, std::string where, std::string text) {
    auto server = co_await tcp_stream::connect(on, where);
    if (!server) co_return "connect: " + server.error().message();
    auto sent = co_await server->send(text);
    if (!sent) co_return "send: " + sent.error().message();
    (void)server->shutdown_send();
    std::string got;
    while (true) {
        auto data = co_await server->receive();
        if (!data && data.error() == errc::end_of_stream) co_return got;
        if (!data) co_return "receive: " + data.error().message();
        got += data->text();
    }
}

/// A server and a client, each on a host of its own.
struct pair_of_hosts {
    explicit pair_of_hosts(sim::world_options options) : world(std::move(options)) {
        auto listener = tcp_listener::bind(*serving, ":80");
        server_task.emplace(*serving, serve(std::move(*listener)));
    }
    ~pair_of_hosts() {
        server_task->stop();
        world.run();
    }
    std::string ask_once(std::string text) {
        return run(*asking, ask(*asking, server.at_port(80), std::move(text)));
    }

    sim::world world;
    sim::host& server = world.add_host("server");
    sim::host& client = world.add_host("client");
    std::unique_ptr<loop> serving = server.make_loop();
    std::unique_ptr<loop> asking = client.make_loop();
    std::optional<started_task<>> server_task;
};

sim::world_options with(fault which, std::uint64_t one_in) {
    sim::world_options options;
    options.least_latency = 1ms;
    options.most_latency = 5ms;
    options.faults.one_in[which] = one_in;
    return options;
}

TEST(Faults, AConnectIsRefusedTimesOutOrFindsNoDescriptor) {
    {
        pair_of_hosts here(with(fault::connect_refused, 1));
        EXPECT_EQ(here.ask_once("x"), "connect: " + word(ECONNREFUSED));
        EXPECT_EQ(here.world.happened()[fault::connect_refused], 1u);
    }
    {
        pair_of_hosts here(with(fault::connect_timed_out, 1));
        const instant begun = clock::now();
        EXPECT_EQ(here.ask_once("x"), "connect: " + word(ETIMEDOUT));
        EXPECT_GE(clock::now() - begun, 127s);
    }
    {
        pair_of_hosts here(with(fault::no_descriptor, 1));
        EXPECT_EQ(here.ask_once("x"), "connect: " + word(EMFILE));
    }
}

TEST(Faults, AConnectionIsCutForBothOfItsEnds) {
    pair_of_hosts here(with(fault::reset, 1));
    EXPECT_EQ(here.ask_once("x"), "send: " + word(ECONNRESET));
    here.world.set_faults({});
    EXPECT_EQ(here.ask_once("x"), "x");
    EXPECT_EQ(here.world.happened()[fault::reset], 1u);
    EXPECT_EQ(here.world.happened()[fault::half_close], 1u);
}

TEST(Faults, WhoIsSparedIsServedWhateverHappens) {
    sim::world_options options = with(fault::connect_refused, 1);
    for (const fault each : {fault::reset, fault::no_buffers, fault::no_memory, fault::connect_timed_out})
        options.faults.one_in[each] = 2;
    options.faults.one_in[fault::queue_full] = 2;
    pair_of_hosts here(options);
    here.client.spare();
    for (int each = 0; each < 20; ++each)
        EXPECT_EQ(here.ask_once(std::string(10'000, 'x')).size(), 10'000u);
    EXPECT_EQ(here.world.happened()[fault::reset], 0u);
    EXPECT_GT(here.world.happened()[fault::queue_full], 0u);
    // The server's accepts want memory in vain now and then: who waits is served later.
    EXPECT_GT(here.world.happened()[fault::no_memory] + here.world.happened()[fault::no_buffers], 0u);
}

TEST(Faults, APartitionHoldsUpWhatIsUnderWayUntilItHeals) {
    pair_of_hosts here(with(fault::slow, 0));
    here.world.partition(here.server, here.client, 30s);
    const instant begun = clock::now();
    EXPECT_EQ(here.ask_once("late"), "late");
    EXPECT_GE(clock::now() - begun, 30s);
    EXPECT_LT(clock::now() - begun, 31s);
    here.world.partition(here.server, here.client);
    EXPECT_EQ(here.ask_once("never"), "connect: " + word(ETIMEDOUT));
    here.world.heal();
    EXPECT_EQ(here.ask_once("again"), "again");
    EXPECT_EQ(here.world.happened()[fault::partition], 2u);
}

// In the middle of a long text, again and again: what comes is whole, and in order.
TEST(Faults, PartitionsLossAndSlownessLoseNoByteOfAConnection) {
    sim::fault_table happened;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        sim::world_options options;
        options.seed = seed;
        options.least_latency = 1ms;
        options.most_latency = 20ms;
        options.connection_buffer = 3'000;
        options.backends = seed % 2 == 0 ? sim::manner::completion : sim::manner::readiness;
        options.faults = sim::faults_of_all_kinds(20);
        pair_of_hosts here(options);
        here.client.spare();
        std::string text;
        for (int each = 0; each < 400; ++each)
            text += std::to_string(each) + " ";
        started_task<std::string> asking(*here.asking, ask(*here.asking, here.server.at_port(80), text));
        for (int each = 0; each < 10 && !asking.ended(); ++each) {
            here.world.partition(here.server, here.client, 70ms);
            (void)here.world.run_until([&] { return asking.ended(); }, 200ms);
        }
        EXPECT_TRUE(here.world.run_until([&] { return asking.ended(); }));
        EXPECT_EQ(asking.take(), text) << seed;
        happened.add(here.world.happened());
    }
    EXPECT_GT(happened[fault::segment_lost], 0u);
    EXPECT_GT(happened[fault::slow], 0u);
}

task<> send_numbers(udp_socket& from, address to) {
    for (int each = 0; each < 100; ++each) {
        const std::string text = std::to_string(each);
        (void)co_await from.send_to(text, to);
    }
}
task<int> count_datagrams(udp_socket& at) {
    int count = 0;
    std::string into(100, ' ');
    while (co_await with_deadline(1s, at.receive_from(into)))
        ++count;
    co_return count;
}

TEST(Faults, ALossyLinkLosesDatagramsAndACutOneAllOfThem) {
    sim::world world(with(fault::slow, 0));
    sim::host& one = world.add_host("one");
    sim::host& other = world.add_host("other");
    const auto sending = one.make_loop();
    const auto receiving = other.make_loop();
    auto from = udp_socket::bind(*sending, ":7");
    auto to = udp_socket::bind(*receiving, ":7");
    ASSERT_TRUE(from && to);
    const auto arrived = [&] {
        started_task<int> counting(*receiving, count_datagrams(*to));
        run(*sending, send_numbers(*from, address::parse(other.at_port(7)).value()));
        world.run();
        return counting.take();
    };
    EXPECT_EQ(arrived(), 100);
    world.set_link(one, other, 10ms, 3);
    const int some = arrived();
    EXPECT_GT(some, 30);
    EXPECT_LT(some, 90);
    EXPECT_EQ(world.happened()[fault::datagram_lost], 100u - static_cast<unsigned>(some));
    world.partition(one, other);
    EXPECT_EQ(arrived(), 0);
}

TEST(Faults, ACrashCutsAllConnectionsAndTheHostIsThereAgain) {
    pair_of_hosts here(with(fault::slow, 0));
    auto listener = tcp_listener::bind(*here.serving, ":81");  // nobody accepts
    started_task<std::string> waiting(*here.asking, ask(*here.asking, here.server.at_port(81), "x"));
    (void)here.world.run_until([] { return false; }, 1s);
    EXPECT_FALSE(waiting.ended());
    here.server.crash();
    here.world.run();
    EXPECT_EQ(waiting.take(), "receive: " + word(ECONNRESET));
    EXPECT_TRUE(here.server_task->ended());  // its accept has failed
    EXPECT_EQ(here.ask_once("x"), "connect: " + word(ECONNREFUSED));
    EXPECT_FALSE(tcp_listener::bind(*here.serving, ":80"));
    here.server.restart();
    here.server_task->take();
    auto again = tcp_listener::bind(*here.serving, ":80");
    ASSERT_TRUE(again);
    here.server_task.emplace(*here.serving, serve(std::move(*again)));
    EXPECT_EQ(here.ask_once("x"), "x");
    EXPECT_EQ(here.world.happened()[fault::crash], 1u);
    EXPECT_EQ(here.world.happened()[fault::restart], 1u);
}

task<> write_two(loop& on, bool sync_both) {
    auto made = co_await file::open(on, "/data", open_for::writing_new());
    if (!made) co_return;
    (void)co_await made->write("first ", 0);
    (void)co_await made->sync();
    (void)co_await made->write("second", 6);
    if (sync_both) (void)co_await made->sync();
    (void)co_await made->write("FIRST", 0);
}
task<> write_unsynced(loop& on) {
    auto made = co_await file::open(on, "/new", open_for::writing_new());
    if (made) (void)co_await made->write("text", 0);
}

TEST(Faults, ACrashLosesWhatWasNotSyncedAndNothingElse) {
    bool lost = false;
    bool kept = false;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        for (const bool sync_both : {true, false}) {
            sim::world_options options;
            options.seed = seed;
            sim::world world(options);
            sim::host& host = world.add_host("host");
            const auto on = host.make_loop();
            run(*on, write_two(*on, sync_both));
            run(*on, write_unsynced(*on));
            host.crash();
            host.restart();
            const std::string left = *host.find_file("/data");
            EXPECT_TRUE(left.starts_with("first ") || left.starts_with("FIRST ")) << left;
            EXPECT_TRUE(left.ends_with("second") || (!sync_both && left.size() == 6)) << left;
            EXPECT_EQ(host.find_file("/new"), nullptr);
            (left == "first second" || left == "first " ? lost : kept) = true;
        }
    }
    EXPECT_TRUE(lost && kept);
}

TEST(Faults, AClockThatJumpsIsTheHostsTimeOfDayOnly) {
    sim::world world;
    sim::host& one = world.add_host("one");
    sim::host& other = world.add_host("other");
    const instant before = clock::now();
    one.jump_clock(-1h);
    const auto of_one = [&] {
        const sim::world::visit there(one);
        return world.time_of_day();
    }();
    const sim::world::visit there(other);
    EXPECT_EQ(world.time_of_day() - of_one, 1h);
    EXPECT_EQ(clock::now(), before);
    EXPECT_EQ(world.happened()[fault::clock_jump], 1u);
}

// Cancels, closes and accepts as a kernel completes them.
TEST(Faults, WhatCompletesLateIsCountedAndLosesNothing) {
    sim::fault_table happened;
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        sim::world_options options;
        options.seed = seed;
        options.most_latency = 3ms;
        options.backends = sim::manner::completion;
        for (const fault each : {fault::late_cancel, fault::reordered, fault::accepted_ahead,
                                 fault::closed_before_completion, fault::short_count})
            options.faults.one_in[each] = 2;
        pair_of_hosts here(options);
        std::deque<started_task<std::string>> asking;
        for (int each = 0; each < 20; ++each)
            asking.emplace_back(*here.asking,
                                ask(*here.asking, here.server.at_port(80), std::string(999, 'x')));
        for (auto& each : asking) {
            EXPECT_TRUE(here.world.run_until([&] { return each.ended(); }));
            EXPECT_EQ(each.take().size(), 999u);
        }
        const auto silent = [&]() -> task<> {
            auto stream = co_await tcp_stream::connect(*here.asking, here.server.at_port(80));
            for (int each = 0; each < 5 && stream; ++each) {
                auto nothing = co_await with_deadline(10ms, stream->receive());
                EXPECT_FALSE(nothing);
            }
        };
        run(*here.asking, silent());
        happened.add(here.world.happened());
    }
    for (const fault each : {fault::late_cancel, fault::early_cancel, fault::reordered,
                             fault::closed_before_completion, fault::descriptor_reused, fault::short_count})
        EXPECT_GT(happened[each], 0u) << name_of(each);
}

/// Stops at its first connection, and counts those that come all the same.
struct stopping_acceptor {
    stopping_acceptor(loop& at, handle listener)
        : on(at),
          accepting(
              at, listener,
              {[](void* self, handle accepted) noexcept {
                   auto& me = *static_cast<stopping_acceptor*>(self);
                   ++me.accepted;
                   me.on.close(accepted);
                   me.accepting.stop();
               },
               nullptr, nullptr,
               [](void* self) noexcept { static_cast<stopping_acceptor*>(self)->stopped = true; }, this}) {
        accepting.start();
    }
    loop& on;
    int accepted = 0;
    bool stopped = false;
    acceptor accepting;
};

TEST(Faults, WhoWasAcceptedAheadIsHandedOutBeforeAnAcceptorHasStopped) {
    std::uint64_t ahead = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        sim::world_options options = with(fault::accepted_ahead, 2);
        options.seed = seed;
        options.backends = sim::manner::completion;
        sim::world world(options);
        sim::host& server = world.add_host("server");
        const auto serving = server.make_loop();
        const auto asking = world.add_host("client").make_loop();
        auto listener = serving->open_listener(address::parse(server.at_port(80)).value(), {});
        ASSERT_TRUE(listener);
        std::deque<started_task<std::string>> clients;
        for (int each = 0; each < 20; ++each)
            clients.emplace_back(*asking, ask(*asking, server.at_port(80), "x"));
        world.run();
        int accepted = 0;
        while (serving->has_connection_waiting(*listener)) {
            stopping_acceptor some(*serving, *listener);
            EXPECT_TRUE(world.run_until([&] { return some.stopped; }));
            accepted += some.accepted;
        }
        world.run();
        EXPECT_EQ(accepted, 20);
        ahead += world.happened()[fault::accepted_ahead];
        serving->close(*listener);
        world.run();
        for (auto& each : clients)
            (void)each.take();
    }
    EXPECT_GT(ahead, 0u);
}

TEST(Faults, AKindThatNeverHappenedIsNamed) {
    pair_of_hosts here(with(fault::reset, 1'000'000'000));
    EXPECT_EQ(here.ask_once("x"), "x");
    EXPECT_EQ(here.world.missed(), std::vector<std::string_view>{"reset"});
    here.world.sometimes(true, "reached");
    here.world.sometimes(false, "not reached");
    EXPECT_EQ(here.world.sometimes().at("reached"), 1u);
    EXPECT_EQ(here.world.sometimes().at("not reached"), 0u);
    for (std::size_t each = 0; each < sim::fault_kinds; ++each)
        EXPECT_FALSE(name_of(static_cast<fault>(each)).empty());
}

}  // namespace
}  // namespace naru::testing
