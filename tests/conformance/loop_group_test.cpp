// Loops on several threads: spread, drained, stopped and joined.
#include "support/conformance.hpp"
#include "support/ending.hpp"

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace naru::testing {
namespace {

class LoopGroup : public conformance {
 protected:
    /// The engine of this backend; of the variants that are no engines of their own, none.
    std::optional<engine> which() const {
        if (on_sim()) return engine::automatic;  // the world's
        std::string name = GetParam().name;
        std::replace(name.begin(), name.end(), '_', '-');
        if (name == "io-uring") name = "io_uring";
        if (name == "io-uring-sqpoll") return std::nullopt;  // a thread of the kernel's for each
        return engine_named(name);
    }
};
NARU_ON_EVERY_BACKEND(LoopGroup);

/// Sends a text and gives what came back by the time of the end.
task<std::string> ask(naru::loop& on, address where, std::string text) {
    auto stream = co_await tcp_stream::connect(on, where);
    if (!stream) co_return "cannot connect: " + stream.error().message();
    if (!co_await stream->send(text)) co_return "cannot send";
    (void)co_await stream->shutdown();
    std::string got;
    while (auto data = co_await stream->receive())
        got += data->text();
    co_return got;
}

TEST_P(LoopGroup, ServesOnAllLoopsAndDrains) {
    if (!which()) GTEST_SKIP() << "a variant of an engine";
    for (const bool shared : {false, true}) {
        std::mutex mutex;
        std::set<std::thread::id> threads;
        std::atomic<int> failures = 0;
        auto echo = [&](tcp_stream peer) -> task<> {
            {
                const std::lock_guard lock(mutex);
                threads.insert(std::this_thread::get_id());
            }
            while (auto data = co_await peer.receive()) {
                if (data->text() == "fail") throw std::runtime_error("asked to");
                if (!co_await peer.send(*data)) break;
            }
        };
        loop_group loops(3, *which());
        loop_group::serve_options options;
        options.shared = shared;
        options.report = [&](const child_failure&) { ++failures; };
        const auto where = loops.serve(address::parse("127.0.0.1:0").value(), echo, options);
        ASSERT_TRUE(where) << where.error().message();
        for (int each = 0; each < 30; ++each) {
            const std::string text = each % 10 == 5 ? "fail" : "hello " + std::to_string(each);
            EXPECT_EQ(run_task(loop(), ask(loop(), *where, text)), each % 10 == 5 ? "" : text);
        }
        loops.drain();
        loops.join();
        EXPECT_EQ(failures, 3);
        EXPECT_EQ(threads.count(std::this_thread::get_id()), on_sim() ? 1u : 0u);
        if (shared && !on_sim()) {
            EXPECT_EQ(threads.size(), 3u);  // handed round
        }
        EXPECT_NE(run_task(loop(), ask(loop(), *where, "late")).find("cannot connect"), std::string::npos);
    }
}

TEST_P(LoopGroup, DrainingLetsConnectionsEndAndStoppingEndsThem) {
    if (!which()) GTEST_SKIP() << "a variant of an engine";
    for (const bool stop : {false, true}) {
        std::atomic<int> served = 0;
        auto echo = [&](tcp_stream peer) -> task<> {
            ++served;
            while (auto data = co_await peer.receive()) {
                if (!co_await peer.send(*data)) break;
            }
        };
        loop_group loops(2, *which());
        const auto where = loops.serve(address::parse("127.0.0.1:0").value(), echo);
        ASSERT_TRUE(where);
        std::vector<unique_descriptor> clients;
        for (int each = 0; each < 10; ++each)
            clients.push_back(connect_to(*where));
        ASSERT_TRUE(run_until([&] { return served == 10; }));
        if (stop) {
            loops.stop();
        } else {
            loops.drain();
            clients.clear();
        }
        loops.join();
    }
}

task<> yield_once() { co_await yield(); }

// On the loop that accepts, and on one that a connection was handed over to.
TEST_P(LoopGroup, AnExceptionOfTheReportIsToldByJoin) {
    if (!which()) GTEST_SKIP() << "a variant of an engine";
    for (const bool shared : {false, true}) {
        for (const int last : {1, 2}) {
            std::atomic<int> connections = 0;
            // No coroutine, whose exception would be a child's.
            const auto refuse_last = [&](tcp_stream) -> task<> {
                if (++connections == last) throw std::runtime_error("not this one");
                return yield_once();
            };
            loop_group loops(2, *which());
            loop_group::serve_options options;
            options.shared = shared;
            options.report = [](const child_failure&) { throw std::runtime_error("nobody listens"); };
            const auto where = loops.serve(address::parse("127.0.0.1:0").value(), refuse_last, options);
            ASSERT_TRUE(where);
            for (int each = 0; each < last; ++each)
                EXPECT_EQ(run_task(loop(), ask(loop(), *where, "")), "");
            loops.drain();
            EXPECT_THROW(loops.join(), std::runtime_error);
        }
    }
}

TEST_P(LoopGroup, RunsABodyOnEachLoopAndTellsItsException) {
    if (!which()) GTEST_SKIP() << "a variant of an engine";
    std::atomic<std::size_t> sum = 0;
    {
        loop_group loops(3, *which());
        loops.start([&](naru::loop& on, std::size_t index) -> task<> {
            EXPECT_EQ(co_await current_loop(), &on);
            sum += index + 1;
        });
        loops.join();
        EXPECT_EQ(sum, 6u);
    }
    {
        loop_group loops(3, *which());
        loops.start([&](naru::loop&, std::size_t index) -> task<> {
            co_await yield();
            if (index == 1) throw std::runtime_error("one of them");
        });
        EXPECT_THROW(loops.join(), std::runtime_error);
    }
    {
        loop_group loops(2, *which());
        loops.start([](naru::loop&, std::size_t) -> task<> { (void)co_await sleep_for(1h); });
    }  // drained and joined
}

// Whose body ends last may have asked another for something, or do so now.
TEST_P(LoopGroup, ALoopWhoseBodyHasEndedStillAnswersTheOthers) {
    if (!which()) GTEST_SKIP() << "a variant of an engine";
    std::atomic<bool> ended = false;
    std::atomic<int> sum = 0;
    loop_group loops(2, *which());
    const auto one_there = [&]() -> task<int> {
        EXPECT_EQ(co_await current_loop(), &loops.at(1));
        co_return 1;
    };
    loops.start([&](naru::loop&, std::size_t index) -> task<> {
        if (index == 1) {
            ended = true;
            co_return;
        }
        while (!ended)
            co_await yield();
        for (int each = 0; each < 100; ++each)
            sum += co_await on(loops.at(1), one_there());
    });
    loops.join();
    EXPECT_EQ(sum, 100);
}

}  // namespace
}  // namespace naru::testing
