// Tests in many worlds: that they find what is wrong, say from which seed, and how little it takes; and
// programs that crash and start again.
#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>
#include <naru/testing/seeds.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace naru::testing {
namespace {

using namespace std::chrono_literals;
using sim::fault;

task<> send_and_forget(loop& on, std::string where, sim::world& world) {
    auto to = co_await tcp_stream::connect(on, where);
    if (!to) co_return;
    auto sent = co_await to->send("text");
    world.require(sent.has_value(), "a send has failed");
}
task<> take_one(loop& on) {
    auto listener = tcp_listener::bind(on, ":80");
    while (auto peer = co_await listener->accept())
        (void)co_await peer->receive();
}
void one_send(sim::world& world) {
    sim::host& server = world.add_host("server");
    sim::process service(server, [](loop& on) { return take_one(on); });
    const auto on = world.add_host("client").make_loop();
    run(*on, send_and_forget(*on, server.at_port(80), world));
}

sim::seed_options resets_among_others() {
    sim::seed_options options;
    options.world.most_latency = 5ms;
    options.world.backends = sim::manner::completion;
    options.world.faults = sim::faults_of_all_kinds(20);
    options.world.faults.one_in[fault::reset] = 2;
    options.world.faults.one_in[fault::no_buffers] = 0;  // so that there is one cause only
    return options;
}

TEST(Seeds, AFailureComesWithItsSeedItsLastStepsAndAsLittleAsItTakes) {
    const sim::seed_report found = sim::run_seeds(resets_among_others(), one_send);
    EXPECT_FALSE(found.passed());
    ASSERT_TRUE(found.seed);
    EXPECT_EQ(found.runs, *found.seed);
    EXPECT_EQ(found.failure, "a send has failed");
    EXPECT_NE(found.smallest.faults.one_in[fault::reset], 0u);
    EXPECT_EQ(found.smallest.faults.one_in.kinds(), 1u);
    EXPECT_EQ(found.smallest.backends, sim::manner::readiness);
    EXPECT_TRUE(std::ranges::any_of(found.last, [](const std::string& each) {
        return each.find("client broken off") != std::string::npos;
    })) << found.text();
    EXPECT_NE(found.text().find("again: NARU_SIM_SEED=" + std::to_string(*found.seed)), std::string::npos);
    // The same again, from that seed alone.
    sim::seed_options alone;
    alone.world = found.smallest;
    alone.seeds = 1;
    EXPECT_EQ(sim::run_seeds(alone, one_send).failure, found.failure);
}

TEST(Seeds, WhatNeverHappenedIsAFailureToo) {
    sim::seed_options options;
    options.seeds = 3;
    options.world.faults.one_in[fault::datagram_lost] = 2;
    const auto body = [](sim::world& world) {
        world.sometimes(false, "snow in July");
        one_send(world);
    };
    const sim::seed_report found = sim::run_seeds(options, body);
    EXPECT_FALSE(found.seed);
    EXPECT_EQ(found.missing,
              (std::vector<std::string>{"never happened: datagram_lost", "never reached: snow in July"}));
    options.demand_all = false;
    EXPECT_TRUE(sim::run_seeds(options, body).passed());
}

TEST(Seeds, WhatDoesNotFollowFromTheSeedIsFound) {
    sim::seed_options options;
    int runs = 0;
    const auto found = sim::run_seeds(options, [&](sim::world& world) {
        world.note(std::to_string(runs++));
        one_send(world);
    });
    EXPECT_EQ(found.failure, "a second run from the same seed has gone another way");
    EXPECT_EQ(found.runs, 1u);
}

TEST(Seeds, AnExceptionIsAFailure) {
    const auto found = sim::run_seeds({}, [](sim::world&) { throw std::runtime_error("no"); });
    EXPECT_EQ(found.failure, "an exception: no");
    EXPECT_EQ(found.seed, 1u);
}

class Fixture : public sim::seeds_test {};
TEST_F(Fixture, RunsInEachWorld) {
    options.seeds = 5;
    options.world.most_latency = 5ms;
    int runs = 0;
    in_each_world([&](sim::world& world) {
        one_send(world);
        ++runs;
    });
    EXPECT_EQ(runs, 6);  // the first twice
}

// A program that counts its starts on its disk.
task<> count_starts(loop& on, int& told) {
    auto kept = co_await file::open(on, "/starts", open_for::appending());
    if (!kept) co_return;
    (void)co_await kept->write("x", 0);
    auto synced = co_await kept->sync();
    auto status = co_await kept->status();
    if (synced && status) told = static_cast<int>(status->size);
    (void)co_await kept->write("lost, perhaps", 0);
    (void)co_await sleep_for(1h);
}

TEST(Process, StartsAgainWithWhatItsDiskHasKept) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        sim::world_options options;
        options.seed = seed;
        sim::world world(options);
        sim::host& on = world.add_host("host");
        int told = 0;
        sim::process program(on, [&](loop& its) { return count_starts(its, told); });
        EXPECT_FALSE(world.run_until([&] { return !program.running(); }, 1min));
        EXPECT_EQ(told, 1);
        program.crash();
        EXPECT_FALSE(program.running());
        EXPECT_TRUE(on.is_down());
        const std::size_t kept = on.find_file("/starts")->size();
        EXPECT_TRUE(kept == 1 || kept == 14) << kept;
        program.restart();
        EXPECT_TRUE(world.run_until([&] { return !program.running(); }));  // by itself
        EXPECT_EQ(told, static_cast<int>(kept) + 1);
        program.stop();
    }
}

task<> fail_at_once() {
    throw std::runtime_error("no");
    co_return;
}

TEST(Process, AnExceptionComesOutOfItsEnd) {
    sim::world world;
    sim::process program(world.add_host("host"), [](loop&) { return fail_at_once(); });
    EXPECT_FALSE(program.running());
    EXPECT_THROW(program.stop(), std::runtime_error);
    program.stop();  // it is gone
    EXPECT_EQ(world.first_failure(), "");
    {
        sim::process other(world.add_host("other"), [](loop&) { return fail_at_once(); });
    }
    EXPECT_EQ(world.first_failure(), "the program on other has thrown: no");  // nobody has asked for it
}

TEST(Process, WhatItThrowsIsTraced) {
    sim::world_options options;
    options.keep_trace = true;
    sim::world world(options);
    sim::process program(world.add_host("host"), [](loop&) { return fail_at_once(); });
    ASSERT_FALSE(world.trace().empty());
    EXPECT_TRUE(world.trace().back().ends_with("the program on host has thrown: no")) << world.trace().back();
    EXPECT_THROW(program.stop(), std::runtime_error);
}

}  // namespace
}  // namespace naru::testing
