// The examples' servers, unchanged, in a simulated world: their own main, and clients on another host.
#include "../../examples/key_value_store.hpp"

#include <naru/naru.hpp>
#include <naru/sim/sim.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

int echo_coroutine_main(int count, char** arguments);
int key_value_main(int count, char** arguments);

namespace naru::testing {
namespace {

using namespace std::chrono_literals;

sim::world_options a_network(std::uint64_t seed) {
    sim::world_options options;
    options.seed = seed;
    options.least_latency = 1ms;
    options.most_latency = 20ms;
    options.loopback_latency = 1ms;
    options.short_counts = true;
    return options;
}

// Asks until the server is there: nobody says when.
task<tcp_stream> reach(loop& on, std::string where) {
    while (true) {
        auto made = co_await tcp_stream::connect(on, where);
        if (made) co_return std::move(*made);
        (void)co_await sleep_for(10ms);
    }
}

/// Sends a text and gives what came back by the time the server was done.
task<std::string> ask_example(loop& on, std::string where, std::string text) {
    tcp_stream server = co_await reach(on, where);
    if (!co_await server.send(text)) co_return "cannot send";
    (void)server.shutdown_send();
    std::string got;
    while (auto data = co_await server.receive())
        got += data->text();
    co_return got;
}

/// Runs a program's main on a host of its own while a client speaks to it, who is on another host if the
/// program listens for others. It ends when nothing will ever happen again.
struct run_of {
    run_of(std::uint64_t seed, int (*main)(int, char**), std::vector<std::string> arguments,
           const std::string& where, const std::string& question)
        : simulated(a_network(seed)) {
        sim::host& server = simulated.add_host("server");
        sim::host& client = where.starts_with("127.") ? server : simulated.add_host("client");
        const auto on = client.make_loop();
        started_task<std::string> asking(*on, ask_example(*on, where, question));
        std::vector<char*> pointers;
        for (std::string& each : arguments)
            pointers.push_back(each.data());
        {
            const sim::world::visit there(server);
            status = main(static_cast<int>(pointers.size()), pointers.data());
        }
        EXPECT_TRUE(asking.ended());
        answer = asking.take();
    }
    sim::world simulated;
    int status = -1;
    std::string answer;
};

TEST(SimulatedExamples, TheCoroutineEchoServerAnswers) {
    const std::string text(300'000, 'e');
    const run_of run(1, echo_coroutine_main, {"echo_coroutine", "7777"}, "127.0.0.1:7777", text);
    EXPECT_TRUE(run.answer == text) << run.answer.size();
    EXPECT_EQ(run.status, 0);
}

TEST(SimulatedExamples, TheKeyValueServerAnswersOnTwoLoopsOfOneThread) {
    const std::string value(key_value::value_bytes, 'v');
    const std::string question = "SET name " + value + "\nGET name\nGET other\n";
    const std::string expected = "STORED\nVALUE " + value + "\nNONE\n";
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const run_of run(seed, key_value_main, {"key_value", "--listen", "10.0.0.1:7777", "--threads", "2"},
                         "10.0.0.1:7777", question);
        EXPECT_EQ(run.answer, expected) << seed;
        EXPECT_EQ(run.status, 0);
    }
}

TEST(SimulatedExamples, GoTheSameWayFromTheSameSeed) {
    const auto hash_of = [](std::uint64_t seed) {
        const run_of run(seed, echo_coroutine_main, {"echo_coroutine", "7777"}, "127.0.0.1:7777",
                         std::string(300'000, 'e'));
        EXPECT_GT(run.simulated.trace_length(), 10u);
        return run.simulated.trace_hash();
    };
    EXPECT_EQ(hash_of(7), hash_of(7));
    EXPECT_NE(hash_of(7), hash_of(8));
}

}  // namespace
}  // namespace naru::testing
